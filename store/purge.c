/* SPDX-License-Identifier: Apache-2.0 */
#include "store/purge.h"
#include "store/kept.h"
#include "store/sql.h"

/* What hangs on one authorization (?1), leaves first. A raw message goes with the last message that
   points to it. Jobs are left where the server was down until now. */
static const char *const authorization_parts[] = {
    "DELETE FROM job WHERE kind IN ('judge', 'bounce') AND subject IN (SELECT m.id FROM message m"
    " JOIN challenge c ON c.id = m.challenge_id WHERE c.authz_id = ?1)",
    "DELETE FROM job WHERE kind = 'mail' AND subject IN"
    " (SELECT id FROM challenge WHERE authz_id = ?1)",
    "DELETE FROM note WHERE challenge_id IN (SELECT id FROM challenge WHERE authz_id = ?1)",
    "DELETE FROM perspective_answer WHERE subject IN (SELECT m.id FROM message m"
    " JOIN challenge c ON c.id = m.challenge_id WHERE c.authz_id = ?1)",
    "DELETE FROM message WHERE challenge_id IN (SELECT id FROM challenge WHERE authz_id = ?1)",
    "DELETE FROM challenge WHERE authz_id = ?1",
    "DELETE FROM authz WHERE id = ?1",
};

static gboolean remove_authorization(Store *store, const Id *id, GError **error) {
  g_autoptr(GArray) raw = g_array_new(FALSE, FALSE, sizeof(Id));
  gboolean good =
      sql_ids(sql_query(store,
                        "SELECT m.raw_id FROM message m JOIN challenge c ON c.id = m.challenge_id"
                        " WHERE c.authz_id = ?1",
                        "d", id),
              raw, error);
  for (gsize i = 0; good && i < G_N_ELEMENTS(authorization_parts); i++)
    good = sql_run(store, error, authorization_parts[i], "d", id);
  for (guint i = 0; good && i < raw->len; i++)
    good = sql_run(store, error,
                   "DELETE FROM raw WHERE id = ?1"
                   " AND NOT EXISTS (SELECT 1 FROM message WHERE raw_id = ?1)"
                   " AND NOT EXISTS (SELECT 1 FROM stray WHERE raw_id = ?1)",
                   "d", &g_array_index(raw, Id, i));
  return good;
}

static gboolean remove_order(Store *store, const Id *id, GError **error) {
  static const char *const parts[] = {"DELETE FROM caa_check WHERE order_id = ?1",
                                      "DELETE FROM perspective_answer WHERE subject = ?1",
                                      "DELETE FROM job WHERE kind = 'iodef' AND subject IN"
                                      " (SELECT id FROM iodef_report WHERE order_id = ?1)",
                                      "DELETE FROM iodef_report WHERE order_id = ?1",
                                      "DELETE FROM orders WHERE id = ?1"};
  g_autoptr(GArray) authorizations = g_array_new(FALSE, FALSE, sizeof(Id));
  gboolean good = sql_ids(sql_query(store, "SELECT id FROM authz WHERE order_id = ?1", "d", id),
                          authorizations, error);
  for (guint i = 0; good && i < authorizations->len; i++)
    good = remove_authorization(store, &g_array_index(authorizations, Id, i), error);
  for (gsize i = 0; good && i < G_N_ELEMENTS(parts); i++)
    good = sql_run(store, error, parts[i], "d", id);
  return good;
}

gboolean purge_failed(Store *store, gint64 expired_before, guint limit, guint *removed,
                      GError **error) {
  g_autoptr(GArray) orders = g_array_new(FALSE, FALSE, sizeof(Id));
  g_autoptr(GArray) free_ones = g_array_new(FALSE, FALSE, sizeof(Id));
  gboolean good =
      sql_ids(sql_query(store,
                        "SELECT id FROM orders WHERE status = 'invalid' AND " ORDER_ENDS
                        " AND expires_at < ?1"
                        " AND NOT EXISTS (SELECT 1 FROM certificate WHERE order_id = orders.id)"
                        " ORDER BY expires_at LIMIT ?2",
                        "ii", expired_before, (gint64)limit),
              orders, error) &&
      sql_ids(sql_query(store,
                        "SELECT id FROM authz WHERE order_id IS NULL AND expires_at < ?1 LIMIT ?2",
                        "ii", expired_before, (gint64)limit),
              free_ones, error);
  for (guint i = 0; good && i < orders->len; i++)
    good = remove_order(store, &g_array_index(orders, Id, i), error);
  for (guint i = 0; good && i < free_ones->len; i++)
    good = remove_authorization(store, &g_array_index(free_ones, Id, i), error);
  *removed = orders->len + free_ones->len;
  if (*removed > 0)
    kept_forget_all(store_kept(store));
  return good;
}

static void ended_free(gpointer data) {
  PurgeEnded *ended = data;
  g_clear_pointer(&ended->serial, g_bytes_unref);
  g_free(ended);
}

GPtrArray *purge_ended(Store *store, gint64 ended_before, guint limit, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(ended_free);
  SqlQuery query = sql_query(store,
                             "SELECT id, order_id, serial FROM certificate WHERE not_after < ?1"
                             " ORDER BY not_after LIMIT ?2",
                             "ii", ended_before, (gint64)limit);
  while (sql_row(&query)) {
    PurgeEnded *ended = g_new0(PurgeEnded, 1);
    sql_id(&query, 0, &ended->certificate);
    sql_id(&query, 1, &ended->order);
    ended->serial = sql_bytes(&query, 2);
    g_ptr_array_add(list, ended);
  }
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

gboolean purge_remove(Store *store, const PurgeEnded *ended, GError **error) {
  static const char *const parts[] = {"DELETE FROM job WHERE kind = 'notice' AND subject IN"
                                      " (SELECT id FROM notice WHERE certificate_id = ?1)",
                                      "DELETE FROM notice WHERE certificate_id = ?1",
                                      "DELETE FROM certificate WHERE id = ?1"};
  gboolean good = TRUE;
  kept_forget_all(store_kept(store));
  for (gsize i = 0; good && i < G_N_ELEMENTS(parts); i++)
    good = sql_run(store, error, parts[i], "d", &ended->certificate);
  return good && remove_order(store, &ended->order, error);
}

static gboolean sum_of(SqlQuery query, PurgeSum *sum, GError **error) {
  *sum = (PurgeSum){0};
  if (sql_row(&query))
    *sum = (PurgeSum){sql_int(&query, 0), sql_int(&query, 1), sql_int(&query, 2)};
  return sql_end(&query, error);
}

#define SUM(column) "SELECT count(*), coalesce(min(" column "), 0), coalesce(max(" column "), 0) "

gboolean purge_preview(Store *store, gint64 expired_before, gint64 ended_before, gint64 full_before,
                       PurgePreview *preview, GError **error) {
  return sum_of(sql_query(store,
                          SUM("expires_at") "FROM orders WHERE status IN ('pending', 'ready',"
                                            " 'invalid') AND " ORDER_ENDS " AND expires_at < ?1"
                                            " AND NOT EXISTS (SELECT 1 FROM certificate"
                                            " WHERE order_id = orders.id)",
                          "i", expired_before),
                &preview->failed, error) &&
         sum_of(sql_query(store,
                          SUM("expires_at") "FROM authz WHERE order_id IS NULL AND expires_at < ?1",
                          "i", expired_before),
                &preview->free, error) &&
         sum_of(sql_query(store, SUM("not_after") "FROM certificate WHERE not_after < ?1", "i",
                          ended_before),
                &preview->ended, error) &&
         sum_of(sql_query(store, SUM("full_at") "FROM rate WHERE full_at <= ?1", "i", full_before),
                &preview->rates, error);
}
