/* SPDX-License-Identifier: Apache-2.0 */
#include "store/order.h"
#include "store/kept.h"
#include "store/sql.h"

static void clear(gpointer data) {
  Order *order = data;
  g_free(order->status);
  g_free(order->error);
  g_free(order->profile);
  g_clear_pointer(&order->csr, g_bytes_unref);
  g_clear_pointer(&order->spki, g_bytes_unref);
}

void order_free(Order *order) {
  if (order != NULL)
    g_rc_box_release_full(order, clear);
}

static gpointer copy(gconstpointer data) {
  const Order *order = data;
  Order *made = g_rc_box_new0(Order);
  *made = *order;
  made->status = g_strdup(order->status);
  made->error = g_strdup(order->error);
  made->profile = g_strdup(order->profile);
  made->csr = kept_octets(order->csr);
  made->spki = kept_octets(order->spki);
  return made;
}

/* What is kept of one whose row was changed or not (changed), to be changed in the same way. */
static Order *change_kept(Store *store, const Id *id, StoreChange changed) {
  return changed == STORE_CHANGED ? kept_change(store_kept(store), KEPT_ORDERS, id, copy) : NULL;
}

StoreChange order_insert(Store *store, const Order *order, GError **error) {
  return sql_change(store, error,
                    "INSERT INTO orders (id, account_id, status, created_at, expires_at, profile,"
                    " not_before, not_after, replaces)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                    " ON CONFLICT (replaces) WHERE replaces IS NOT NULL AND status <> 'invalid'"
                    " DO NOTHING",
                    "ddtiitiid", &order->id, &order->account_id, order->status, order->created_at,
                    order->expires_at, order->profile, order->not_before, order->not_after,
                    order->renewal ? &order->replaces : NULL);
}

static StoreFind find(SqlQuery query, Order **order, GError **error) {
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *order = g_rc_box_new0(Order);
    sql_id(&query, 0, &(*order)->id);
    sql_id(&query, 1, &(*order)->account_id);
    (*order)->status = sql_text(&query, 2);
    (*order)->created_at = sql_int(&query, 3);
    (*order)->expires_at = sql_int(&query, 4);
    (*order)->error = sql_text(&query, 5);
    (*order)->csr = sql_bytes(&query, 6);
    (*order)->spki = sql_bytes(&query, 7);
    (*order)->usage = sql_int(&query, 8);
    (*order)->finalized_at = sql_int(&query, 9);
    (*order)->profile = sql_text(&query, 10);
    (*order)->not_before = sql_int(&query, 11);
    (*order)->not_after = sql_int(&query, 12);
    (*order)->renewal = sql_id(&query, 13, &(*order)->replaces);
    kept_put(store_kept(query.store), KEPT_ORDERS, &(*order)->id, g_rc_box_acquire(*order));
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

#define COLUMNS                                                                                    \
  "SELECT id, account_id, status, created_at, expires_at, error, csr, spki, usage, finalized_at,"  \
  " profile, not_before, not_after, replaces FROM orders"

StoreFind order_find(Store *store, const Id *id, Order **order, GError **error) {
  Order *kept = kept_find(store_kept(store), KEPT_ORDERS, id);
  if (kept == NULL)
    return find(sql_query(store, COLUMNS " WHERE id = ?1", "d", id), order, error);
  *order = g_rc_box_acquire(kept);
  return STORE_FOUND;
}

StoreFind order_find_replacing(Store *store, const Id *certificate, Order **order, GError **error) {
  return find(
      sql_query(store, COLUMNS " WHERE replaces = ?1 AND status <> 'invalid'", "d", certificate),
      order, error);
}

StoreChange order_move(Store *store, const Id *id, const char *from, const char *to,
                       const char *problem, GError **error) {
  StoreChange moved = sql_change(
      store, error, "UPDATE orders SET status = ?3, error = ?4 WHERE id = ?1 AND status = ?2",
      "dttt", id, from, to, problem);
  Order *kept = change_kept(store, id, moved);
  if (kept != NULL) {
    kept_set_text(&kept->status, to);
    kept_set_text(&kept->error, problem);
  }
  return moved;
}

StoreChange order_set_delay(Store *store, const Id *id, const char *problem, GError **error) {
  const Order *known = kept_find(store_kept(store), KEPT_ORDERS, id);
  if (known != NULL && g_strcmp0(known->error, problem) == 0)
    return STORE_UNCHANGED;
  StoreChange set = sql_change(store, error,
                               "UPDATE orders SET error = ?2 WHERE id = ?1"
                               " AND status = 'processing'"
                               " AND coalesce(error, '') <> coalesce(?2, '')",
                               "dt", id, problem);
  Order *kept = change_kept(store, id, set);
  if (kept != NULL)
    kept_set_text(&kept->error, problem);
  return set;
}

StoreChange order_finalize(Store *store, const Order *order, GError **error) {
  StoreChange done =
      sql_change(store, error,
                 "UPDATE orders SET status = 'processing', csr = ?2, spki = ?3, usage = ?4,"
                 " finalized_at = ?5 WHERE id = ?1 AND status = 'ready'",
                 "dbbii", &order->id, order->csr, order->spki, order->usage, order->finalized_at);
  Order *kept = change_kept(store, &order->id, done);
  if (kept != NULL) {
    kept_set_text(&kept->status, "processing");
    g_clear_pointer(&kept->csr, g_bytes_unref);
    g_clear_pointer(&kept->spki, g_bytes_unref);
    kept->csr = kept_octets(order->csr);
    kept->spki = kept_octets(order->spki);
    kept->usage = order->usage;
    kept->finalized_at = order->finalized_at;
  }
  return done;
}

gboolean order_list_expired(Store *store, const char *status, gint64 now, guint limit, GArray *ids,
                            GError **error) {
  return sql_ids(sql_query(store,
                           "SELECT id FROM orders WHERE status = ?1 AND " ORDER_ENDS
                           " AND expires_at <= ?2 ORDER BY expires_at LIMIT ?3",
                           "tii", status, now, (gint64)limit),
                 ids, error);
}

gboolean order_list_page(Store *store, const Id *account_id, const Id *before, guint limit,
                         GArray *ids, GError **error) {
  if (before == NULL)
    return sql_ids(sql_query(store,
                             "SELECT id FROM orders WHERE account_id = ?1 AND status <> 'invalid'"
                             " ORDER BY id DESC LIMIT ?2",
                             "di", account_id, (gint64)limit),
                   ids, error);
  return sql_ids(sql_query(store,
                           "SELECT id FROM orders WHERE account_id = ?1 AND status <> 'invalid'"
                           " AND id < ?2 ORDER BY id DESC LIMIT ?3",
                           "ddi", account_id, before, (gint64)limit),
                 ids, error);
}

gboolean order_list_open(Store *store, const Id *account_id, guint limit, GArray *ids,
                         GError **error) {
  return sql_ids(sql_query(store,
                           "SELECT id FROM orders WHERE account_id = ?1"
                           " AND status IN ('pending', 'ready') ORDER BY id LIMIT ?2",
                           "di", account_id, (gint64)limit),
                 ids, error);
}

gboolean order_list_all(Store *store, const char *status, const char *canonical, const Id *before,
                        guint limit, GArray *ids, GError **error) {
  static const Id newest = {
      {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}};
  const Id *from = before != NULL ? before : &newest;
  if (canonical != NULL)
    return sql_ids(sql_query(store,
                             "SELECT a.order_id FROM authz a JOIN orders o ON o.id = a.order_id"
                             " WHERE a.canonical = ?1 AND a.order_id < ?2"
                             " AND (?3 IS NULL OR o.status = ?3)"
                             " ORDER BY a.order_id DESC LIMIT ?4",
                             "tdti", canonical, from, status, (gint64)limit),
                   ids, error);
  if (status != NULL)
    return sql_ids(sql_query(store,
                             "SELECT id FROM orders WHERE status = ?1 AND id < ?2"
                             " ORDER BY id DESC LIMIT ?3",
                             "tdi", status, from, (gint64)limit),
                   ids, error);
  return sql_ids(sql_query(store, "SELECT id FROM orders WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
                           "di", from, (gint64)limit),
                 ids, error);
}
