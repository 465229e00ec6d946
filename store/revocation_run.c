/* SPDX-License-Identifier: Apache-2.0 */
#include "store/revocation_run.h"
#include "store/sql.h"

void revocation_run_free(RevocationRun *run) {
  if (run == NULL)
    return;
  g_clear_pointer(&run->key_digest, g_bytes_unref);
  g_free(run->canonical);
  g_free(run->domain);
  g_free(run->by);
  g_free(run);
}

gboolean revocation_run_insert(Store *store, const RevocationRun *run, GError **error) {
  return sql_run(store, error,
                 "INSERT INTO revocation_run (id, key_digest, canonical, domain, reason, asked_by,"
                 " at, after, revoked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)",
                 "dbttitid", &run->id, run->key_digest, run->canonical, run->domain, run->reason,
                 run->by, run->at, &run->after);
}

StoreFind revocation_run_find(Store *store, const Id *id, RevocationRun **run, GError **error) {
  SqlQuery query =
      sql_query(store,
                "SELECT id, key_digest, canonical, domain, reason, asked_by, at, after,"
                " revoked, done_at FROM revocation_run WHERE id = ?1",
                "d", id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    RevocationRun *r = *run = g_new0(RevocationRun, 1);
    sql_id(&query, 0, &r->id);
    r->key_digest = sql_bytes(&query, 1);
    r->canonical = sql_text(&query, 2);
    r->domain = sql_text(&query, 3);
    r->reason = sql_int(&query, 4);
    r->by = sql_text(&query, 5);
    r->at = sql_int(&query, 6);
    sql_id(&query, 7, &r->after);
    r->revoked = sql_int(&query, 8);
    r->done_at = sql_int(&query, 9);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

gboolean revocation_run_orders(Store *store, const RevocationRun *run, guint limit, GArray *orders,
                               GError **error) {
  SqlQuery query =
      run->domain != NULL
          ? sql_query(store,
                      "SELECT DISTINCT order_id FROM authz WHERE domain = ?1 AND order_id > ?2"
                      " ORDER BY order_id LIMIT ?3",
                      "tdi", run->domain, &run->after, (gint64)limit)
          : sql_query(store,
                      "SELECT DISTINCT order_id FROM authz WHERE canonical = ?1 AND order_id > ?2"
                      " ORDER BY order_id LIMIT ?3",
                      "tdi", run->canonical, &run->after, (gint64)limit);
  while (sql_row(&query)) {
    Id id;
    if (sql_id(&query, 0, &id))
      g_array_append_val(orders, id);
  }
  return sql_end(&query, error);
}

gboolean revocation_run_keep(Store *store, const RevocationRun *run, GError **error) {
  return sql_run(store, error,
                 "UPDATE revocation_run SET after = ?2, revoked = ?3, done_at = ?4 WHERE id = ?1",
                 "ddii", &run->id, &run->after, run->revoked, run->done_at);
}
