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
  g_free(message->rule);
  g_free(message->reason);
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

/* Octets follow where they are asked for. */
#define COLUMNS                                                                                    \
  "SELECT m.id, m.challenge_id, m.direction, m.at, m.peer, m.helo, m.reverse_path, m.tls,"         \
  " m.verdict, m.rule, m.reason"

static Message *read_message(SqlQuery *query) {
  Message *m = g_new0(Message, 1);
  sql_id(query, 0, &m->id);
  sql_id(query, 1, &m->challenge_id);
  m->direction = sql_text(query, 2);
  m->at = sql_int(query, 3);
  m->peer = sql_text(query, 4);
  m->helo = sql_text(query, 5);
  m->reverse_path = sql_text(query, 6);
  m->tls = sql_int(query, 7) != 0;
  m->verdict = sql_text(query, 8);
  m->rule = sql_text(query, 9);
  m->reason = sql_text(query, 10);
  return m;
}

StoreFind message_find_plain(Store *store, const Id *id, Message **message, GError **error) {
  SqlQuery query = sql_query(store, COLUMNS " FROM message m WHERE m.id = ?1", "d", id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *message = read_message(&query);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreFind message_find(Store *store, const Id *id, Message **message, GError **error) {
  SqlQuery query = sql_query(
      store, COLUMNS ", r.octets FROM message m JOIN raw r ON r.id = m.raw_id WHERE m.id = ?1", "d",
      id);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *message = read_message(&query);
    (*message)->octets = sql_bytes(&query, 11);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

StoreFind message_challenge(Store *store, const Id *id, Id *challenge, GError **error) {
  SqlQuery query = sql_query(store, "SELECT challenge_id FROM message WHERE id = ?1", "d", id);
  StoreFind found = sql_row(&query) && sql_id(&query, 0, challenge) ? STORE_FOUND : STORE_MISSING;
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

GPtrArray *message_list(Store *store, const Id *challenge_id, const char *direction,
                        GError **error) {
  g_autoptr(GPtrArray) messages = g_ptr_array_new_with_free_func((GDestroyNotify)message_free);
  SqlQuery query = sql_query(
      store,
      COLUMNS " FROM message m WHERE m.challenge_id = ?1 AND m.direction = ?2 ORDER BY m.at, m.id",
      "dt", challenge_id, direction);
  while (sql_row(&query))
    g_ptr_array_add(messages, read_message(&query));
  return sql_end(&query, error) ? g_steal_pointer(&messages) : NULL;
}

StoreChange message_judge(Store *store, const Id *id, const char *verdict, const char *rule,
                          const char *reason, const char *evidence, const char *settings,
                          GError **error) {
  return sql_change(store, error,
                    "UPDATE message SET verdict = ?2, rule = ?3, reason = ?4, evidence = ?5,"
                    " judged_with = ?6 WHERE id = ?1 AND verdict IS NULL",
                    "dttttt", id, verdict, rule, reason, evidence, settings);
}
