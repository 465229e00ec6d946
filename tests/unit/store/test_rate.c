/* SPDX-License-Identifier: Apache-2.0 */
/* Limits (security.md 10): the pace of each, that none is ever exceeded, and what an operator
   overrides. */
#include "fixture.h"
#include "store/rate.h"

#define SECOND G_GINT64_CONSTANT(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* 0: taken; otherwise when to come again. */
static gint64 spend(Fixture *fixture, const char *subject, Rate rate, gint64 now) {
  GError *failure = NULL;
  gint64 again_at = 0;
  StoreChange spent = rate_spend(fixture->store, "orders", subject, rate, now, &again_at, &failure);
  good(spent != STORE_FAILED, failure);
  return spent == STORE_CHANGED ? 0 : again_at;
}

static void taken(Fixture *fixture, const char *subject, Rate rate, gint64 now) {
  g_assert_cmpint(spend(fixture, subject, rate, now), ==, 0);
}

static void refused(Fixture *fixture, const char *subject, Rate rate, gint64 now, gint64 again_at) {
  g_assert_cmpint(spend(fixture, subject, rate, now), ==, again_at);
}

/* What is there of the share now. */
static guint burst(Fixture *fixture, const char *subject, Rate rate, gint64 now) {
  guint count = 0;
  while (spend(fixture, subject, rate, now) == 0)
    count++;
  return count;
}

static gint64 rows(Fixture *fixture) {
  return number_of(fixture->store, "SELECT count(*) FROM rate");
}

/* --- the pace --- */

static const struct {
  Rate rate;
  guint burst;
  gint64 interval;
} paces[] = {
    {{1, HOUR}, 1, HOUR},
    {{2, HOUR}, 2, HOUR},
    {{3, HOUR}, 2, 30 * MINUTE},
    {{4, HOUR}, 3, 30 * MINUTE},
    {{5, HOUR}, 3, 20 * MINUTE},
    {{20, DAY}, 11, 144 * MINUTE},
    {{300, 3 * HOUR}, 151, 72 * SECOND},
    {{3, SECOND + 1}, 2, 501}, /* never a part of a millisecond too early */
};

/* A burst at once, the others evenly, all of them within the period; each refusal says when the
   next is taken: not one millisecond before, and then. */
static void test_pace(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  for (gsize i = 0; i < G_N_ELEMENTS(paces); i++) {
    g_autofree char *subject = g_strdup_printf("row %u", (guint)i);
    Rate rate = paces[i].rate;
    gint64 interval = paces[i].interval, count = paces[i].burst, now = NOW;
    g_assert_cmpuint(burst(fixture, subject, rate, NOW), ==, paces[i].burst);
    for (; count < rate.count; count++) {
      refused(fixture, subject, rate, now, now + interval);
      refused(fixture, subject, rate, now + interval - 1, now + interval);
      now += interval;
      taken(fixture, subject, rate, now);
    }
    g_assert_cmpint(now, <, NOW + rate.period);
    refused(fixture, subject, rate, NOW + rate.period - 1, now + interval);
    taken(fixture, subject, rate, now + interval);
  }
}

/* Not used for long: no more than the burst is saved up. */
static void test_saved_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate rate = {5, HOUR};
  g_assert_cmpuint(burst(fixture, "a", rate, NOW), ==, 3);
  g_assert_cmpuint(burst(fixture, "a", rate, NOW + 20 * MINUTE), ==, 1);
  g_assert_cmpuint(burst(fixture, "a", rate, NOW + 60 * MINUTE), ==, 2);
  g_assert_cmpuint(burst(fixture, "a", rate, NOW + 120 * MINUTE), ==, 3);
  g_assert_cmpuint(burst(fixture, "a", rate, NOW + 500 * DAY), ==, 3);
}

static void test_apart(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate rate = {1, HOUR};
  gint64 again_at = 0;
  taken(fixture, "a", rate, NOW);
  taken(fixture, "A", rate, NOW);
  taken(fixture, "a ", rate, NOW);
  GIVES(STORE_CHANGED, rate_spend(fixture->store, "mails", "a", rate, NOW, &again_at, &error));
  refused(fixture, "a", rate, NOW, NOW + HOUR);
}

static void test_off(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate off = {0, 0};
  for (guint i = 0; i < 100; i++)
    taken(fixture, "a", off, NOW);
  g_assert_cmpint(rows(fixture), ==, 0);
}

/* --- never more than count in any period --- */

static gint64 chosen_gap(Rate rate) {
  switch (g_test_rand_int_range(0, 4)) {
  case 0:
    return 0;
  case 1:
    return g_test_rand_int_range(0, 3);
  case 2:
    return g_test_rand_int_range(0, (gint32)(2 * rate.period / rate.count) + 2);
  default:
    return g_test_rand_int_range(0, 50) == 0 ? g_test_rand_int_range(0, (gint32)rate.period * 2)
                                             : 1;
  }
}

/* Arrivals of every kind, with forgetting in between: those that are taken never crowd. */
static void check_arrivals(Fixture *fixture, const char *subject, Rate rate) {
  g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
  gint64 now = NOW, promised = 0;
  gboolean more = FALSE;
  for (guint i = 0; i < 300; i++) {
    now = g_test_rand_int_range(0, 6) == 0 && promised > now ? promised : now + chosen_gap(rate);
    gint64 again_at = spend(fixture, subject, rate, now);
    if (again_at != 0) {
      g_assert_cmpint(again_at, >, now);
      g_assert_cmpint(again_at, <=, now + rate.period);
      promised = again_at;
      continue;
    }
    g_assert_cmpint(now, >=, promised);
    g_array_append_val(times, now);
    if (times->len > rate.count)
      g_assert_cmpint(now - g_array_index(times, gint64, times->len - 1 - rate.count), >=,
                      rate.period);
    if (g_test_rand_int_range(0, 8) == 0)
      GOOD(rate_purge(fixture->store, now, 10, &more, &error));
  }
  g_assert_cmpuint(times->len, >, 0);
}

static void test_never_more(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  for (guint i = 0; i < 40; i++) {
    g_autofree char *subject = g_strdup_printf("run %u", i);
    Rate rate = {g_test_rand_int_range(1, i % 2 == 0 ? 6 : 40), g_test_rand_int_range(1, 100000)};
    g_test_message("%" G_GINT64_FORMAT " in %" G_GINT64_FORMAT " ms", rate.count, rate.period);
    check_arrivals(fixture, subject, rate);
  }
}

/* --- turns --- */

static gint64 reserve(Fixture *fixture, Rate rate, gint64 now, gint64 patience,
                      StoreChange expected) {
  gint64 at = 0;
  GIVES(expected, rate_reserve(fixture->store, "mails", "a", rate, now, patience, &at, &error));
  return at;
}

/* Who waits gets the times at which spending would have been taken; who will not wait that long
   gets nothing, and is told when. */
static void test_reserve(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate rate = {5, HOUR}, off = {0, 0};
  for (gint64 i = 0; i < 10; i++)
    g_assert_cmpint(reserve(fixture, rate, NOW, 3 * HOUR, STORE_CHANGED), ==,
                    NOW + MAX(0, i - 2) * 20 * MINUTE);
  gint64 next = NOW + 8 * 20 * MINUTE;
  g_assert_cmpint(reserve(fixture, rate, NOW, 160 * MINUTE - 1, STORE_UNCHANGED), ==, next);
  g_assert_cmpint(reserve(fixture, rate, next - 1, 0, STORE_UNCHANGED), ==, next);
  g_assert_cmpint(reserve(fixture, rate, next, 0, STORE_CHANGED), ==, next);
  g_assert_cmpint(reserve(fixture, rate, next + 2 * HOUR, HOUR, STORE_CHANGED), ==,
                  next + 2 * HOUR);
  g_assert_cmpint(reserve(fixture, off, NOW, 0, STORE_CHANGED), ==, NOW);
}

/* A queue that a clock put back seems to have made is none. */
static void test_reserve_step_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate rate = {5, HOUR};
  for (guint i = 0; i < 5; i++)
    reserve(fixture, rate, NOW, DAY, STORE_CHANGED);
  g_assert_cmpint(reserve(fixture, rate, NOW - HOUR, DAY, STORE_CHANGED), ==, NOW + HOUR);
  g_assert_cmpint(reserve(fixture, rate, NOW - 3 * DAY, DAY, STORE_CHANGED), ==, NOW - 3 * DAY);
}

static void test_reserved_never_more(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate rate = {5, HOUR};
  g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
  gint64 now = NOW;
  for (guint i = 0; i < 500; i++) {
    now += g_test_rand_int_range(0, 3) == 0 ? g_test_rand_int_range(0, (gint32)HOUR) : 0;
    gint64 at = reserve(fixture, rate, now, 100 * DAY, STORE_CHANGED);
    g_assert_cmpint(at, >=, now);
    g_array_append_val(times, at);
    if (times->len > rate.count)
      g_assert_cmpint(at - g_array_index(times, gint64, times->len - 1 - rate.count), >=,
                      rate.period);
  }
}

/* --- a clock that is put back --- */

/* By five minutes or less: nothing is given, and the time to come again stays. */
static void test_small_step_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const gint64 steps[] = {1, MINUTE, 5 * MINUTE};
  const Rate rate = {5, HOUR};
  burst(fixture, "used", rate, NOW);
  for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
    refused(fixture, "used", rate, NOW - steps[i], NOW + 20 * MINUTE);
  taken(fixture, "used", rate, NOW + 20 * MINUTE);
  taken(fixture, "half", rate, NOW);
  g_assert_cmpuint(burst(fixture, "half", rate, NOW - 1), ==, 1);
  g_assert_cmpuint(burst(fixture, "half", rate, NOW), ==, 1);
}

/* By more: a share that seems spent for long is a new one, and then counts. */
static void test_large_step_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const gint64 steps[] = {5 * MINUTE + 1, DAY, 400 * DAY};
  const Rate rate = {5, HOUR};
  for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
    g_autofree char *subject = g_strdup_printf("step %u", (guint)i);
    gint64 then = NOW - steps[i];
    burst(fixture, subject, rate, NOW);
    g_assert_cmpuint(burst(fixture, subject, rate, then), ==, 3);
    refused(fixture, subject, rate, then, then + 20 * MINUTE);
  }
}

/* A tighter limit than the one that was in force: what was spent by the old one locks nobody out
   for longer than the new one takes. */
static void test_another_pace(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate before = {20, DAY}, after = {5, HOUR};
  burst(fixture, "a", before, NOW);
  g_assert_cmpuint(burst(fixture, "a", after, NOW), ==, 3);
  refused(fixture, "a", after, NOW, NOW + 20 * MINUTE);
}

/* --- forgetting --- */

static void purge(Fixture *fixture, gint64 now, guint limit, gboolean expect_more, gint64 left) {
  gboolean more = !expect_more;
  GOOD(rate_purge(fixture->store, now, limit, &more, &error));
  g_assert_cmpint(more, ==, expect_more);
  g_assert_cmpint(rows(fixture), ==, left);
}

static void test_purge(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate rate = {5, HOUR};
  taken(fixture, "once", rate, NOW);
  burst(fixture, "used", rate, NOW);
  purge(fixture, NOW + 20 * MINUTE - 1, 10, FALSE, 2);
  purge(fixture, NOW + 20 * MINUTE, 10, FALSE, 1);
  refused(fixture, "used", rate, NOW, NOW + 20 * MINUTE);
  purge(fixture, NOW + HOUR - 1, 10, FALSE, 1);
  purge(fixture, NOW + HOUR, 10, FALSE, 0);
}

static void test_purge_bounded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const Rate rate = {5, HOUR};
  for (guint i = 0; i < 6; i++) {
    g_autofree char *subject = g_strdup_printf("%u", i);
    taken(fixture, subject, rate, NOW);
  }
  burst(fixture, "used", rate, NOW);
  purge(fixture, NOW + 20 * MINUTE, 2, TRUE, 5);
  purge(fixture, NOW + 20 * MINUTE, 2, TRUE, 3);
  purge(fixture, NOW + 20 * MINUTE, 2, FALSE, 1);
  refused(fixture, "used", rate, NOW, NOW + 20 * MINUTE);
}

/* --- overrides --- */

static Rate found(Fixture *fixture, const char *name, const char *subject) {
  Rate rate = {-1, -1};
  GOOD(rate_override_find(fixture->store, name, subject, &rate, &error));
  return rate;
}

static void test_overrides(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_assert_cmpint(found(fixture, "orders", "a").count, ==, -1);
  GOOD(rate_override_set(fixture->store, "orders", "a", (Rate){7, HOUR}, &error));
  g_assert_cmpint(found(fixture, "orders", "a").count, ==, 7);
  g_assert_cmpint(found(fixture, "orders", "a").period, ==, HOUR);
  g_assert_cmpint(found(fixture, "orders", "b").count, ==, -1);
  g_assert_cmpint(found(fixture, "mails", "a").count, ==, -1);
  GOOD(rate_override_set(fixture->store, "orders", "a", (Rate){0, 0}, &error));
  g_assert_cmpint(found(fixture, "orders", "a").count, ==, 0);
  GIVES(STORE_UNCHANGED, rate_override_clear(fixture->store, "mails", "a", &error));
  GIVES(STORE_CHANGED, rate_override_clear(fixture->store, "orders", "a", &error));
  GIVES(STORE_UNCHANGED, rate_override_clear(fixture->store, "orders", "a", &error));
  g_assert_cmpint(found(fixture, "orders", "a").count, ==, -1);
}

/* --- a store that fails --- */

static void test_failing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Rate rate = {5, HOUR};
  gint64 again_at = 0;
  gboolean more = FALSE;
  GOOD(store_script(fixture->store, "DROP TABLE rate; DROP TABLE rate_override", &error));
  BREAKS(fixture, rate_spend(fixture->store, "orders", "a", rate, NOW, &again_at, &error));
  BREAKS(fixture, rate_purge(fixture->store, NOW, 10, &more, &error));
  BREAKS(fixture, rate_override_find(fixture->store, "orders", "a", &rate, &error));
  BREAKS(fixture, rate_override_set(fixture->store, "orders", "a", rate, &error));
  BREAKS(fixture, rate_override_clear(fixture->store, "orders", "a", &error));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/rate/pace", test_pace);
  FIXTURE_TEST("/rate/saved-up", test_saved_up);
  FIXTURE_TEST("/rate/apart", test_apart);
  FIXTURE_TEST("/rate/off", test_off);
  FIXTURE_TEST("/rate/never-more", test_never_more);
  FIXTURE_TEST("/rate/reserve", test_reserve);
  FIXTURE_TEST("/rate/reserve-step-back", test_reserve_step_back);
  FIXTURE_TEST("/rate/reserved-never-more", test_reserved_never_more);
  FIXTURE_TEST("/rate/small-step-back", test_small_step_back);
  FIXTURE_TEST("/rate/large-step-back", test_large_step_back);
  FIXTURE_TEST("/rate/another-pace", test_another_pace);
  FIXTURE_TEST("/rate/purge", test_purge);
  FIXTURE_TEST("/rate/purge-bounded", test_purge_bounded);
  FIXTURE_TEST("/rate/overrides", test_overrides);
  FIXTURE_TEST("/rate/failing", test_failing);
  return g_test_run();
}
