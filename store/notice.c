/* SPDX-License-Identifier: Apache-2.0 */
#include "store/notice.h"
#include "store/sql.h"

void notice_free(Notice *notice) {
  if (notice == NULL)
    return;
  g_free(notice->kind);
  g_free(notice->message_id);
  g_free(notice);
}

StoreChange notice_insert(Store *store, const Notice *n, GError **error) {
  return sql_change(
      store, error,
      "INSERT INTO notice (id, certificate_id, authz_id, kind, message_id, created_at)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
      " ON CONFLICT (certificate_id, authz_id, kind) DO NOTHING",
      "dddtti", &n->id, &n->certificate_id, &n->authz_id, n->kind, n->message_id, n->created_at);
}

StoreFind notice_find(Store *store, const Id *id, Notice **notice, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT id, certificate_id, authz_id, kind, message_id, created_at,"
                             " sent_at FROM notice WHERE id = ?1",
                             "d", id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    Notice *n = *notice = g_new0(Notice, 1);
    sql_id(&query, 0, &n->id);
    sql_id(&query, 1, &n->certificate_id);
    sql_id(&query, 2, &n->authz_id);
    n->kind = sql_text(&query, 3);
    n->message_id = sql_text(&query, 4);
    n->created_at = sql_int(&query, 5);
    n->sent_at = sql_int(&query, 6);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreChange notice_set_sent(Store *store, const Id *id, gint64 now, GError **error) {
  return sql_change(store, error,
                    "UPDATE notice SET sent_at = ?2 WHERE id = ?1 AND sent_at IS NULL", "di", id,
                    now);
}

gboolean notice_list_ending(Store *store, gint64 now, gint64 lead, guint limit, GArray *ids,
                            GError **error) {
  return sql_ids(sql_query(store,
                           "SELECT id FROM certificate WHERE ending_seen IS NULL"
                           " AND not_after > ?1 AND not_after <= ?2"
                           " AND (not_after - ?1) * 2 <= not_after - not_before"
                           " AND der IS NOT NULL AND revoked_at IS NULL"
                           " ORDER BY not_after LIMIT ?3",
                           "iii", now, now + lead, (gint64)limit),
                 ids, error);
}

gboolean notice_set_ending_seen(Store *store, const Id *certificate_id, GError **error) {
  return sql_run(store, error, "UPDATE certificate SET ending_seen = 1 WHERE id = ?1", "d",
                 certificate_id);
}

/* One for signing does not replace one for encryption. */
StoreFind notice_has_newer(Store *store, const Id *certificate_id, const char *canonical,
                           GError **error) {
  return sql_exists(
      sql_query(store,
                "SELECT 1 FROM certificate old JOIN orders old_order ON old_order.id = old.order_id"
                " JOIN authz a ON a.canonical = ?2 JOIN orders o ON o.id = a.order_id"
                " JOIN certificate c ON c.order_id = o.id"
                " WHERE old.id = ?1 AND c.der IS NOT NULL AND c.revoked_at IS NULL"
                " AND c.not_after > old.not_after AND (o.usage & old_order.usage & 3) ="
                " (old_order.usage & 3) LIMIT 1",
                "dt", certificate_id, canonical),
      error);
}
