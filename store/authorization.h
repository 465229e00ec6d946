/* SPDX-License-Identifier: Apache-2.0 */
/* Authorizations (RFC 8555 section 7.1.4): one for each identifier of an order, never shared. One
   made beforehand (7.4.1) has no order until an order claims it. */
#ifndef SIGNET_STORE_AUTHORIZATION_H
#define SIGNET_STORE_AUTHORIZATION_H

#include "store/store.h"

typedef struct {
  Id id, account_id;
  gboolean claimed; /* it belongs to an order: */
  Id order_id;
  gint64 position;  /* in the order */
  char *type;       /* of the identifier, as the client sent it: "email", or "dns" for clients that
                       know no other */
  char *identifier; /* as the client sent it */
  char *address;    /* what is certified: local part as sent, domain in lower-case A-labels */
  char *canonical;  /* what is compared */
  char *domain;
  char *status; /* RFC 8555 section 7.1.6 */
  gint64 expires_at;
} Authorization;

void authorization_free(Authorization *authorization);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Authorization, authorization_free)

gboolean authorization_insert(Store *store, const Authorization *authorization, GError **error);
StoreFind authorization_find(Store *store, const Id *id, Authorization **authorization,
                             GError **error);
/* All of an order, in its order; of Authorization. NULL on failure. */
GPtrArray *authorization_list(Store *store, const Id *order_id, GError **error);
StoreChange authorization_move(Store *store, const Id *id, const char *from, const char *to,
                               GError **error);
/* The free one of an account (pending or valid) that fits an identifier exactly as sent. */
StoreFind authorization_find_free(Store *store, const Id *account_id, const char *type,
                                  const char *identifier, const char *canonical, gint64 now,
                                  Authorization **authorization, GError **error);
/* Gives a free one to an order; STORE_UNCHANGED when it is not free any more. */
StoreChange authorization_claim(Store *store, const Id *id, const Id *order_id, gint64 position,
                                GError **error);
/* Whether the account holds a valid authorization for a mailbox now (RFC 8555 section 7.6). */
StoreFind authorization_held(Store *store, const Id *account_id, const char *canonical, gint64 now,
                             GError **error);
/* Whether the account got a certificate for a mailbox before. */
StoreFind authorization_served(Store *store, const Id *account_id, const char *canonical,
                               GError **error);
/* Free ones, pending or valid, that expired before now or belong to account_id (NULL: to any), at
   most limit. */
gboolean authorization_list_free(Store *store, const Id *account_id, gint64 now, guint limit,
                                 GArray *ids, GError **error);
/* The order and account that a challenge, else an authorization, else an order belongs to (NULL:
   not given; STORE_MISSING when all are). *has_order FALSE: no order yet. */
StoreFind authorization_find_owner(Store *store, const Id *challenge, const Id *authorization,
                                   const Id *order, gboolean *has_order, Id *owner_order,
                                   Id *owner_account, GError **error);

#endif
