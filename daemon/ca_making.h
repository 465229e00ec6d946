/* SPDX-License-Identifier: Apache-2.0 */
/* What signetctl ca root, issuing, cross and crl share: asked for, signed, kept, recorded. */
#ifndef SIGNET_DAEMON_CA_MAKING_H
#define SIGNET_DAEMON_CA_MAKING_H

#include "ca/ceremony.h"
#include "daemon/ca_folder.h"

/* One certificate that is made in a folder, as BASE.pem. */
typedef struct {
  CeremonyCertificate certificate;
  const char *base;
  const char *key_where;  /* for the transcript; NULL: the key is somebody else's */
  gboolean keep_key;      /* the key is new and becomes BASE.key */
  const char *passphrase; /* that encrypts it */
  const char *wait;       /* for a second person; NULL: as long as usual */
} CaMaking;

/* with_list: the CA's first revocation list is made as well (a root's). */
gboolean ca_making_run(const CaFolder *folder, const CaMaking *making, gboolean with_list,
                       GError **error);

/* What was asked for was not made: the transcript says so. Takes failure into error; FALSE. */
gboolean ca_making_failed(const CaFolder *folder, GError *failure, GError **error);

/* Prints that an option is missing; TRUE when the value is there. */
gboolean ca_making_needs(const char *value, const char *option);
/* Whether files can have names that begin with base. */
gboolean ca_making_check_base(const char *base, GError **error);

#endif
