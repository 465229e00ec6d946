/* SPDX-License-Identifier: Apache-2.0 */
#include "store/caa_check.h"
#include "store/sql.h"

gboolean caa_check_insert(Store *store, const CaaCheck *c, GError **error) {
  return sql_run(
      store, error,
      "INSERT INTO caa_check (order_id, domain, at, verdict, secure, explanation, records)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (order_id, domain, at) DO NOTHING",
      "dtititt", &c->order_id, c->domain, c->at, c->verdict, (gint64)c->secure, c->explanation,
      c->records);
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
