/* SPDX-License-Identifier: Apache-2.0 */
#include "store/account.h"
#include "store/kept.h"
#include "store/sql.h"

static void clear(gpointer data) {
  Account *account = data;
  g_free(account->status);
  g_clear_pointer(&account->thumbprint, g_bytes_unref);
  g_free(account->jwk);
  g_free(account->contact);
  g_free(account->terms);
  g_free(account->external_binding);
}

void account_free(Account *account) {
  if (account != NULL)
    g_rc_box_release_full(account, clear);
}

StoreChange account_insert(Store *store, const Account *account, GError **error) {
  return sql_change(
      store, error,
      "INSERT INTO account (id, status, thumbprint, jwk, contact, terms, terms_agreed_at,"
      " created_at, external_key_id, external_binding)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
      " ON CONFLICT (thumbprint) DO NOTHING",
      "dtbtttiidt", &account->id, account->status, account->thumbprint, account->jwk,
      account->contact, account->terms, account->terms_agreed_at, account->created_at,
      account->bound ? &account->external_key_id : NULL, account->external_binding);
}

const Id account_unknown = {{0}};

gboolean account_ensure_unknown(Store *store, gint64 now, GError **error) {
  static const char name[] = "unknown";
  g_autoptr(GBytes) thumbprint = g_bytes_new_static(name, sizeof(name) - 1);
  Account account = {.id = account_unknown,
                     .status = (char *)"revoked",
                     .thumbprint = thumbprint,
                     .jwk = (char *)"{}",
                     .contact = (char *)"[]",
                     .created_at = now};
  return account_insert(store, &account, error) != STORE_FAILED;
}

static StoreFind find(SqlQuery query, Account **account, GError **error) {
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *account = g_rc_box_new0(Account);
    sql_id(&query, 0, &(*account)->id);
    (*account)->status = sql_text(&query, 1);
    (*account)->thumbprint = sql_bytes(&query, 2);
    (*account)->jwk = sql_text(&query, 3);
    (*account)->contact = sql_text(&query, 4);
    (*account)->terms = sql_text(&query, 5);
    (*account)->terms_agreed_at = sql_int(&query, 6);
    (*account)->created_at = sql_int(&query, 7);
    (*account)->bound = sql_id(&query, 8, &(*account)->external_key_id);
    (*account)->external_binding = sql_text(&query, 9);
    kept_put(store_kept(query.store), KEPT_ACCOUNTS, &(*account)->id, g_rc_box_acquire(*account));
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

#define COLUMNS                                                                                    \
  "SELECT id, status, thumbprint, jwk, contact, terms, terms_agreed_at, created_at,"               \
  " external_key_id, external_binding FROM account"

/* It will be changed. */
static void forget(Store *store, const Id *id) {
  kept_forget(store_kept(store), KEPT_ACCOUNTS, id);
}

StoreFind account_find(Store *store, const Id *id, Account **account, GError **error) {
  Account *kept = kept_find(store_kept(store), KEPT_ACCOUNTS, id);
  if (kept == NULL)
    return find(sql_query(store, COLUMNS " WHERE id = ?1", "d", id), account, error);
  *account = g_rc_box_acquire(kept);
  return STORE_FOUND;
}

StoreFind account_find_by_key(Store *store, GBytes *thumbprint, Account **account, GError **error) {
  return find(sql_query(store, COLUMNS " WHERE thumbprint = ?1", "b", thumbprint), account, error);
}

/* Those that nobody looks at any more. */
static gboolean forget_keys(Store *store, const Id *id, GError **error) {
  return sql_run(store, error,
                 "DELETE FROM former_key WHERE account_id = ?1 AND until <"
                 " (SELECT until FROM former_key WHERE account_id = ?1"
                 " ORDER BY until DESC LIMIT 1 OFFSET ?2)",
                 "di", id, (gint64)ACCOUNT_FORMER_KEYS - 1);
}

StoreChange account_set_key(Store *store, const Account *account, GBytes *thumbprint,
                            const char *jwk, gint64 now, GError **error) {
  forget(store, &account->id);
  StoreChange changed = sql_change(store, error,
                                   "UPDATE account SET thumbprint = ?2, jwk = ?3 WHERE id = ?1"
                                   " AND thumbprint = ?4"
                                   " AND NOT EXISTS (SELECT 1 FROM account WHERE thumbprint = ?2)",
                                   "dbtb", &account->id, thumbprint, jwk, account->thumbprint);
  if (changed != STORE_CHANGED)
    return changed;
  return sql_run(store, error,
                 "INSERT INTO former_key (account_id, until, thumbprint) VALUES (?1, ?2, ?3)"
                 " ON CONFLICT DO NOTHING",
                 "dib", &account->id, now, account->thumbprint) &&
                 forget_keys(store, &account->id, error)
             ? STORE_CHANGED
             : STORE_FAILED;
}

GPtrArray *account_former_keys(Store *store, const Id *id, gint64 after, GError **error) {
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  SqlQuery query = sql_query(store,
                             "SELECT thumbprint FROM former_key WHERE account_id = ?1"
                             " AND until >= ?2 ORDER BY until DESC LIMIT ?3",
                             "dii", id, after, (gint64)ACCOUNT_FORMER_KEYS);
  while (sql_row(&query))
    g_ptr_array_add(keys, sql_bytes(&query, 0));
  return sql_end(&query, error) ? g_steal_pointer(&keys) : NULL;
}

StoreFind account_had_key(Store *store, GBytes *thumbprint, GError **error) {
  return sql_exists(
      sql_query(store, "SELECT 1 FROM former_key WHERE thumbprint = ?1", "b", thumbprint), error);
}

gboolean account_agree(Store *store, const Id *id, const char *terms, gint64 now, GError **error) {
  forget(store, id);
  return sql_run(store, error, "UPDATE account SET terms = ?2, terms_agreed_at = ?3 WHERE id = ?1",
                 "dti", id, terms, now);
}

gboolean account_set_contact(Store *store, const Id *id, const char *contact, GError **error) {
  forget(store, id);
  return sql_run(store, error, "UPDATE account SET contact = ?2 WHERE id = ?1", "dt", id, contact);
}

StoreChange account_deactivate(Store *store, const Id *id, GError **error) {
  forget(store, id);
  return sql_change(store, error,
                    "UPDATE account SET status = 'deactivated' WHERE id = ?1 AND status = 'valid'",
                    "d", id);
}
