/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that bind an account to one outside (RFC 8555 section 7.3.4). The key's id is its kid. */
#ifndef SIGNET_STORE_EXTERNAL_ACCOUNT_KEY_H
#define SIGNET_STORE_EXTERNAL_ACCOUNT_KEY_H

#include "store/store.h"

typedef struct {
  Id id;
  GBytes *mac_key;   /* never shown again after it was made, never logged */
  char *note;        /* the operator's, for whom it is */
  char *identifiers; /* JSON array of domains and addresses that may be ordered; empty: all */
  char *profiles;    /* JSON array of profile names; empty: all */
  gint64 created_at, revoked_at; /* revoked_at 0: not */
  gboolean bound;                /* to: */
  Id account_id;
} ExternalAccountKey;

void external_account_key_free(ExternalAccountKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExternalAccountKey, external_account_key_free)

gboolean external_account_key_insert(Store *store, const ExternalAccountKey *key, GError **error);
StoreFind external_account_key_find(Store *store, const Id *id, ExternalAccountKey **key,
                                    GError **error);
/* Binds it; STORE_UNCHANGED when it is bound or revoked already. */
StoreChange external_account_key_bind(Store *store, const Id *id, const Id *account_id,
                                      GError **error);
/* Once only. */
StoreChange external_account_key_revoke(Store *store, const Id *id, gint64 now, GError **error);
/* In order of making, those after an id (NULL: from the first), at most limit; of
   ExternalAccountKey. NULL on failure. */
GPtrArray *external_account_key_list(Store *store, const Id *after, guint limit, GError **error);

#endif
