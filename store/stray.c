/* SPDX-License-Identifier: Apache-2.0 */
#include "store/stray.h"
#include "store/sql.h"

void stray_free(Stray *stray) {
  if (stray == NULL)
    return;
  g_free(stray->peer);
  g_free(stray->helo);
  g_free(stray->reverse_path);
  g_clear_pointer(&stray->octets, g_bytes_unref);
  g_free(stray);
}

StoreChange stray_insert(Store *store, const Stray *s, GError **error) {
  return sql_change(store, error,
                    "INSERT INTO stray (id, raw_id, at, peer, helo, reverse_path, tls)"
                    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7"
                    " WHERE (SELECT count(*) FROM stray) < ?8",
                    "dditttii", &s->id, &s->raw_id, s->at, s->peer, s->helo, s->reverse_path,
                    (gint64)s->tls, (gint64)STRAY_MAX);
}

StoreFind stray_has_room(Store *store, GError **error) {
  SqlQuery query = sql_query(store, "SELECT count(*) FROM stray", "");
  StoreFind found = sql_row(&query) && sql_int(&query, 0) < STRAY_MAX ? STORE_FOUND : STORE_MISSING;
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreFind stray_find(Store *store, const Id *id, Stray **stray, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT s.id, s.raw_id, s.at, s.peer, s.helo, s.reverse_path, s.tls,"
                             " r.octets FROM stray s JOIN raw r ON r.id = s.raw_id WHERE s.id = ?1",
                             "d", id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    Stray *s = *stray = g_new0(Stray, 1);
    sql_id(&query, 0, &s->id);
    sql_id(&query, 1, &s->raw_id);
    s->at = sql_int(&query, 2);
    s->peer = sql_text(&query, 3);
    s->helo = sql_text(&query, 4);
    s->reverse_path = sql_text(&query, 5);
    s->tls = sql_int(&query, 6) != 0;
    s->octets = sql_bytes(&query, 7);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

gboolean stray_remove(Store *store, const Stray *stray, GError **error) {
  return sql_run(store, error, "DELETE FROM stray WHERE id = ?1", "d", &stray->id) &&
         sql_run(store, error,
                 "DELETE FROM raw WHERE id = ?1"
                 " AND NOT EXISTS (SELECT 1 FROM message WHERE raw_id = ?1)"
                 " AND NOT EXISTS (SELECT 1 FROM stray WHERE raw_id = ?1)",
                 "d", &stray->raw_id);
}
