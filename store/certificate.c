/* SPDX-License-Identifier: Apache-2.0 */
#include "store/certificate.h"
#include "store/kept.h"
#include "store/lock.h"
#include "store/sql.h"

static void clear(gpointer data) {
  Certificate *c = data;
  g_clear_pointer(&c->serial, g_bytes_unref);
  g_clear_pointer(&c->key_digest, g_bytes_unref);
  g_clear_pointer(&c->tbs, g_bytes_unref);
  g_free(c->findings);
  g_free(c->linter_findings);
  g_free(c->asked);
  g_free(c->facts);
  g_clear_pointer(&c->der, g_bytes_unref);
  g_free(c->renew_why);
}

void certificate_row_free(Certificate *certificate) {
  if (certificate != NULL)
    g_rc_box_release_full(certificate, clear);
}

static gpointer copy(gconstpointer data) {
  const Certificate *c = data;
  Certificate *made = g_rc_box_new0(Certificate);
  *made = *c;
  made->serial = kept_octets(c->serial);
  made->key_digest = kept_octets(c->key_digest);
  made->tbs = kept_octets(c->tbs);
  made->findings = g_strdup(c->findings);
  made->linter_findings = g_strdup(c->linter_findings);
  made->asked = g_strdup(c->asked);
  made->facts = g_strdup(c->facts);
  made->der = kept_octets(c->der);
  made->renew_why = g_strdup(c->renew_why);
  return made;
}

static void forget(Store *store, const Id *id) {
  kept_forget(store_kept(store), KEPT_CERTIFICATES, id);
}

StoreChange certificate_insert(Store *store, const Certificate *c, GError **error) {
  return sql_change(
      store, error,
      "INSERT INTO certificate (id, order_id, account_id, serial, shard, not_before, not_after,"
      " key_digest, tbs, findings, signing_at, facts)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
      " ON CONFLICT (order_id) DO NOTHING",
      "dddbiiibbtit", &c->id, &c->order_id, &c->account_id, c->serial, c->shard, c->not_before,
      c->not_after, c->key_digest, c->tbs, c->findings, c->signing_at, c->facts);
}

StoreChange certificate_set_linted(Store *store, const Id *id, const char *findings,
                                   GError **error) {
  forget(store, id);
  return sql_change(store, error,
                    "UPDATE certificate SET linter_findings = ?2"
                    " WHERE id = ?1 AND linter_findings IS NULL",
                    "dt", id, findings);
}

StoreChange certificate_set_asked(Store *store, const Id *id, const char *node, GError **error) {
  forget(store, id);
  return sql_change(store, error,
                    "UPDATE certificate SET asked = ?2 WHERE id = ?1 AND der IS NULL"
                    " AND asked IS DISTINCT FROM ?2",
                    "dt", id, node);
}

StoreChange certificate_set_der(Store *store, const Id *id, GBytes *der, gint64 now,
                                GError **error) {
  StoreChange set = sql_change(
      store, error, "UPDATE certificate SET der = ?2, issued_at = ?3 WHERE id = ?1 AND der IS NULL",
      "dbi", id, der, now);
  Certificate *kept =
      set == STORE_CHANGED ? kept_change(store_kept(store), KEPT_CERTIFICATES, id, copy) : NULL;
  if (kept != NULL) {
    kept->der = g_bytes_ref(der);
    kept->issued_at = now;
  }
  return set;
}

#define COLUMNS                                                                                    \
  "SELECT id, order_id, account_id, serial, shard, not_before, not_after, key_digest, tbs,"        \
  " findings, signing_at, der, issued_at, revoked_at, reason,"                                     \
  " renew_at, renew_why, linter_findings, asked FROM certificate"

static Certificate *read_row(SqlQuery *query) {
  Certificate *c = g_rc_box_new0(Certificate);
  sql_id(query, 0, &c->id);
  sql_id(query, 1, &c->order_id);
  sql_id(query, 2, &c->account_id);
  c->serial = sql_bytes(query, 3);
  c->shard = sql_int(query, 4);
  c->not_before = sql_int(query, 5);
  c->not_after = sql_int(query, 6);
  c->key_digest = sql_bytes(query, 7);
  c->tbs = sql_bytes(query, 8);
  c->findings = sql_text(query, 9);
  c->signing_at = sql_int(query, 10);
  c->der = sql_bytes(query, 11);
  c->issued_at = sql_int(query, 12);
  c->revoked_at = sql_int(query, 13);
  c->reason = sql_int(query, 14);
  c->renew_at = sql_int(query, 15);
  c->renew_why = sql_text(query, 16);
  c->linter_findings = sql_text(query, 17);
  c->asked = sql_text(query, 18);
  return c;
}

static StoreFind find(SqlQuery query, Certificate **certificate, GError **error) {
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    Kept *kept = store_kept(query.store);
    const Certificate *c = *certificate = read_row(&query);
    kept_put(kept, KEPT_CERTIFICATES, &c->id, g_rc_box_acquire(*certificate));
    kept_put_ids(kept, KEPT_CERTIFICATES_OF_ORDERS, &c->order_id, &c->id, 1);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreFind certificate_find(Store *store, const Id *id, Certificate **certificate, GError **error) {
  Certificate *kept = kept_find(store_kept(store), KEPT_CERTIFICATES, id);
  if (kept == NULL)
    return find(sql_query(store, COLUMNS " WHERE id = ?1", "d", id), certificate, error);
  *certificate = g_rc_box_acquire(kept);
  return STORE_FOUND;
}

StoreFind certificate_find_by_order(Store *store, const Id *order_id, Certificate **certificate,
                                    GError **error) {
  const KeptIds *kept = kept_find(store_kept(store), KEPT_CERTIFICATES_OF_ORDERS, order_id);
  return kept != NULL ? certificate_find(store, &kept->ids[0], certificate, error)
                      : find(sql_query(store, COLUMNS " WHERE order_id = ?1", "d", order_id),
                             certificate, error);
}

StoreFind certificate_find_by_serial(Store *store, GBytes *serial, Certificate **certificate,
                                     GError **error) {
  return find(sql_query(store, COLUMNS " WHERE serial = ?1", "b", serial), certificate, error);
}

StoreChange certificate_revoke(Store *store, const Id *id, gint64 now, int reason, GError **error) {
  forget(store, id);
  return sql_change(store, error,
                    "UPDATE certificate SET revoked_at = ?2, reason = ?3"
                    " WHERE id = ?1 AND der IS NOT NULL AND revoked_at IS NULL",
                    "dii", id, now, (gint64)reason);
}

GPtrArray *certificate_list_by_key(Store *store, GBytes *key_digest, guint limit, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)certificate_row_free);
  SqlQuery query = sql_query(
      store,
      COLUMNS
      " WHERE key_digest = ?1 AND der IS NOT NULL AND revoked_at IS NULL ORDER BY id LIMIT ?2",
      "bi", key_digest, (gint64)limit);
  while (sql_row(&query))
    g_ptr_array_add(list, read_row(&query));
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

GPtrArray *certificate_list(Store *store, const Id *after, guint limit, GError **error) {
  static const Id first = {{0}};
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)certificate_row_free);
  SqlQuery query = sql_query(store, COLUMNS " WHERE id > ?1 ORDER BY id LIMIT ?2", "di",
                             after != NULL ? after : &first, (gint64)limit);
  while (sql_row(&query))
    g_ptr_array_add(list, read_row(&query));
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

/* By the primary key, which begins with the time. */
gboolean certificate_last_issued(Store *store, gint64 *issued_at, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT issued_at FROM certificate WHERE issued_at IS NOT NULL"
                             " ORDER BY id DESC LIMIT 1",
                             "");
  *issued_at = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

gboolean certificate_count_ending(Store *store, gint64 from, gint64 until, guint limit,
                                  gint64 *count, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT count(*) FROM (SELECT 1 FROM certificate"
                             " WHERE not_after > ?1 AND not_after <= ?2 LIMIT ?3) few",
                             "iii", from, until, (gint64)limit);
  *count = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

gboolean certificate_count(Store *store, gint64 *count, GError **error) {
  SqlQuery query = sql_query(store, "SELECT count(*) FROM certificate", "");
  *count = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

StoreChange certificate_ask_renewal(Store *store, GBytes *serial, gint64 now, const char *why,
                                    GError **error) {
  kept_forget_all(store_kept(store));
  return sql_change(store, error,
                    "UPDATE certificate SET renew_at = ?2, renew_why = ?3 WHERE serial = ?1"
                    " AND der IS NOT NULL",
                    "bit", serial, now, why);
}

gboolean certificate_ask_renewals(Store *store, const Id *id, gint64 issued_before, gint64 now,
                                  const char *why, GError **error) {
  return sql_run(store, error,
                 "INSERT INTO renewal (id, issued_before, at, why) VALUES (?1, ?2, ?3, ?4)", "diit",
                 id, issued_before, now, why);
}

StoreFind certificate_renewal_asked(Store *store, gint64 issued_at, gint64 *at, char **why,
                                    GError **error) {
  SqlQuery query =
      sql_query(store, "SELECT at, why FROM renewal WHERE issued_before > ?1 ORDER BY at LIMIT 1",
                "i", issued_at);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *at = sql_int(&query, 0);
    *why = sql_text(&query, 1);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

gboolean key_block(Store *store, GBytes *digest, gint64 now, const char *why, GError **error) {
  gsize size = 0;
  const void *octets = g_bytes_get_data(digest, &size);
  return store_lock_making(store, LOCK_KEY, octets, size, error) &&
         sql_run(store, error,
                 "INSERT INTO blocked_key (digest, at, why) VALUES (?1, ?2, ?3) ON CONFLICT "
                 "(digest) DO NOTHING",
                 "bit", digest, now, why);
}

void blocked_key_free(BlockedKey *key) {
  g_bytes_unref(key->digest);
  g_free(key->why);
  g_free(key);
}

GPtrArray *key_list_blocked(Store *store, GBytes *after, guint limit, GError **error) {
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)blocked_key_free);
  SqlQuery query = sql_query(store,
                             "SELECT digest, at, why FROM blocked_key WHERE digest > ?1"
                             " ORDER BY digest LIMIT ?2",
                             "bi", after != NULL ? after : nothing, (gint64)limit);
  while (sql_row(&query)) {
    BlockedKey *key = g_new0(BlockedKey, 1);
    key->digest = sql_bytes(&query, 0);
    key->at = sql_int(&query, 1);
    key->why = sql_text(&query, 2);
    g_ptr_array_add(list, key);
  }
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

StoreFind key_blocked(Store *store, GBytes *digest, GError **error) {
  gsize size = 0;
  const void *octets = g_bytes_get_data(digest, &size);
  if (!store_lock_absent(store, LOCK_KEY, octets, size, error))
    return STORE_LOOKUP_FAILED;
  return sql_exists(sql_query(store, "SELECT 1 FROM blocked_key WHERE digest = ?1", "b", digest),
                    error);
}

StoreFind key_certified(Store *store, GBytes *digest, GError **error) {
  return sql_exists(
      sql_query(store, "SELECT 1 FROM certificate WHERE key_digest = ?1 LIMIT 1", "b", digest),
      error);
}
