/* SPDX-License-Identifier: Apache-2.0 */
#include "store/perspective_answer.h"
#include "store/sql.h"

void perspective_row_free(PerspectiveRow *row) {
  g_free((char *)row->question);
  g_free((char *)row->perspective);
  g_free((char *)row->url);
  g_free((char *)row->outcome);
  g_free((char *)row->records);
  g_free((char *)row->reason);
  g_free(row);
}

gboolean perspective_row_insert(Store *store, const PerspectiveRow *r, GError **error) {
  return sql_run(store, error,
                 "INSERT INTO perspective_answer"
                 " (subject, at, question, perspective, url, outcome, secure, records, reason)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                 " ON CONFLICT (subject, at, question, perspective) DO NOTHING",
                 "dittttitt", &r->subject, r->at, r->question, r->perspective, r->url, r->outcome,
                 (gint64)r->secure, r->records, r->reason);
}

GPtrArray *perspective_row_list(Store *store, const Id *order_id, GError **error) {
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)perspective_row_free);
  SqlQuery query =
      sql_query(store,
                "SELECT subject, at, question, perspective, url, outcome, secure, records, reason"
                " FROM perspective_answer WHERE subject = ?1 OR subject IN (SELECT m.id"
                " FROM authz a JOIN challenge c ON c.authz_id = a.id"
                " JOIN message m ON m.challenge_id = c.id WHERE a.order_id = ?1)"
                " ORDER BY at, question, perspective",
                "d", order_id);
  Id subject;
  while (sql_row(&query) && sql_id(&query, 0, &subject)) {
    PerspectiveRow *row = g_new0(PerspectiveRow, 1);
    row->subject = subject;
    row->at = sql_int(&query, 1);
    row->question = sql_text(&query, 2);
    row->perspective = sql_text(&query, 3);
    row->url = sql_text(&query, 4);
    row->outcome = sql_text(&query, 5);
    row->secure = sql_int(&query, 6) != 0;
    row->records = sql_text(&query, 7);
    row->reason = sql_text(&query, 8);
    g_ptr_array_add(rows, row);
  }
  return sql_end(&query, error) ? g_steal_pointer(&rows) : NULL;
}
