/* SPDX-License-Identifier: Apache-2.0 */
#include "store/restored.h"
#include "store/issuance_stop.h"
#include "store/sql.h"

void restored_free(Restored *restored) {
  if (restored == NULL)
    return;
  g_free(restored->source);
  g_free(restored);
}

gboolean restored_insert(Store *store, const Restored *restored, const char *reason,
                         const char *uid, GError **error) {
  IssuanceStop stop = {restored->at, (char *)reason, (char *)uid};
  return sql_run(store, error, "DELETE FROM issuance_stop", "") &&
         issuance_stop_set(store, &stop, error) != STORE_FAILED &&
         sql_run(store, error,
                 "INSERT INTO restored (at, taken_at, source, log_lost) VALUES (?1, ?2, ?3, ?4)",
                 "iiti", restored->at, restored->taken_at, restored->source,
                 (gint64)restored->log_lost);
}

StoreFind restored_find_open(Store *store, Restored **restored, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT at, taken_at, source, (SELECT max(log_lost) FROM restored"
                             " WHERE done_at IS NULL) FROM restored WHERE done_at IS NULL"
                             " ORDER BY at DESC LIMIT 1",
                             "");
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *restored = g_new0(Restored, 1);
    (*restored)->at = sql_int(&query, 0);
    (*restored)->taken_at = sql_int(&query, 1);
    (*restored)->source = sql_text(&query, 2);
    (*restored)->log_lost = sql_int(&query, 3) != 0;
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

gboolean restored_close(Store *store, gint64 now, GError **error) {
  return sql_run(store, error, "UPDATE restored SET done_at = ?1 WHERE done_at IS NULL", "i", now);
}

/* --- what was on lists
 * ------------------------------------------------------------------------------------- */

static void listed_free(gpointer data) {
  Listed *listed = data;
  g_clear_pointer(&listed->serial, g_bytes_unref);
  g_free(listed);
}

gboolean listed_insert(Store *store, const Listed *listed, GError **error) {
  return sql_run(store, error,
                 "INSERT INTO listed (serial, shard, revoked_at, reason, not_after)"
                 " SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM certificate"
                 " WHERE serial = ?1 AND revoked_at IS NOT NULL) ON CONFLICT (serial) DO NOTHING",
                 "biiii", listed->serial, listed->shard, listed->revoked_at, listed->reason,
                 listed->not_after);
}

GPtrArray *listed_known(Store *store, guint limit, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(listed_free);
  SqlQuery query =
      sql_query(store,
                "SELECT l.serial, l.shard, l.revoked_at, l.reason, l.not_after FROM listed l"
                " JOIN certificate c ON c.serial = l.serial WHERE c.der IS NOT NULL LIMIT ?1",
                "i", (gint64)limit);
  while (sql_row(&query)) {
    Listed *listed = g_new0(Listed, 1);
    listed->serial = sql_bytes(&query, 0);
    listed->shard = sql_int(&query, 1);
    listed->revoked_at = sql_int(&query, 2);
    listed->reason = sql_int(&query, 3);
    listed->not_after = sql_int(&query, 4);
    g_ptr_array_add(list, listed);
  }
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

gboolean listed_remove(Store *store, GBytes *serial, GError **error) {
  return sql_run(store, error, "DELETE FROM listed WHERE serial = ?1", "b", serial);
}

gboolean listed_count(Store *store, gint64 *count, GError **error) {
  SqlQuery query = sql_query(store, "SELECT count(*) FROM listed", "");
  *count = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}
