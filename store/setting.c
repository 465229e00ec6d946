/* SPDX-License-Identifier: Apache-2.0 */
#include "store/setting.h"
#include "store/sql.h"

GHashTable *setting_list(Store *store, GError **error) {
  g_autoptr(GHashTable) settings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  SqlQuery query =
      sql_query(store, "SELECT name, value FROM setting WHERE owner = ?1", "t", store_owner(store));
  while (sql_row(&query)) {
    char *name = sql_text(&query, 0), *value = sql_text(&query, 1);
    if (name != NULL)
      g_hash_table_replace(settings, name, value != NULL ? value : g_strdup(""));
    else
      g_free(value);
  }
  return sql_end(&query, error) ? g_steal_pointer(&settings) : NULL;
}

gboolean setting_set(Store *store, const char *name, const char *value, GError **error) {
  if (value == NULL)
    return sql_run(store, error, "DELETE FROM setting WHERE owner = ?1 AND name = ?2", "tt",
                   store_owner(store), name);
  return sql_run(store, error,
                 "INSERT INTO setting (owner, name, value) VALUES (?1, ?2, ?3)"
                 " ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value",
                 "ttt", store_owner(store), name, value);
}
