/* SPDX-License-Identifier: Apache-2.0 */
/* Checking anew what is stored, one file a part; for signetctl check. */
#ifndef SIGNET_DAEMON_CTL_CHECK_H
#define SIGNET_DAEMON_CTL_CHECK_H

#include "base/config.h"
#include "ca/certificate_check.h"
#include "daemon/ctl_report.h"
#include "store/certificate.h"

/* The revocation list of a root, which is published beside those of the issuing CAs. */
typedef struct {
  char *file;
  Issuer *root;
} CtlRootList;

/* What every part reads. */
typedef struct {
  Config *config;
  Store *store;
  GPtrArray *issuers; /* of Issuer: that of [ca] first, those of each [issuer], further ones */
  GPtrArray *roots;   /* of CtlRootList: that of [ca] first, those of each [issuer] with its own */
  const char *const *logs; /* of the signers of other nodes; NULL: not given */
  CtlReport report;
} CtlCheck;

/* Reads the CAs of the configuration, which is there already; issuers: files of issuing CAs that
   it does not name any more, NULL: none. */
gboolean ctl_check_open_issuers(CtlCheck *check, const char *const *issuers, GError **error);
/* The same, and the store. */
gboolean ctl_check_open(CtlCheck *check, const char *const *issuers, GError **error);
void ctl_check_clear(CtlCheck *check);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlCheck, ctl_check_clear)

/* Those of files; of Issuer. NULL on failure. */
GPtrArray *ctl_check_read_issuers(const char *const *paths, GError **error);

/* Each tells the report what it finds; FALSE with error: it could not be told. */
gboolean ctl_check_certificates(CtlCheck *check, GError **error);
gboolean ctl_check_lists(CtlCheck *check, GError **error);

/* What is wrong with one certificate that is signed, by its row and order. NULL on failure. */
GPtrArray *ctl_check_certificate(CtlCheck *check, const Certificate *certificate, GError **error);
/* Serial number in hexadecimal; the caller frees it. */
char *ctl_check_serial(GBytes *serial);

#endif
