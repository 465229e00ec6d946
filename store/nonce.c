/* SPDX-License-Identifier: Apache-2.0 */
#include "store/nonce.h"
#include "store/sql.h"

GBytes *nonce_key(Store *store, GBytes *fresh, GError **error) {
  if (!sql_run(store, error,
               "INSERT INTO nonce_key (id, value) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING", "b",
               fresh))
    return NULL;
  SqlQuery query = sql_query(store, "SELECT value FROM nonce_key WHERE id = 1", "");
  g_autoptr(GBytes) key = sql_row(&query) ? sql_bytes(&query, 0) : NULL;
  if (!sql_end(&query, error))
    return NULL;
  if (key == NULL)
    g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "the key of the nonces is damaged");
  return g_steal_pointer(&key);
}

#define USE "INSERT INTO nonce (value, expires_at) VALUES (?1, ?2) ON CONFLICT (value) DO NOTHING"

StoreChange nonce_use(Store *store, GBytes *nonce, gint64 expires_at, gboolean only_reads,
                      GError **error) {
  return sql_change(store, error, only_reads ? USE " @light" : USE, "bi", nonce, expires_at);
}

gboolean nonce_purge(Store *store, gint64 now, guint limit, gboolean *more, GError **error) {
  if (!sql_run(store, error,
               "DELETE FROM nonce WHERE value IN (SELECT value FROM nonce WHERE expires_at <= ?1"
               " ORDER BY expires_at LIMIT ?2 @skip-locked)",
               "ii", now, (gint64)limit))
    return FALSE;
  StoreFind left = sql_exists(
      sql_query(store, "SELECT 1 FROM nonce WHERE expires_at <= ?1 LIMIT 1", "i", now), error);
  *more = left == STORE_FOUND;
  return left != STORE_LOOKUP_FAILED;
}
