/* SPDX-License-Identifier: Apache-2.0 */
#include "store/iodef_report.h"
#include "store/sql.h"

void iodef_report_free(IodefReport *report) {
  if (report == NULL)
    return;
  g_free(report->domain);
  g_free(report->mailboxes);
  g_free(report->record);
  g_free(report->recipient);
  g_free(report->message_id);
  g_free(report);
}

StoreChange iodef_report_insert(Store *store, const IodefReport *r, GError **error) {
  return sql_change(store, error,
                    "INSERT INTO iodef_report (id, order_id, domain, mailboxes, record, recipient,"
                    " message_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                    " ON CONFLICT (order_id, recipient) DO NOTHING",
                    "ddttttti", &r->id, &r->order_id, r->domain, r->mailboxes, r->record,
                    r->recipient, r->message_id, r->created_at);
}

#define COLUMNS                                                                                    \
  "SELECT id, order_id, domain, mailboxes, record, recipient, message_id, created_at, sent_at"     \
  " FROM iodef_report "

static IodefReport *read_row(SqlQuery *query) {
  IodefReport *r = g_new0(IodefReport, 1);
  sql_id(query, 0, &r->id);
  sql_id(query, 1, &r->order_id);
  r->domain = sql_text(query, 2);
  r->mailboxes = sql_text(query, 3);
  r->record = sql_text(query, 4);
  r->recipient = sql_text(query, 5);
  r->message_id = sql_text(query, 6);
  r->created_at = sql_int(query, 7);
  r->sent_at = sql_int(query, 8);
  return r;
}

StoreFind iodef_report_find(Store *store, const Id *id, IodefReport **report, GError **error) {
  SqlQuery query = sql_query(store, COLUMNS "WHERE id = ?1", "d", id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *report = read_row(&query);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

GPtrArray *iodef_report_list(Store *store, const Id *order_id, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)iodef_report_free);
  SqlQuery query =
      sql_query(store, COLUMNS "WHERE order_id = ?1 ORDER BY recipient", "d", order_id);
  while (sql_row(&query))
    g_ptr_array_add(list, read_row(&query));
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}

StoreChange iodef_report_set_sent(Store *store, const Id *id, gint64 now, GError **error) {
  return sql_change(store, error,
                    "UPDATE iodef_report SET sent_at = ?2 WHERE id = ?1 AND sent_at IS NULL", "di",
                    id, now);
}
