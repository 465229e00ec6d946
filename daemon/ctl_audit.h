/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying the audit log, for the commands that do. */
#ifndef SIGNET_DAEMON_CTL_AUDIT_H
#define SIGNET_DAEMON_CTL_AUDIT_H

#include "base/config.h"
#include "daemon/ctl_report.h"
#include "store/store.h"

/* The public audit keys of files; paths NULL: the one beside [ca] audit-key, none when there is no
   such key. Of EVP_PKEY; NULL on failure. */
GPtrArray *ctl_audit_keys(const Config *config, const char *const *paths, GError **error);
/* Where the public half of a private key's file is: NAME.pub for NAME.key, else .pub behind it. */
char *ctl_audit_public_path(const char *path);
/* Verifies a store's log. FALSE: it could not be read. */
gboolean ctl_audit_check_store(CtlReport *report, const StorePlace *place, GPtrArray *keys,
                               GError **error);
/* The same for one that is open, also in its transaction; name: what it is called. */
gboolean ctl_audit_check_open(CtlReport *report, Store *store, const char *name, GPtrArray *keys,
                              GError **error);
/* The configuration, with mistakes printed; path NULL: the default. NULL on failure. */
Config *ctl_audit_config(const char *path);

#endif
