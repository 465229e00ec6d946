/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lock.h"
#include "store/sql.h"

static gboolean lock(Store *store, const char *sql, const Id *id, GError **error) {
  return !store_is_shared(store) ||
         sql_exists(sql_query(store, sql, "d", id), error) != STORE_LOOKUP_FAILED;
}

gboolean store_lock_account(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM account WHERE id = ?1 @lock", id, error);
}

gboolean store_lock_order(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM orders WHERE id = ?1 @lock", id, error);
}

gboolean store_lock_authorization(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM authz WHERE id = ?1 @lock", id, error);
}

gboolean store_lock_challenge(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM challenge WHERE id = ?1 @lock", id, error);
}

gboolean store_lock_certificate(Store *store, const Id *id, GError **error) {
  return lock(store, "SELECT 1 FROM certificate WHERE id = ?1 @lock", id, error);
}
