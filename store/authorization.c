/* SPDX-License-Identifier: Apache-2.0 */
#include "store/authorization.h"
#include "store/kept.h"
#include "store/sql.h"

static void clear(gpointer data) {
  Authorization *authorization = data;
  g_free(authorization->type);
  g_free(authorization->identifier);
  g_free(authorization->address);
  g_free(authorization->canonical);
  g_free(authorization->domain);
  g_free(authorization->status);
}

void authorization_free(Authorization *authorization) {
  if (authorization != NULL)
    g_rc_box_release_full(authorization, clear);
}

static gpointer copy(gconstpointer data) {
  const Authorization *authorization = data;
  Authorization *made = g_rc_box_new0(Authorization);
  *made = *authorization;
  made->type = g_strdup(authorization->type);
  made->identifier = g_strdup(authorization->identifier);
  made->address = g_strdup(authorization->address);
  made->canonical = g_strdup(authorization->canonical);
  made->domain = g_strdup(authorization->domain);
  made->status = g_strdup(authorization->status);
  return made;
}

/* What is kept of one whose row was changed or not (changed), to be changed in the same way. */
static Authorization *change_kept(Store *store, const Id *id, StoreChange changed) {
  return changed == STORE_CHANGED ? kept_change(store_kept(store), KEPT_AUTHORIZATIONS, id, copy)
                                  : NULL;
}

static void forget_list(Store *store, const Id *order_id) {
  kept_forget(store_kept(store), KEPT_AUTHORIZATIONS_OF_ORDERS, order_id);
}

gboolean authorization_insert(Store *store, const Authorization *a, GError **error) {
  forget_list(store, &a->order_id);
  return sql_run(
      store, error,
      "INSERT INTO authz (id, order_id, account_id, position, type, identifier, address, canonical,"
      " domain, status, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
      "ddditttttti", &a->id, a->claimed ? &a->order_id : NULL, &a->account_id, a->position, a->type,
      a->identifier, a->address, a->canonical, a->domain, a->status, a->expires_at);
}

#define COLUMNS                                                                                    \
  "SELECT id, order_id, account_id, position, identifier, address, canonical, domain, status,"     \
  " expires_at, type FROM authz"

static Authorization *read_row(SqlQuery *query) {
  Authorization *a = g_rc_box_new0(Authorization);
  sql_id(query, 0, &a->id);
  a->claimed = sql_id(query, 1, &a->order_id);
  sql_id(query, 2, &a->account_id);
  a->position = sql_int(query, 3);
  a->identifier = sql_text(query, 4);
  a->address = sql_text(query, 5);
  a->canonical = sql_text(query, 6);
  a->domain = sql_text(query, 7);
  a->status = sql_text(query, 8);
  a->expires_at = sql_int(query, 9);
  a->type = sql_text(query, 10);
  kept_put(store_kept(query->store), KEPT_AUTHORIZATIONS, &a->id, g_rc_box_acquire(a));
  return a;
}

static StoreFind find(SqlQuery query, Authorization **authorization, GError **error) {
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *authorization = read_row(&query);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreFind authorization_find(Store *store, const Id *id, Authorization **authorization,
                             GError **error) {
  Authorization *kept = kept_find(store_kept(store), KEPT_AUTHORIZATIONS, id);
  if (kept == NULL)
    return find(sql_query(store, COLUMNS " WHERE id = ?1", "d", id), authorization, error);
  *authorization = g_rc_box_acquire(kept);
  return STORE_FOUND;
}

StoreFind authorization_find_free(Store *store, const Id *account_id, const char *type,
                                  const char *identifier, const char *canonical, gint64 now,
                                  Authorization **authorization, GError **error) {
  return find(sql_query(store,
                        COLUMNS " WHERE account_id = ?1 AND canonical = ?2 AND identifier = ?3"
                                " AND type = ?4 AND order_id IS NULL AND expires_at > ?5"
                                " AND status IN ('pending', 'valid') ORDER BY status DESC, id",
                        "dttti", account_id, canonical, identifier, type, now),
              authorization, error);
}

StoreChange authorization_claim(Store *store, const Id *id, const Id *order_id, gint64 position,
                                GError **error) {
  forget_list(store, order_id);
  kept_forget(store_kept(store), KEPT_AUTHORIZATIONS, id);
  return sql_change(store, error,
                    "UPDATE authz SET order_id = ?2, position = ?3 WHERE id = ?1"
                    " AND order_id IS NULL AND status IN ('pending', 'valid')",
                    "ddi", id, order_id, position);
}

StoreFind authorization_held(Store *store, const Id *account_id, const char *canonical, gint64 now,
                             GError **error) {
  return sql_exists(sql_query(store,
                              "SELECT 1 FROM authz WHERE account_id = ?1 AND canonical = ?2"
                              " AND status = 'valid' AND expires_at > ?3 LIMIT 1",
                              "dti", account_id, canonical, now),
                    error);
}

StoreFind authorization_served(Store *store, const Id *account_id, const char *canonical,
                               GError **error) {
  return sql_exists(sql_query(store,
                              "SELECT 1 FROM authz a JOIN certificate c ON c.order_id = a.order_id"
                              " WHERE a.account_id = ?1 AND a.canonical = ?2 AND c.der IS NOT NULL"
                              " LIMIT 1",
                              "dt", account_id, canonical),
                    error);
}

gboolean authorization_list_free(Store *store, const Id *account_id, gint64 now, guint limit,
                                 GArray *ids, GError **error) {
  SqlQuery query =
      account_id != NULL
          ? sql_query(store,
                      "SELECT id FROM authz WHERE account_id = ?1 AND order_id IS NULL"
                      " AND status IN ('pending', 'valid') LIMIT ?2",
                      "di", account_id, (gint64)limit)
          : sql_query(store,
                      "SELECT id FROM authz WHERE order_id IS NULL AND expires_at <= ?1"
                      " AND status IN ('pending', 'valid') LIMIT ?2",
                      "ii", now, (gint64)limit);
  return sql_ids(query, ids, error);
}

/* FALSE: one of them has to be read. */
static gboolean list_kept(Store *store, const Id *order_id, GPtrArray *list) {
  const KeptIds *ids = kept_find(store_kept(store), KEPT_AUTHORIZATIONS_OF_ORDERS, order_id);
  for (guint i = 0; ids != NULL && i < ids->count; i++) {
    Authorization *kept = kept_find(store_kept(store), KEPT_AUTHORIZATIONS, &ids->ids[i]);
    if (kept == NULL)
      return FALSE;
    g_ptr_array_add(list, g_rc_box_acquire(kept));
  }
  return ids != NULL;
}

static gboolean list_read(Store *store, const Id *order_id, GPtrArray *list, GError **error) {
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  SqlQuery query =
      sql_query(store, COLUMNS " WHERE order_id = ?1 ORDER BY position", "d", order_id);
  while (sql_row(&query)) {
    Authorization *one = read_row(&query);
    g_ptr_array_add(list, one);
    g_array_append_val(ids, one->id);
  }
  if (!sql_end(&query, error))
    return FALSE;
  kept_put_ids(store_kept(store), KEPT_AUTHORIZATIONS_OF_ORDERS, order_id, (const Id *)ids->data,
               ids->len);
  return TRUE;
}

GPtrArray *authorization_list(Store *store, const Id *order_id, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)authorization_free);
  if (list_kept(store, order_id, list))
    return g_steal_pointer(&list);
  g_ptr_array_set_size(list, 0);
  return list_read(store, order_id, list, error) ? g_steal_pointer(&list) : NULL;
}

StoreChange authorization_move(Store *store, const Id *id, const char *from, const char *to,
                               GError **error) {
  StoreChange moved =
      sql_change(store, error, "UPDATE authz SET status = ?3 WHERE id = ?1 AND status = ?2", "dtt",
                 id, from, to);
  Authorization *kept = change_kept(store, id, moved);
  if (kept != NULL)
    kept_set_text(&kept->status, to);
  return moved;
}

StoreFind authorization_find_owner(Store *store, const Id *challenge, const Id *authorization,
                                   const Id *order, gboolean *has_order, Id *owner_order,
                                   Id *owner_account, GError **error) {
  if (challenge == NULL && authorization == NULL && order == NULL)
    return STORE_MISSING;
  SqlQuery query =
      challenge != NULL ? sql_query(store,
                                    "SELECT a.order_id, a.account_id FROM challenge c JOIN authz a"
                                    " ON a.id = c.authz_id WHERE c.id = ?1",
                                    "d", challenge)
      : authorization != NULL
          ? sql_query(store, "SELECT order_id, account_id FROM authz WHERE id = ?1", "d",
                      authorization)
          : sql_query(store, "SELECT id, account_id FROM orders WHERE id = ?1", "d", order);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query) && sql_id(&query, 1, owner_account)) {
    *has_order = sql_id(&query, 0, owner_order);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}
