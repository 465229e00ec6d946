/* SPDX-License-Identifier: Apache-2.0 */
#include "store/node.h"
#include "store/sql.h"

gboolean node_seen(Store *store, const char *name, gint64 now, GError **error) {
  return sql_run(store, error,
                 "INSERT INTO node (name, seen_at) VALUES (?1, ?2)"
                 " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
                 "ti", name, now);
}

gboolean node_last_seen(Store *store, const char *name, gint64 *at, GError **error) {
  SqlQuery query = sql_query(store, "SELECT seen_at FROM node WHERE name = ?1", "t", name);
  *at = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}
