/* SPDX-License-Identifier: Apache-2.0 */
/* Authorizations (RFC 8555 section 7.1.4): one for each identifier of an order, never shared. */
#ifndef SIGNET_STORE_AUTHORIZATION_H
#define SIGNET_STORE_AUTHORIZATION_H

#include "store/store.h"

typedef struct {
  Id id, order_id, account_id;
  gint64 position;  /* in the order */
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
/* The order and account that a challenge, else an authorization, else an order belongs to (NULL:
   not given; STORE_MISSING when all are). */
StoreFind authorization_find_owner(Store *store, const Id *challenge, const Id *authorization,
                                   const Id *order, Id *owner_order, Id *owner_account,
                                   GError **error);

#endif
