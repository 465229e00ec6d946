/* SPDX-License-Identifier: Apache-2.0 */
#include "store/crl_shard.h"
#include "store/certificate.h"
#include "store/sql.h"

void crl_shard_free(CrlShard *shard) {
  if (shard == NULL)
    return;
  g_clear_pointer(&shard->crl, g_bytes_unref);
  g_free(shard);
}

void revoked_certificate_free(RevokedCertificate *revoked) {
  g_bytes_unref(revoked->serial);
  g_free(revoked);
}

static gboolean open_shard(Store *store, gint64 number, GError **error) {
  return sql_run(store, error,
                 "INSERT INTO crl_shard (number, issued, crl_number, this_update, next_update)"
                 " VALUES (?1, 0, 0, 0, 0) ON CONFLICT (number) DO NOTHING",
                 "i", number);
}

gboolean crl_shard_ensure(Store *store, GError **error) {
  return open_shard(store, 1, error);
}

static gboolean newest(Store *store, gint64 *number, GError **error) {
  SqlQuery query = sql_query(store, "SELECT max(number) FROM crl_shard", "");
  *number = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

gboolean crl_shard_take(Store *store, gint64 *number, gboolean *opened, GError **error) {
  static const char take[] =
      "UPDATE crl_shard SET issued = issued + 1 WHERE number = ?1 AND issued < ?2";
  *opened = FALSE;
  if (!newest(store, number, error))
    return FALSE;
  StoreChange taken = sql_change(store, error, take, "ii", *number, (gint64)CRL_SHARD_SIZE);
  if (taken != STORE_UNCHANGED)
    return taken == STORE_CHANGED;
  *opened = TRUE;
  *number += 1;
  return open_shard(store, *number, error) &&
         sql_change(store, error, take, "ii", *number, (gint64)CRL_SHARD_SIZE) == STORE_CHANGED;
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

GPtrArray *crl_shard_list(Store *store, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)crl_shard_free);
  SqlQuery query = sql_query(
      store,
      "SELECT number, crl_number, this_update, next_update, crl FROM crl_shard ORDER BY number",
      "");
  while (sql_row(&query)) {
    CrlShard *shard = g_new0(CrlShard, 1);
    shard->number = sql_int(&query, 0);
    shard->crl_number = sql_int(&query, 1);
    shard->this_update = sql_int(&query, 2);
    shard->next_update = sql_int(&query, 3);
    shard->crl = sql_bytes(&query, 4);
    g_ptr_array_add(list, shard);
  }
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

GPtrArray *crl_shard_entries(Store *store, gint64 shard, gint64 since, GError **error) {
  g_autoptr(GPtrArray) list =
      g_ptr_array_new_with_free_func((GDestroyNotify)revoked_certificate_free);
  SqlQuery query =
      sql_query(store,
                "SELECT serial, revoked_at, reason FROM certificate WHERE shard = ?1"
                " AND revoked_at IS NOT NULL AND not_after >= ?2 ORDER BY revoked_at, id",
                "ii", shard, since);
  while (sql_row(&query)) {
    RevokedCertificate *revoked = g_new0(RevokedCertificate, 1);
    revoked->serial = sql_bytes(&query, 0);
    revoked->revoked_at = sql_int(&query, 1);
    revoked->reason = sql_int(&query, 2);
    g_ptr_array_add(list, revoked);
  }
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}
