/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/crl_shard.h"

static gboolean ensure(Store *store, GError **error) {
  g_autoptr(GBytes) issuer = octets("a");
  gint64 first = 0;
  gboolean done = crl_shard_ensure(store, issuer, &first, error);
  g_assert_cmpint(first, ==, 1);
  return done;
}

static gboolean take(Store *store, const char *name, gint64 *number, gboolean *opened,
                     GError **error) {
  g_autoptr(GBytes) issuer = octets(name);
  return crl_shard_take(store, issuer, number, opened, error);
}

/* By all writers. */
static gint64 in_shard(Store *store, gint64 number) {
  g_autofree char *sql = g_strdup_printf(
      "SELECT CAST(s.issued + coalesce((SELECT sum(u.issued) FROM crl_shard_use u WHERE u.number ="
      " s.number), 0) AS bigint) FROM crl_shard s WHERE s.number = %" G_GINT64_FORMAT,
      number);
  return number_of(store, sql);
}

static void fill(Store *store, gint64 number, gint64 count) {
  GOOD(sql_run(store, &error, "UPDATE crl_shard SET issued = issued + ?2 WHERE number = ?1", "ii",
               number, count - in_shard(store, number)));
}

static void test_filled(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  gint64 number = 0;
  gboolean opened = TRUE;
  GOOD(ensure(fixture->store, &error));
  GOOD(ensure(fixture->store, &error));
  GOOD(take(fixture->store, "a", &number, &opened, &error));
  g_assert_cmpint(number, ==, 1);
  g_assert_false(opened);
  fill(fixture->store, 1, CRL_SHARD_SIZE - 1);
  GOOD(take(fixture->store, "a", &number, &opened, &error));
  g_assert_cmpint(number, ==, 1);
  g_assert_false(opened);
  GOOD(take(fixture->store, "a", &number, &opened, &error));
  g_assert_cmpint(number, ==, 2);
  g_assert_true(opened);
  GOOD(take(fixture->store, "a", &number, &opened, &error));
  g_assert_cmpint(number, ==, 2);
  g_assert_false(opened);
  GOOD(ensure(fixture->store, &error));
  g_assert_cmpint(in_shard(fixture->store, 1), ==, CRL_SHARD_SIZE);
  g_assert_cmpint(in_shard(fixture->store, 2), ==, 2);
}

static gint64 next_number(Store *store, gint64 now) {
  gint64 number = 0;
  GOOD(crl_shard_next_number(store, 1, now, &number, &error));
  return number;
}

/* Numbers rise, also when the clock stands still, falls back, or the list was never kept. */
static void test_numbers_rise(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  GOOD(ensure(fixture->store, &error));
  gint64 first = next_number(fixture->store, NOW);
  g_assert_cmpint(first, ==, NOW / 1000);
  g_assert_cmpint(next_number(fixture->store, NOW), ==, first + 1);
  g_assert_cmpint(next_number(fixture->store, NOW - 3600000), ==, first + 2);
  fixture_commit(fixture);
  store_rollback(fixture->store);
  store_close(fixture->store);
  fixture_open(fixture);
  g_assert_cmpint(next_number(fixture->store, NOW), ==, first + 3);
  g_assert_cmpint(next_number(fixture->store, NOW + 3600000), ==, first + 3600);
  gint64 number = 0;
  g_autoptr(GError) failure = NULL;
  g_assert_false(crl_shard_next_number(fixture->store, 7, NOW, &number, &failure));
}

/* A store of a day ago is restored: a hundred lists were published since then. */
static void test_numbers_rise_across_restores(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  GOOD(ensure(fixture->store, &error));
  gint64 kept = next_number(fixture->store, NOW), published = 0;
  for (int i = 0; i < 100; i++)
    published = next_number(fixture->store, NOW + i * 60000);
  GOOD(sql_run(fixture->store, &error, "UPDATE crl_shard SET crl_number = ?1", "i", kept));
  g_assert_cmpint(next_number(fixture->store, NOW + 86400000), >, published);
}

/* An older list that comes late does not displace a newer one. */
static void test_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  GOOD(ensure(fixture->store, &error));
  gint64 old = next_number(fixture->store, NOW), fresh = next_number(fixture->store, NOW);
  g_autoptr(GBytes) old_crl = octets("old"), fresh_crl = octets("fresh");
  CrlShard older = {1, old, NOW, NOW + 1, old_crl, NULL};
  CrlShard newer = {1, fresh, NOW + 2, NOW + 3, fresh_crl, NULL};
  GIVES(STORE_CHANGED, crl_shard_keep(fixture->store, &newer, &error));
  GIVES(STORE_UNCHANGED, crl_shard_keep(fixture->store, &older, &error));
  g_autoptr(GError) failure = NULL;
  g_autoptr(GPtrArray) shards = crl_shard_list(fixture->store, &failure);
  g_assert_no_error(failure);
  g_assert_cmpuint(shards->len, ==, 1);
  const CrlShard *found = shards->pdata[0];
  g_assert_cmpint(found->number, ==, 1);
  g_assert_cmpint(found->crl_number, ==, fresh);
  g_assert_cmpint(found->this_update, ==, NOW + 2);
  g_assert_cmpint(found->next_update, ==, NOW + 3);
  assert_octets(found->crl, "fresh");
}

static void assert_span(Fixture *fixture, gint64 at, gint64 count, gint64 oldest, gint64 end) {
  CrlSpan span = {-1, -1, -1};
  GOOD(crl_shard_span(fixture->store, at, &span, &error));
  g_assert_cmpint(span.count, ==, count);
  g_assert_cmpint(span.oldest, ==, oldest);
  g_assert_cmpint(span.first_end, ==, end);
}

/* Neither lists that have ended nor shards without one. */
static void test_span(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  assert_span(fixture, NOW, 0, 0, 0);
  GOOD(ensure(fixture->store, &error));
  assert_span(fixture, NOW, 0, 0, 0);
  GOOD(sql_run(fixture->store, &error,
               "INSERT INTO crl_shard (number, issued, crl_number, this_update, next_update)"
               " VALUES (2, 0, 7, ?1 - 5, ?1 + 5), (3, 0, 8, ?1 - 9, ?1 + 9)",
               "i", (gint64)NOW));
  assert_span(fixture, NOW, 2, NOW - 9, NOW + 5);
  assert_span(fixture, NOW + 5, 1, NOW - 9, NOW + 9);
}

static void test_no_list_yet(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  GOOD(ensure(fixture->store, &error));
  g_autoptr(GError) failure = NULL;
  g_autoptr(GPtrArray) shards = crl_shard_list(fixture->store, &failure);
  g_assert_no_error(failure);
  g_assert_null(((CrlShard *)shards->pdata[0])->crl);
}

static void test_entries(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id late = add_certificate(fixture->store, 5, 1), early = add_certificate(fixture->store, 6, 1);
  Id expired = add_certificate(fixture->store, 2, 1),
     foreign = add_certificate(fixture->store, 7, 2);
  add_certificate(fixture->store, 8, 1); /* not revoked */
  GIVES(STORE_CHANGED, certificate_revoke(fixture->store, &late, NOW + 20, 1, &error));
  GIVES(STORE_CHANGED, certificate_revoke(fixture->store, &early, NOW + 10, 4, &error));
  GIVES(STORE_CHANGED, certificate_revoke(fixture->store, &expired, NOW + 5, 1, &error));
  GIVES(STORE_CHANGED, certificate_revoke(fixture->store, &foreign, NOW + 5, 1, &error));
  g_autoptr(GError) failure = NULL;
  /* not_after of number n is NOW + n seconds, see the fixture */
  g_autoptr(GPtrArray) entries = crl_shard_entries(fixture->store, 1, NOW + 5000, &failure);
  g_assert_no_error(failure);
  g_assert_cmpuint(entries->len, ==, 2);
  const RevokedCertificate *first = entries->pdata[0], *second = entries->pdata[1];
  assert_octets(first->serial, "serial 6");
  g_assert_cmpint(first->revoked_at, ==, NOW + 10);
  g_assert_cmpint(first->reason, ==, 4);
  assert_octets(second->serial, "serial 5");
}

/* Of the certificates of a shard, up to 20,000, those that are not revoked are not read for a list.
 */
static void test_plans(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const struct {
    const char *query, *plan;
  } cases[] = {{"SELECT max(not_after) FROM certificate WHERE shard = 1",
                "COVERING INDEX certificate_shard"},
               {"SELECT serial, revoked_at, reason FROM certificate WHERE shard = 1"
                " AND revoked_at IS NOT NULL AND not_after >= 1 ORDER BY revoked_at, id",
                "(shard=? AND revoked_at>?)"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *explain = g_strconcat("EXPLAIN QUERY PLAN ", cases[i].query, NULL);
    SqlQuery query = sql_query(fixture->store, explain, "");
    g_assert_true(sql_row(&query));
    g_autofree char *plan = sql_text(&query, 3);
    while (sql_row(&query))
      ;
    GOOD(sql_end(&query, &error));
    g_assert_nonnull(strstr(plan, cases[i].plan));
  }
}

/* Each issuer has shards of its own, numbered together; a shard from before that has none until it
   is claimed, once. */
static void test_issuers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) a = octets("a"), b = octets("b"), found = NULL, claimed = NULL;
  gint64 number = 0, end = 0;
  gboolean opened = TRUE, closed = TRUE;
  GOOD(ensure(fixture->store, &error));
  GOOD(crl_shard_ensure(fixture->store, b, &number, &error));
  g_assert_cmpint(number, ==, 2);
  GOOD(take(fixture->store, "b", &number, &opened, &error));
  g_assert_cmpint(number, ==, 2);
  fill(fixture->store, 1, CRL_SHARD_SIZE);
  GOOD(take(fixture->store, "a", &number, &opened, &error));
  g_assert_cmpint(number, ==, 3);
  g_assert_true(opened);
  GOOD(crl_shard_ensure(fixture->store, a, &number, &error));
  g_assert_cmpint(number, ==, 1);
  GIVES(STORE_FOUND, crl_shard_issuer(fixture->store, 2, &found, &error));
  assert_octets(found, "b");
  GOOD(crl_shard_end(fixture->store, 1, &end, &closed, &error));
  g_assert_true(closed);
  g_assert_cmpint(end, ==, 0);
  GOOD(crl_shard_end(fixture->store, 2, &end, &closed, &error));
  g_assert_false(closed);
  GOOD(sql_run(fixture->store, &error, "UPDATE crl_shard SET issuer = NULL WHERE number = 2", ""));
  GIVES(STORE_MISSING, crl_shard_issuer(fixture->store, 2, &claimed, &error));
  GIVES(STORE_CHANGED, crl_shard_claim(fixture->store, 2, a, &error));
  GIVES(STORE_UNCHANGED, crl_shard_claim(fixture->store, 2, b, &error));
}

static guint count_entries(Store *store, gint64 since) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = crl_shard_entries(store, 1, since, &error);
  g_assert_no_error(error);
  return entries->len;
}

static void keep_list(Store *store, gint64 made) {
  g_autoptr(GBytes) crl = octets("list");
  CrlShard shard = {1, next_number(store, NOW), made, made + 1000, crl, NULL};
  GIVES(STORE_CHANGED, crl_shard_keep(store, &shard, &error));
}

/* ca-rules 31, "entries stay until one CRL after expiry": however long no list was made. */
static void test_one_list_after_expiry(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  gint64 expiry = NOW + 5000, later = NOW + 1000000000;
  Id id = add_certificate(fixture->store, 5, 1);
  GOOD(ensure(fixture->store, &error));
  GIVES(STORE_CHANGED, certificate_revoke(fixture->store, &id, NOW, 1, &error));
  keep_list(fixture->store, expiry);
  g_assert_cmpuint(count_entries(fixture->store, later), ==, 1);
  keep_list(fixture->store, expiry + 1);
  g_assert_cmpuint(count_entries(fixture->store, later), ==, 0);
  g_assert_cmpuint(count_entries(fixture->store, expiry), ==, 1);
}

static guint count_overdue(Store *store, gint64 made_before, gint64 waits_since) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) overdue = crl_shard_overdue(store, made_before, waits_since, &error);
  g_assert_no_error(error);
  return overdue->len;
}

static void test_overdue(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Store *store = fixture->store;
  GOOD(ensure(store, &error));
  g_assert_cmpuint(count_overdue(store, G_MAXINT64, G_MAXINT64), ==, 0); /* nothing issued */
  Id id = add_certificate(store, 5, 1);
  gint64 signing = number_of(store, "SELECT signing_at FROM certificate");
  g_assert_cmpuint(count_overdue(store, 0, signing), ==, 0);
  g_assert_cmpuint(count_overdue(store, 0, signing + 1), ==, 1); /* never made */
  keep_list(store, NOW);
  g_assert_cmpuint(count_overdue(store, NOW, NOW + 100000), ==, 0);
  g_assert_cmpuint(count_overdue(store, NOW + 1, 0), ==, 1); /* old */
  GIVES(STORE_CHANGED, certificate_revoke(store, &id, NOW + 10, 1, &error));
  g_assert_cmpuint(count_overdue(store, NOW, NOW + 10), ==, 0);
  g_assert_cmpuint(count_overdue(store, NOW, NOW + 11), ==, 1); /* lacks a revocation */
  keep_list(store, NOW + 10);
  g_assert_cmpuint(count_overdue(store, NOW, NOW + 11), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/crl-shard/filled", test_filled);
  FIXTURE_TEST("/crl-shard/numbers-rise", test_numbers_rise);
  FIXTURE_TEST("/crl-shard/numbers-rise-across-restores", test_numbers_rise_across_restores);
  FIXTURE_TEST("/crl-shard/kept", test_kept);
  if (database_server() == NULL)
    FIXTURE_TEST("/crl-shard/plans", test_plans);
  FIXTURE_TEST("/crl-shard/span", test_span);
  FIXTURE_TEST("/crl-shard/issuers", test_issuers);
  FIXTURE_TEST("/crl-shard/no-list-yet", test_no_list_yet);
  FIXTURE_TEST("/crl-shard/entries", test_entries);
  FIXTURE_TEST("/crl-shard/one-list-after-expiry", test_one_list_after_expiry);
  FIXTURE_TEST("/crl-shard/overdue", test_overdue);
  return g_test_run();
}
