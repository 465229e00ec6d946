/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rate.h"
#include "base/clock.h"
#include "store/sql.h"

/* What full_at (the time when the whole share is there again) moves by for each one spent, and how
   far it may lie ahead before one more is spent: burst at once and then the others evenly make at
   most count in any period. */
typedef struct {
  gint64 interval, ahead;
} Pace;

static Pace pace_of(Rate rate) {
  gint64 burst = rate.count / 2 + 1, others = rate.count - burst + 1;
  gint64 interval = (rate.period + others - 1) / others;
  return (Pace){interval, (burst - 1) * interval};
}

/* A full_at well beyond what this pace can have made is of another pace, or of a clock that was put
   back: the share is new then. A small step of the clock gives nothing. */
#define SMALL_STEP (5 * CLOCK_MINUTE)

StoreChange rate_reserve(Store *store, const char *name, const char *subject, Rate rate, gint64 now,
                         gint64 patience, gint64 *at, GError **error) {
  *at = now;
  if (rate.count == 0)
    return STORE_CHANGED;
  Pace pace = pace_of(rate);
  gint64 ahead = pace.ahead + patience, farthest = now + ahead + pace.interval + SMALL_STEP;
  SqlQuery spend =
      sql_query(store,
                "INSERT INTO rate (name, subject, full_at) VALUES (?1, ?2, ?3 + ?4)"
                " ON CONFLICT (name, subject) DO UPDATE SET full_at = ?4 +"
                " CASE WHEN rate.full_at > ?3 AND rate.full_at <= ?6 THEN rate.full_at ELSE ?3 END"
                " WHERE rate.full_at <= ?3 + ?5 OR rate.full_at > ?6 RETURNING full_at",
                "ttiiii", name, subject, now, pace.interval, ahead, farthest);
  gboolean spent = sql_row(&spend);
  if (spent)
    *at = MAX(now, sql_int(&spend, 0) - pace.interval - pace.ahead); /* moved by this one */
  if (!sql_end(&spend, error))
    return STORE_FAILED;
  if (spent)
    return STORE_CHANGED;
  SqlQuery query = sql_query(store, "SELECT full_at FROM rate WHERE name = ?1 AND subject = ?2",
                             "tt", name, subject);
  if (sql_row(&query))
    *at = MAX(now, sql_int(&query, 0) - pace.ahead);
  return sql_end(&query, error) ? STORE_UNCHANGED : STORE_FAILED;
}

StoreChange rate_spend(Store *store, const char *name, const char *subject, Rate rate, gint64 now,
                       gint64 *again_at, GError **error) {
  return rate_reserve(store, name, subject, rate, now, 0, again_at, error);
}

gboolean rate_purge(Store *store, gint64 now, guint limit, gboolean *more, GError **error) {
  if (!sql_run(store, error,
               "DELETE FROM rate WHERE (name, subject) IN"
               " (SELECT name, subject FROM rate WHERE full_at <= ?1 ORDER BY full_at LIMIT ?2"
               " @skip-locked)",
               "ii", now, (gint64)limit))
    return FALSE;
  SqlQuery query = sql_query(store, "SELECT 1 FROM rate WHERE full_at <= ?1 LIMIT 1", "i", now);
  *more = sql_row(&query);
  return sql_end(&query, error);
}

gboolean rate_override_set(Store *store, const char *name, const char *subject, Rate rate,
                           GError **error) {
  *store_overrides(store) = OVERRIDES_ASKED_FOR;
  return sql_run(store, error,
                 "INSERT INTO rate_override (name, subject, count, period) VALUES (?1, ?2, ?3, ?4)"
                 " ON CONFLICT (name, subject) DO UPDATE SET count = ?3, period = ?4",
                 "ttii", name, subject, rate.count, rate.period);
}

StoreChange rate_override_clear(Store *store, const char *name, const char *subject,
                                GError **error) {
  return sql_change(store, error, "DELETE FROM rate_override WHERE name = ?1 AND subject = ?2",
                    "tt", name, subject);
}

/* A request asks for ten, and nearly always there are none. */
static StoreFind any_override(Store *store, GError **error) {
  Overrides *known = store_overrides(store);
  if (*known > OVERRIDES_UNKNOWN)
    return *known == OVERRIDES_SOME ? STORE_FOUND : STORE_MISSING;
  StoreFind any = sql_exists(sql_query(store, "SELECT 1 FROM rate_override LIMIT 1", ""), error);
  if (*known == OVERRIDES_UNKNOWN && any != STORE_LOOKUP_FAILED)
    *known = any == STORE_FOUND ? OVERRIDES_SOME : OVERRIDES_NONE;
  return any;
}

gboolean rate_override_find(Store *store, const char *name, const char *subject, Rate *rate,
                            GError **error) {
  StoreFind any = any_override(store, error);
  if (any != STORE_FOUND)
    return any == STORE_MISSING;
  SqlQuery query =
      sql_query(store, "SELECT count, period FROM rate_override WHERE name = ?1 AND subject = ?2",
                "tt", name, subject);
  if (sql_row(&query))
    *rate = (Rate){sql_int(&query, 0), sql_int(&query, 1)};
  return sql_end(&query, error);
}

void rate_override_free(RateOverride *override) {
  g_free(override->name);
  g_free(override->subject);
  g_free(override);
}

GPtrArray *rate_override_list(Store *store, const char *after_name, const char *after_subject,
                              guint limit, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)rate_override_free);
  SqlQuery query = sql_query(
      store,
      "SELECT name, subject, count, period FROM rate_override WHERE (name, subject) > (?1, ?2)"
      " ORDER BY name, subject LIMIT ?3",
      "tti", after_name, after_subject, (gint64)limit);
  while (sql_row(&query)) {
    RateOverride *override = g_new0(RateOverride, 1);
    override->name = sql_text(&query, 0);
    override->subject = sql_text(&query, 1);
    override->rate = (Rate){sql_int(&query, 2), sql_int(&query, 3)};
    g_ptr_array_add(list, override);
  }
  return sql_end(&query, error) ? g_steal_pointer(&list) : NULL;
}
