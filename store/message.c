/* SPDX-License-Identifier: Apache-2.0 */
#include "store/message.h"
#include "store/sql.h"

void message_free(Message *message) {
  if (message == NULL)
    return;
  g_free(message->direction);
  g_free(message->peer);
  g_free(message->helo);
  g_free(message->reverse_path);
  g_clear_pointer(&message->octets, g_bytes_unref);
  g_free(message->verdict);
  g_free(message);
}

gboolean message_insert_raw(Store *store, const Id *raw_id, GBytes *octets, GError **error) {
  return sql_run(store, error, "INSERT INTO raw (id, octets) VALUES (?1, ?2)", "db", raw_id,
                 octets);
}

gboolean message_insert(Store *store, const Message *m, const Id *raw_id, GError **error) {
  return sql_run(
      store, error,
      "INSERT INTO message (id, raw_id, challenge_id, direction, at, peer, helo, reverse_path, tls)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
      "dddtittti", &m->id, raw_id, &m->challenge_id, m->direction, m->at, m->peer, m->helo,
      m->reverse_path, (gint64)m->tls);
}

StoreFind message_find(Store *store, const Id *id, Message **message, GError **error) {
  SqlQuery query =
      sql_query(store,
                "SELECT m.id, m.challenge_id, m.direction, m.at, m.peer, m.helo, m.reverse_path,"
                " m.tls, r.octets, m.verdict FROM message m JOIN raw r ON r.id = m.raw_id"
                " WHERE m.id = ?1",
                "d", id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    Message *m = *message = g_new0(Message, 1);
    sql_id(&query, 0, &m->id);
    sql_id(&query, 1, &m->challenge_id);
    m->direction = sql_text(&query, 2);
    m->at = sql_int(&query, 3);
    m->peer = sql_text(&query, 4);
    m->helo = sql_text(&query, 5);
    m->reverse_path = sql_text(&query, 6);
    m->tls = sql_int(&query, 7) != 0;
    m->octets = sql_bytes(&query, 8);
    m->verdict = sql_text(&query, 9);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreChange message_judge(Store *store, const Id *id, const char *verdict, const char *evidence,
                          GError **error) {
  return sql_change(
      store, error,
      "UPDATE message SET verdict = ?2, evidence = ?3 WHERE id = ?1 AND verdict IS NULL", "dtt", id,
      verdict, evidence);
}
