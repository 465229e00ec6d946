/* SPDX-License-Identifier: Apache-2.0 */
#include "store/caa_check.h"
#include "store/sql.h"

void caa_check_free(CaaCheck *check) {
  g_free((char *)check->domain);
  g_free((char *)check->verdict);
  g_free((char *)check->explanation);
  g_free((char *)check->records);
  g_free(check);
}

gboolean caa_check_insert(Store *store, const CaaCheck *c, GError **error) {
  return sql_run(
      store, error,
      "INSERT INTO caa_check (order_id, domain, at, verdict, secure, explanation, records,"
      " found_at, rdata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
      " ON CONFLICT (order_id, domain, at) DO NOTHING",
      "dtititttt", &c->order_id, c->domain, c->at, c->verdict, (gint64)c->secure, c->explanation,
      c->records, c->found_at, c->rdata);
}

gboolean caa_check_next(Store *store, const Id *order_id, gint64 since, char **domain,
                        GError **error) {
  SqlQuery query =
      sql_query(store,
                "SELECT a.domain FROM authz a WHERE a.order_id = ?1 AND NOT EXISTS (SELECT 1"
                " FROM caa_check c WHERE c.order_id = ?1 AND c.domain = a.domain AND c.at >= ?2"
                " AND c.verdict = 'permitted') ORDER BY a.position LIMIT 1",
                "di", order_id, since);
  *domain = sql_row(&query) ? sql_text(&query, 0) : NULL;
  return sql_end(&query, error);
}

GPtrArray *caa_check_list(Store *store, const Id *order_id, guint limit, GError **error) {
  g_autoptr(GPtrArray) checks = g_ptr_array_new_with_free_func((GDestroyNotify)caa_check_free);
  SqlQuery query =
      sql_query(store,
                "SELECT * FROM (SELECT domain, at, verdict, secure, explanation, records"
                " FROM caa_check WHERE order_id = ?1 ORDER BY at DESC, domain DESC"
                " LIMIT ?2) AS newest ORDER BY at, domain",
                "di", order_id, (gint64)limit);
  while (sql_row(&query)) {
    CaaCheck *check = g_new0(CaaCheck, 1);
    check->order_id = *order_id;
    check->domain = sql_text(&query, 0);
    check->at = sql_int(&query, 1);
    check->verdict = sql_text(&query, 2);
    check->secure = sql_int(&query, 3) != 0;
    check->explanation = sql_text(&query, 4);
    check->records = sql_text(&query, 5);
    g_ptr_array_add(checks, check);
  }
  return sql_end(&query, error) ? g_steal_pointer(&checks) : NULL;
}
