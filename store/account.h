/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts (RFC 8555 section 7.1.2). */
#ifndef SIGNET_STORE_ACCOUNT_H
#define SIGNET_STORE_ACCOUNT_H

#include "store/store.h"

typedef struct {
  Id id;
  char *status;       /* "valid", "deactivated", "revoked" */
  GBytes *thumbprint; /* of the key, SHA-256 (RFC 7638); no two accounts have one key */
  char *jwk;          /* the public key, JSON */
  char *contact;      /* JSON array of URLs */
  char *terms;        /* URL of the terms agreed to, NULL: none */
  gint64 terms_agreed_at, created_at;
  gboolean bound; /* to an external account (RFC 8555 section 7.3.4) by: */
  Id external_key_id;
  char *external_binding; /* as the client sent it, JSON; NULL: not bound */
} Account;

#define ACCOUNT_FORMER_KEYS 16 /* that are kept and looked at */

/* Whose certificates are those whose order was lost (store/restored.h). Nobody has its key. */
extern const Id account_unknown;
gboolean account_ensure_unknown(Store *store, gint64 now, GError **error);

void account_free(Account *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Account, account_free)

/* STORE_UNCHANGED when the key has an account. */
StoreChange account_insert(Store *store, const Account *account, GError **error);
StoreFind account_find(Store *store, const Id *id, Account **account, GError **error);
StoreFind account_find_by_key(Store *store, GBytes *thumbprint, Account **account, GError **error);
/* Another key (RFC 8555 section 7.3.5); STORE_UNCHANGED when that has an account. The present one
   is remembered as a former one. */
StoreChange account_set_key(Store *store, const Account *account, GBytes *thumbprint,
                            const char *jwk, gint64 now, GError **error);
/* Thumbprints (GBytes) of the keys that an account had after a time and has no more. NULL on
   failure. */
GPtrArray *account_former_keys(Store *store, const Id *id, gint64 after, GError **error);
/* Whether a key was that of an account before its key was changed (of those that are kept). */
StoreFind account_had_key(Store *store, GBytes *thumbprint, GError **error);
gboolean account_agree(Store *store, const Id *id, const char *terms, gint64 now, GError **error);
gboolean account_set_contact(Store *store, const Id *id, const char *contact, GError **error);
/* valid -> deactivated. */
StoreChange account_deactivate(Store *store, const Id *id, GError **error);

#endif
