/* SPDX-License-Identifier: Apache-2.0 */
/* Orders (RFC 8555 section 7.1.3). */
#ifndef SIGNET_STORE_ORDER_H
#define SIGNET_STORE_ORDER_H

#include "store/store.h"

/* What the CSR asked for, as bits of Order.usage. */
enum { ORDER_USAGE_SIGN = 1, ORDER_USAGE_ENCRYPT = 2, ORDER_USAGE_NON_REPUDIATION = 4 };

typedef struct {
  Id id, account_id;
  char *status; /* RFC 8555 section 7.1.6 */
  gint64 created_at, expires_at;
  char *error;                  /* problem document, JSON; NULL: none */
  char *profile;                /* name; NULL: none, the CSR alone says what the key is for */
  gint64 not_before, not_after; /* as ordered; 0: not given */
  gboolean renewal;             /* RFC 9773: it replaces a certificate: */
  Id replaces;
  GBytes *csr;  /* DER, from finalize on */
  GBytes *spki; /* its SubjectPublicKeyInfo */
  gint64 usage;
  gint64 finalized_at; /* 0: not yet */
} Order;

void order_free(Order *order);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Order, order_free)

/* STORE_UNCHANGED when another order, not invalid, replaces the same certificate. */
StoreChange order_insert(Store *store, const Order *order, GError **error);
StoreFind order_find(Store *store, const Id *id, Order **order, GError **error);
/* The one that replaces a certificate and is not invalid. */
StoreFind order_find_replacing(Store *store, const Id *certificate, Order **order, GError **error);
/* from -> to, if it is in from; problem (NULL: none) becomes its error. */
StoreChange order_move(Store *store, const Id *id, const char *from, const char *to,
                       const char *problem, GError **error);
/* Of one in processing: what it waits for (NULL: nothing) becomes its error. STORE_UNCHANGED when
   it is that already. */
StoreChange order_set_delay(Store *store, const Id *id, const char *problem, GError **error);
/* ready -> processing with what was taken from the CSR. */
StoreChange order_finalize(Store *store, const Order *order, GError **error);
/* Orders in status that expired before now, at most limit; ids (of Id) are appended to a GArray. */
gboolean order_list_expired(Store *store, const char *status, gint64 now, guint limit, GArray *ids,
                            GError **error);
/* One page of an account's orders that are not invalid, newest first, at most limit; before: those
   older than that one (NULL: from the newest). */
gboolean order_list_page(Store *store, const Id *account_id, const Id *before, guint limit,
                         GArray *ids, GError **error);
/* One page of all orders, newest first, at most limit, of a status and with a mailbox (canonical
   form) among them (NULL: any); before: those older than that one (NULL: from the newest). */
gboolean order_list_all(Store *store, const char *status, const char *canonical, const Id *before,
                        guint limit, GArray *ids, GError **error);
/* Orders of an account that are not finished, at most limit. */
gboolean order_list_open(Store *store, const Id *account_id, guint limit, GArray *ids,
                         GError **error);

#endif
