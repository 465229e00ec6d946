/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/caa_check.h"

static void test_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id order = add_order(fixture->store, 1, "pending", NOW);
  Authorization given = {.id = an_id(3),
                         .claimed = TRUE,
                         .order_id = order,
                         .type = (char *)"email",
                         .account_id = an_id(1),
                         .position = 4,
                         .identifier = (char *)"Ann@B\u00fccher.example",
                         .address = (char *)"Ann@xn--bcher-kva.example",
                         .canonical = (char *)"ann@xn--bcher-kva.example",
                         .domain = (char *)"xn--bcher-kva.example",
                         .status = (char *)"pending",
                         .expires_at = NOW + 9};
  GOOD(authorization_insert(fixture->store, &given, &error));
  g_autoptr(Authorization) found = NULL, none = NULL;
  GIVES(STORE_FOUND, authorization_find(fixture->store, &given.id, &found, &error));
  g_assert_true(id_equal(&found->id, &given.id));
  g_assert_true(id_equal(&found->order_id, &given.order_id));
  g_assert_true(id_equal(&found->account_id, &given.account_id));
  g_assert_cmpint(found->position, ==, 4);
  g_assert_cmpstr(found->identifier, ==, given.identifier);
  g_assert_cmpstr(found->address, ==, given.address);
  g_assert_cmpstr(found->canonical, ==, given.canonical);
  g_assert_cmpstr(found->domain, ==, given.domain);
  g_assert_cmpstr(found->status, ==, "pending");
  g_assert_cmpint(found->expires_at, ==, NOW + 9);
  Id other = an_id(4);
  GIVES(STORE_MISSING, authorization_find(fixture->store, &other, &none, &error));
}

/* An address stands in an order once, at one place. */
static void test_unique(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id order = add_order(fixture->store, 1, "pending", NOW);
  Authorization a = {.id = an_id(3),
                     .claimed = TRUE,
                     .order_id = order,
                     .type = (char *)"email",
                     .account_id = an_id(1),
                     .identifier = (char *)"a@b.c",
                     .address = (char *)"a@b.c",
                     .canonical = (char *)"a@b.c",
                     .domain = (char *)"b.c",
                     .status = (char *)"pending"};
  GOOD(authorization_insert(fixture->store, &a, &error));
  a.id = an_id(4);
  a.position = 1;
  BREAKS(fixture, authorization_insert(fixture->store, &a, &error));
  a.canonical = (char *)"b@b.c";
  a.position = 0;
  BREAKS(fixture, authorization_insert(fixture->store, &a, &error));
  a.position = 1;
  GOOD(authorization_insert(fixture->store, &a, &error));
}

static void test_list(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id order = add_order(fixture->store, 1, "pending", NOW);
  Id other = add_order(fixture->store, 2, "pending", NOW);
  add_authorization(fixture->store, 10, &order, 2, "c.test");
  add_authorization(fixture->store, 11, &order, 0, "a.test");
  add_authorization(fixture->store, 12, &order, 1, "b.test");
  add_authorization(fixture->store, 13, &other, 0, "d.test");
  g_autoptr(GError) failure = NULL;
  g_autoptr(GPtrArray) list = authorization_list(fixture->store, &order, &failure);
  g_assert_no_error(failure);
  g_assert_cmpuint(list->len, ==, 3);
  g_assert_cmpstr(((Authorization *)list->pdata[0])->domain, ==, "a.test");
  g_assert_cmpstr(((Authorization *)list->pdata[1])->domain, ==, "b.test");
  g_assert_cmpstr(((Authorization *)list->pdata[2])->domain, ==, "c.test");
}

static void test_move(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id order = add_order(fixture->store, 1, "pending", NOW);
  Id id = add_authorization(fixture->store, 10, &order, 0, "a.test");
  GIVES(STORE_CHANGED, authorization_move(fixture->store, &id, "pending", "valid", &error));
  GIVES(STORE_UNCHANGED, authorization_move(fixture->store, &id, "pending", "invalid", &error));
  g_autoptr(Authorization) found = NULL;
  GIVES(STORE_FOUND, authorization_find(fixture->store, &id, &found, &error));
  g_assert_cmpstr(found->status, ==, "valid");
}

static void add_check(Fixture *fixture, const Id *order, const char *domain, gint64 at,
                      const char *verdict) {
  CaaCheck check = {.order_id = *order,
                    .domain = domain,
                    .at = at,
                    .verdict = verdict,
                    .secure = TRUE,
                    .explanation = "why",
                    .records = "0 issuemail \"ca.test\""};
  GOOD(caa_check_insert(fixture->store, &check, &error));
}

static void assert_next(Fixture *fixture, const Id *order, gint64 since, const char *expected) {
  g_autofree char *domain = NULL;
  GOOD(caa_check_next(fixture->store, order, since, &domain, &error));
  g_assert_cmpstr(domain, ==, expected);
}

static void test_caa(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id order = add_order(fixture->store, 1, "pending", NOW);
  Id other = add_order(fixture->store, 2, "pending", NOW);
  add_authorization(fixture->store, 10, &order, 0, "a.test");
  add_authorization(fixture->store, 11, &order, 1, "b.test");
  add_authorization(fixture->store, 12, &order, 2, "a.test"); /* two mailboxes, one domain */
  assert_next(fixture, &order, NOW, "a.test");
  add_check(fixture, &other, "a.test", NOW + 1, "permitted"); /* of another order */
  add_check(fixture, &order, "a.test", NOW, "failed");
  add_check(fixture, &order, "a.test", NOW, "failed"); /* again in the same millisecond */
  assert_next(fixture, &order, NOW, "a.test");
  add_check(fixture, &order, "a.test", NOW + 1, "permitted");
  assert_next(fixture, &order, NOW, "b.test");
  assert_next(fixture, &order, NOW + 2, "a.test"); /* too old by then */
  add_check(fixture, &order, "b.test", NOW + 1, "forbidden");
  assert_next(fixture, &order, NOW, "b.test");
  add_check(fixture, &order, "b.test", NOW + 2, "permitted");
  assert_next(fixture, &order, NOW, NULL);
}

/* The newest, oldest first. */
static void test_caa_list(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char *const expected[] = {"2 b.test", "3 a.test", "3 b.test"};
  Id order = add_order(fixture->store, 1, "pending", NOW);
  Id other = add_order(fixture->store, 2, "pending", NOW);
  GError *failure = NULL;
  for (gint64 at = 1; at <= 3; at++) {
    add_check(fixture, &order, "b.test", NOW + at, "failed");
    add_check(fixture, &order, "a.test", NOW + at, "failed");
    add_check(fixture, &other, "c.test", NOW + at, "failed");
  }
  g_autoptr(GPtrArray) checks =
      caa_check_list(fixture->store, &order, G_N_ELEMENTS(expected), &failure);
  g_assert_no_error(failure);
  g_assert_cmpuint(checks->len, ==, G_N_ELEMENTS(expected));
  for (guint i = 0; i < checks->len; i++) {
    const CaaCheck *check = checks->pdata[i];
    g_autofree char *found =
        g_strdup_printf("%" G_GINT64_FORMAT " %s", check->at - NOW, check->domain);
    g_assert_cmpstr(found, ==, expected[i]);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/authorization/kept", test_kept);
  FIXTURE_TEST("/authorization/unique", test_unique);
  FIXTURE_TEST("/authorization/list", test_list);
  FIXTURE_TEST("/authorization/move", test_move);
  FIXTURE_TEST("/authorization/caa", test_caa);
  FIXTURE_TEST("/authorization/caa-list", test_caa_list);
  return g_test_run();
}
