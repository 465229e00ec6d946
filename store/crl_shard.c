/* SPDX-License-Identifier: Apache-2.0 */
#include "store/crl_shard.h"
#include "store/certificate.h"
#include "store/sql.h"

void crl_shard_free(CrlShard *shard) {
  if (shard == NULL)
    return;
  g_clear_pointer(&shard->crl, g_bytes_unref);
  g_clear_pointer(&shard->issuer, g_bytes_unref);
  g_free(shard);
}

void revoked_certificate_free(RevokedCertificate *revoked) {
  g_bytes_unref(revoked->serial);
  g_free(revoked);
}

static gboolean one_number(SqlQuery query, gint64 *number, GError **error) {
  *number = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

/* The one after last, the issuer's newest that was seen (0: none); two who do that at once make the
   same number, of which one fails. */
static gboolean open_shard(Store *store, GBytes *issuer, gint64 last, gint64 *number,
                           GError **error) {
  SqlQuery query = sql_query(
      store,
      "INSERT INTO crl_shard (number, issued, crl_number, this_update, next_update, issuer)"
      " SELECT coalesce((SELECT max(number) FROM crl_shard), 0) + 1, 0, 0, 0, 0, ?1 WHERE"
      " coalesce((SELECT max(number) FROM crl_shard WHERE issuer = ?1), 0) = ?2 RETURNING number",
      "bi", issuer, last);
  if (sql_row(&query))
    *number = sql_int(&query, 0);
  else if (query.error == NULL)
    g_set_error(&query.error, STORE_ERROR, STORE_ERROR_AGAIN,
                "another process opened a revocation list at that moment");
  return sql_end(&query, error);
}

gboolean crl_shard_ensure(Store *store, GBytes *issuer, gint64 *number, GError **error) {
  SqlQuery query =
      sql_query(store, "SELECT min(number) FROM crl_shard WHERE issuer = ?1", "b", issuer);
  return one_number(query, number, error) &&
         (*number != 0 || open_shard(store, issuer, 0, number, error));
}

/* STORE_UNCHANGED: it is full. Several writers count for themselves, and what others are about to
   commit is not seen: a list may get one more for each of them. */
static StoreChange take_place(Store *store, gint64 number, GError **error) {
  if (!store_is_shared(store))
    return sql_change(store, error,
                      "UPDATE crl_shard SET issued = issued + 1 WHERE number = ?1 AND issued < ?2",
                      "ii", number, (gint64)CRL_SHARD_SIZE);
  return sql_change(store, error,
                    "INSERT INTO crl_shard_use (number, owner, issued)"
                    " SELECT s.number, ?3, 1 FROM crl_shard s WHERE s.number = ?1"
                    " AND s.issued + coalesce((SELECT sum(u.issued) FROM crl_shard_use u"
                    " WHERE u.number = s.number), 0) < ?2"
                    " ON CONFLICT (number, owner) DO UPDATE SET issued = crl_shard_use.issued + 1",
                    "iit", number, (gint64)CRL_SHARD_SIZE, store_owner(store));
}

gboolean crl_shard_take(Store *store, GBytes *issuer, gint64 *number, gboolean *opened,
                        GError **error) {
  SqlQuery newest =
      sql_query(store, "SELECT max(number) FROM crl_shard WHERE issuer = ?1", "b", issuer);
  *opened = FALSE;
  if (!one_number(newest, number, error))
    return FALSE;
  StoreChange taken = take_place(store, *number, error);
  if (taken != STORE_UNCHANGED)
    return taken == STORE_CHANGED;
  *opened = TRUE;
  return open_shard(store, issuer, *number, number, error) &&
         take_place(store, *number, error) == STORE_CHANGED;
}

static StoreFind one_blob(SqlQuery query, GBytes **octets, GError **error) {
  *octets = sql_row(&query) ? sql_bytes(&query, 0) : NULL;
  return !sql_end(&query, error) ? STORE_LOOKUP_FAILED
         : *octets != NULL       ? STORE_FOUND
                                 : STORE_MISSING;
}

StoreFind crl_shard_issuer(Store *store, gint64 number, GBytes **issuer, GError **error) {
  return one_blob(sql_query(store, "SELECT issuer FROM crl_shard WHERE number = ?1", "i", number),
                  issuer, error);
}

gboolean crl_shard_others(Store *store, gint64 number, GArray *others, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT o.number FROM crl_shard s JOIN crl_shard o"
                             " ON o.issuer = s.issuer AND o.number <> s.number"
                             " WHERE s.number = ?1 ORDER BY o.number",
                             "i", number);
  while (sql_row(&query)) {
    gint64 other = sql_int(&query, 0);
    g_array_append_val(others, other);
  }
  return sql_end(&query, error);
}

StoreChange crl_shard_claim(Store *store, gint64 number, GBytes *issuer, GError **error) {
  return sql_change(store, error,
                    "UPDATE crl_shard SET issuer = ?2 WHERE number = ?1 AND issuer IS NULL", "ib",
                    number, issuer);
}

StoreFind crl_shard_sample(Store *store, gint64 number, GBytes **der, GError **error) {
  return one_blob(sql_query(store,
                            "SELECT der FROM certificate WHERE shard = ?1 AND der IS NOT NULL"
                            " LIMIT 1",
                            "i", number),
                  der, error);
}

gboolean crl_shard_end(Store *store, gint64 number, gint64 *not_after, gboolean *closed,
                       GError **error) {
  gint64 later = 0;
  SqlQuery last =
      sql_query(store, "SELECT max(not_after) FROM certificate WHERE shard = ?1", "i", number);
  if (!one_number(last, not_after, error))
    return FALSE;
  SqlQuery after = sql_query(store,
                             "SELECT count(*) FROM crl_shard s, crl_shard t WHERE s.number = ?1"
                             " AND t.issuer = s.issuer AND t.number > s.number",
                             "i", number);
  if (!one_number(after, &later, error))
    return FALSE;
  *closed = later > 0;
  return TRUE;
}

gboolean crl_shard_made(Store *store, gint64 number, gint64 *this_update, GError **error) {
  return one_number(
      sql_query(store, "SELECT this_update FROM crl_shard WHERE number = ?1", "i", number),
      this_update, error);
}

gboolean crl_shard_next_number(Store *store, gint64 shard, gint64 now, gint64 *crl_number,
                               GError **error) {
  SqlQuery query =
      sql_query(store,
                "UPDATE crl_shard SET crl_number = CASE WHEN crl_number >= ?2"
                " THEN crl_number + 1 ELSE ?2 END WHERE number = ?1 RETURNING crl_number",
                "ii", shard, now / 1000);
  gboolean found = sql_row(&query);
  if (found)
    *crl_number = sql_int(&query, 0);
  return sql_end(&query, error) && found;
}

StoreChange crl_shard_keep(Store *store, const CrlShard *shard, GError **error) {
  return sql_change(store, error,
                    "UPDATE crl_shard SET this_update = ?3, next_update = ?4, crl = ?5"
                    " WHERE number = ?1 AND crl_number = ?2",
                    "iiiib", shard->number, shard->crl_number, shard->this_update,
                    shard->next_update, shard->crl);
}

static CrlShard *read_shard(SqlQuery *query) {
  CrlShard *shard = g_new0(CrlShard, 1);
  shard->number = sql_int(query, 0);
  shard->crl_number = sql_int(query, 1);
  shard->this_update = sql_int(query, 2);
  shard->next_update = sql_int(query, 3);
  return shard;
}

GPtrArray *crl_shard_list(Store *store, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)crl_shard_free);
  SqlQuery query =
      sql_query(store,
                "SELECT number, crl_number, this_update, next_update, crl, issuer FROM crl_shard"
                " ORDER BY number",
                "");
  while (sql_row(&query)) {
    CrlShard *shard = read_shard(&query);
    shard->crl = sql_bytes(&query, 4);
    shard->issuer = sql_bytes(&query, 5);
    g_ptr_array_add(list, shard);
  }
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

StoreChange crl_shard_take_list(Store *store, const CrlShard *shard, GError **error) {
  return sql_change(store, error,
                    "INSERT INTO crl_shard (number, issued, crl_number, this_update, next_update,"
                    " crl, issuer) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (number)"
                    " DO UPDATE SET crl_number = ?2, this_update = ?3, next_update = ?4, crl = ?5"
                    " WHERE crl_shard.crl_number < ?2",
                    "iiiibb", shard->number, shard->crl_number, shard->this_update,
                    shard->next_update, shard->crl, shard->issuer);
}

gboolean crl_shard_enter(Store *store, gint64 number, GBytes *issuer, gboolean *opened,
                         GError **error) {
  StoreChange made = sql_change(
      store, error,
      "INSERT INTO crl_shard (number, issued, crl_number, this_update, next_update, issuer)"
      " VALUES (?1, 0, 0, 0, 0, ?2) ON CONFLICT (number) DO NOTHING",
      "ib", number, issuer);
  *opened = made == STORE_CHANGED;
  return made != STORE_FAILED &&
         sql_run(store, error, "UPDATE crl_shard SET issued = issued + 1 WHERE number = ?1", "i",
                 number);
}

static gboolean add_entries(SqlQuery query, GPtrArray *list, GError **error) {
  while (sql_row(&query)) {
    RevokedCertificate *revoked = g_new0(RevokedCertificate, 1);
    revoked->serial = sql_bytes(&query, 0);
    revoked->revoked_at = sql_int(&query, 1);
    revoked->reason = sql_int(&query, 2);
    revoked->not_after = sql_int(&query, 3);
    g_ptr_array_add(list, revoked);
  }
  return sql_end(&query, error);
}

GPtrArray *crl_shard_entries(Store *store, gint64 shard, gint64 since, GError **error) {
  g_autoptr(GPtrArray) list =
      g_ptr_array_new_with_free_func((GDestroyNotify)revoked_certificate_free);
  return add_entries(
             sql_query(
                 store,
                 "SELECT serial, revoked_at, reason, not_after FROM certificate WHERE shard = ?1"
                 " AND revoked_at IS NOT NULL AND (not_after >= ?2 OR not_after >="
                 " (SELECT this_update FROM crl_shard WHERE number = ?1)) ORDER BY revoked_at, id",
                 "ii", shard, since),
             list, error) &&
                 add_entries(sql_query(store,
                                       "SELECT serial, revoked_at, reason, not_after FROM listed l"
                                       " WHERE shard = ?1 AND not_after >= ?2 AND NOT EXISTS"
                                       " (SELECT 1 FROM certificate c WHERE c.serial = l.serial"
                                       " AND c.revoked_at IS NOT NULL) ORDER BY not_after",
                                       "ii", shard, since),
                             list, error)
             ? g_steal_pointer(&list)
             : NULL;
}

gboolean crl_shard_span(Store *store, gint64 at, CrlSpan *span, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT count(*), coalesce(min(this_update), 0),"
                             " coalesce(min(next_update), 0) FROM crl_shard"
                             " WHERE this_update > 0 AND next_update > ?1",
                             "i", at);
  *span = (CrlSpan){0};
  if (sql_row(&query))
    *span = (CrlSpan){sql_int(&query, 0), sql_int(&query, 1), sql_int(&query, 2)};
  return sql_end(&query, error);
}

GPtrArray *crl_shard_overdue(Store *store, gint64 made_before, gint64 waits_since, GError **error) {
  static const char *const overdue =
      "SELECT number, crl_number, this_update, next_update FROM crl_shard s"
      " WHERE (this_update > 0 AND this_update < ?1)"
      " OR (this_update = 0 AND EXISTS (SELECT 1 FROM certificate"
      "     WHERE shard = s.number AND signing_at < ?2))"
      " OR EXISTS (SELECT 1 FROM certificate WHERE shard = s.number"
      "     AND revoked_at > s.this_update AND revoked_at < ?2) ORDER BY number";
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)crl_shard_free);
  SqlQuery query = sql_query(store, overdue, "ii", made_before, waits_since);
  while (sql_row(&query))
    g_ptr_array_add(list, read_shard(&query));
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

gboolean crl_shard_list_made(Store *store, GHashTable *made, GError **error) {
  SqlQuery query =
      sql_query(store, "SELECT number, this_update FROM crl_shard WHERE this_update > 0", "");
  while (sql_row(&query)) {
    gint64 *number = g_new(gint64, 1), *at = g_new(gint64, 1);
    *number = sql_int(&query, 0);
    *at = sql_int(&query, 1);
    g_hash_table_replace(made, number, at);
  }
  return sql_end(&query, error);
}

StoreFind crl_shard_crl(Store *store, gint64 number, GBytes **crl, GError **error) {
  return one_blob(sql_query(store, "SELECT crl FROM crl_shard WHERE number = ?1", "i", number), crl,
                  error);
}
