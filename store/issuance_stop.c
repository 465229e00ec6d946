/* SPDX-License-Identifier: Apache-2.0 */
#include "store/issuance_stop.h"
#include "store/lock.h"
#include "store/sql.h"

void issuance_stop_free(IssuanceStop *stop) {
  if (stop == NULL)
    return;
  g_free(stop->reason);
  g_free(stop->uid);
  g_free(stop);
}

StoreChange issuance_stop_set(Store *store, const IssuanceStop *stop, GError **error) {
  if (!store_lock_making(store, LOCK_ISSUANCE_STOP, "", 0, error))
    return STORE_FAILED;
  return sql_change(store, error,
                    "INSERT INTO issuance_stop (id, at, reason, uid) VALUES (1, ?1, ?2, ?3)"
                    " ON CONFLICT (id) DO NOTHING",
                    "itt", stop->at, stop->reason, stop->uid);
}

StoreChange issuance_stop_clear(Store *store, GError **error) {
  return sql_change(store, error,
                    "DELETE FROM issuance_stop WHERE id = 1"
                    " AND NOT EXISTS (SELECT 1 FROM restored WHERE done_at IS NULL)",
                    "");
}

StoreFind issuance_stop_find(Store *store, IssuanceStop **stop, GError **error) {
  if (!store_lock_absent(store, LOCK_ISSUANCE_STOP, "", 0, error))
    return STORE_LOOKUP_FAILED;
  SqlQuery query = sql_query(store, "SELECT at, reason, uid FROM issuance_stop WHERE id = 1", "");
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *stop = g_new0(IssuanceStop, 1);
    (*stop)->at = sql_int(&query, 0);
    (*stop)->reason = sql_text(&query, 1);
    (*stop)->uid = sql_text(&query, 2);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}
