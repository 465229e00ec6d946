/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lock.h"
#include "store/sql.h"

#include <string.h>

static gboolean lock(Store *store, const char *sql, const Id *id, GError **error) {
  return !store_is_shared(store) || sql_run(store, error, sql, "d", id);
}

gboolean store_lock_account(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM account WHERE id = ?1 @lock", id, error);
}

gboolean store_lock_order(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM orders WHERE id = ?1 @lock", id, error);
}

gboolean store_lock_authorization(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM authz WHERE id = ?1 @lock", id, error) &&
         lock(store, "SELECT 1 FROM challenge WHERE authz_id = ?1 @lock", id, error);
}

gboolean store_lock_challenge(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM challenge WHERE id = ?1 @lock", id, error);
}

gint64 lock_number(LockKind kind, const void *octets, gsize size) {
  gint64 number = 0;
  guint8 digest[32], first = (guint8)kind;
  gsize length = sizeof(digest);
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(checksum, (const guchar *)"signet", 6);
  g_checksum_update(checksum, &first, 1);
  g_checksum_update(checksum, octets, (gssize)size);
  g_checksum_get_digest(checksum, digest, &length);
  memcpy(&number, digest, sizeof(number));
  return GINT64_FROM_BE(number);
}

gboolean store_lock_absent(Store *store, LockKind kind, const void *octets, gsize size,
                           GError **error) {
  return !store_is_shared(store) || sql_run(store, error, "SELECT pg_advisory_xact_lock_shared(?1)",
                                            "i", lock_number(kind, octets, size));
}

gboolean store_lock_making(Store *store, LockKind kind, const void *octets, gsize size,
                           GError **error) {
  return !store_is_shared(store) || sql_run(store, error, "SELECT pg_advisory_xact_lock(?1)", "i",
                                            lock_number(kind, octets, size));
}

gboolean store_lock_key(Store *store, GBytes *digest, GError **error) {
  gsize size = 0;
  const void *octets = g_bytes_get_data(digest, &size);
  return store_lock_making(store, LOCK_KEY, octets, size, error);
}

gboolean store_lock_owner(Store *store, const char *owner, gboolean *free, GError **error) {
  *free = TRUE;
  if (!store_is_shared(store))
    return TRUE;
  SqlQuery query = sql_query(store, "SELECT pg_try_advisory_xact_lock(?1)", "i",
                             lock_number(LOCK_WRITER, owner, strlen(owner)));
  *free = sql_row(&query) && sql_int(&query, 0) != 0;
  return sql_end(&query, error);
}
