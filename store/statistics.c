/* SPDX-License-Identifier: Apache-2.0 */
#include "store/statistics.h"
#include "store/sql.h"

/* The first id of a moment: the time in it, then nothing. */
static Id first_id(gint64 at) {
  static const guint8 nothing[10] = {0};
  return id_new(MAX(at, 0), nothing);
}

static gint64 time_of(SqlQuery *query, int column) {
  Id id;
  gint64 at = 0;
  if (!sql_id(query, column, &id))
    return 0;
  for (guint i = 0; i < 6; i++)
    at = at << 8 | id.octets[i];
  return at;
}

gboolean statistics_orders(Store *store, const StatisticsSpan *span, const char *status,
                           StatisticsSeen seen, gpointer user, GError **error) {
  Id from = first_id(span->from), until = first_id(span->until);
  SqlQuery query =
      sql_query(store, "SELECT id FROM orders WHERE status = ?1 AND id >= ?2 AND id < ?3", "tdd",
                status, &from, &until);
  while (sql_row(&query))
    seen(&(StatisticsRow){.at = time_of(&query, 0)}, user);
  return sql_end(&query, error);
}

gboolean statistics_failures(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                             gpointer user, GError **error) {
  Id from = first_id(span->from), until = first_id(span->until);
  SqlQuery query = sql_query(store,
                             "SELECT id, error FROM orders WHERE status = 'invalid'"
                             " AND id >= ?1 AND id < ?2",
                             "dd", &from, &until);
  while (sql_row(&query)) {
    g_autofree char *problem = sql_text(&query, 1);
    seen(&(StatisticsRow){.at = time_of(&query, 0), .what = problem}, user);
  }
  return sql_end(&query, error);
}

gboolean statistics_replies(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                            gpointer user, GError **error) {
  Id from = first_id(span->from), until = first_id(span->until);
  SqlQuery query = sql_query(store,
                             "SELECT id, verdict, rule FROM message WHERE id >= ?1 AND id < ?2"
                             " AND verdict IS NOT NULL",
                             "dd", &from, &until);
  while (sql_row(&query)) {
    g_autofree char *verdict = sql_text(&query, 1), *rule = sql_text(&query, 2);
    seen(&(StatisticsRow){.at = time_of(&query, 0), .what = verdict, .detail = rule}, user);
  }
  return sql_end(&query, error);
}

gboolean statistics_revocations(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                                gpointer user, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT revoked_at, reason FROM certificate"
                             " WHERE shard IN (SELECT number FROM crl_shard)"
                             " AND revoked_at IS NOT NULL AND revoked_at >= ?1 AND revoked_at < ?2",
                             "ii", span->from, span->until);
  while (sql_row(&query))
    seen(&(StatisticsRow){.at = sql_int(&query, 0), .number = sql_int(&query, 1)}, user);
  return sql_end(&query, error);
}

static gboolean see_times(SqlQuery query, StatisticsSeen seen, gpointer user, GError **error) {
  while (sql_row(&query))
    seen(&(StatisticsRow){.at = sql_int(&query, 0)}, user);
  return sql_end(&query, error);
}

gboolean statistics_ends(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                         gpointer user, GError **error) {
  return see_times(sql_query(store,
                             "SELECT not_after FROM certificate"
                             " WHERE not_after >= ?1 AND not_after < ?2",
                             "ii", span->from, span->until),
                   seen, user, error);
}

gboolean statistics_ends_revoked(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                                 gpointer user, GError **error) {
  return see_times(sql_query(store,
                             "SELECT not_after FROM certificate"
                             " WHERE shard IN (SELECT number FROM crl_shard)"
                             " AND revoked_at IS NOT NULL AND revoked_at > 0"
                             " AND not_after >= ?1 AND not_after < ?2",
                             "ii", span->from, span->until),
                   seen, user, error);
}

gboolean statistics_delays(Store *store, const StatisticsSpan *span,
                           void (*seen)(const StatisticsDelay *delay, gpointer user), gpointer user,
                           GError **error) {
  Id from = first_id(span->from), until = first_id(span->until);
  SqlQuery query = sql_query(store,
                             "SELECT c.queued_at, c.sent_at, m.at, c.passed_at FROM challenge c"
                             " JOIN message m ON m.challenge_id = c.id"
                             " WHERE c.id >= ?1 AND c.id < ?2 AND c.passed_at IS NOT NULL"
                             " AND m.verdict = 'passed'",
                             "dd", &from, &until);
  while (sql_row(&query))
    seen(&(StatisticsDelay){sql_int(&query, 0), sql_int(&query, 1), sql_int(&query, 2),
                            sql_int(&query, 3)},
         user);
  return sql_end(&query, error);
}
