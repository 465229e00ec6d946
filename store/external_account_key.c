/* SPDX-License-Identifier: Apache-2.0 */
#include "store/external_account_key.h"
#include "store/sql.h"

void external_account_key_free(ExternalAccountKey *key) {
  if (key == NULL)
    return;
  g_clear_pointer(&key->mac_key, g_bytes_unref);
  g_free(key->note);
  g_free(key->identifiers);
  g_free(key->profiles);
  g_free(key);
}

gboolean external_account_key_insert(Store *store, const ExternalAccountKey *key, GError **error) {
  return sql_run(store, error,
                 "INSERT INTO external_account_key (id, mac_key, note, identifiers, profiles,"
                 " created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                 "dbttti", &key->id, key->mac_key, key->note, key->identifiers, key->profiles,
                 key->created_at);
}

#define COLUMNS                                                                                    \
  "SELECT id, mac_key, note, identifiers, profiles, created_at, revoked_at, account_id"            \
  " FROM external_account_key"

static ExternalAccountKey *read_row(SqlQuery *query) {
  ExternalAccountKey *key = g_new0(ExternalAccountKey, 1);
  sql_id(query, 0, &key->id);
  key->mac_key = sql_bytes(query, 1);
  key->note = sql_text(query, 2);
  key->identifiers = sql_text(query, 3);
  key->profiles = sql_text(query, 4);
  key->created_at = sql_int(query, 5);
  key->revoked_at = sql_int(query, 6);
  key->bound = sql_id(query, 7, &key->account_id);
  return key;
}

StoreFind external_account_key_find(Store *store, const Id *id, ExternalAccountKey **key,
                                    GError **error) {
  SqlQuery query = sql_query(store, COLUMNS " WHERE id = ?1", "d", id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *key = read_row(&query);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreChange external_account_key_bind(Store *store, const Id *id, const Id *account_id,
                                      GError **error) {
  return sql_change(store, error,
                    "UPDATE external_account_key SET account_id = ?2 WHERE id = ?1"
                    " AND account_id IS NULL AND revoked_at IS NULL",
                    "dd", id, account_id);
}

StoreChange external_account_key_revoke(Store *store, const Id *id, gint64 now, GError **error) {
  return sql_change(
      store, error,
      "UPDATE external_account_key SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL", "di",
      id, now);
}

GPtrArray *external_account_key_list(Store *store, const Id *after, guint limit, GError **error) {
  static const Id none = {{0}};
  g_autoptr(GPtrArray) list =
      g_ptr_array_new_with_free_func((GDestroyNotify)external_account_key_free);
  SqlQuery query = sql_query(store, COLUMNS " WHERE id > ?1 ORDER BY id LIMIT ?2", "di",
                             after != NULL ? after : &none, (gint64)limit);
  while (sql_row(&query))
    g_ptr_array_add(list, read_row(&query));
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}
