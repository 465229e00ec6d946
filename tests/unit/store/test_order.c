/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static void test_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_order(fixture->store, 5, "pending", NOW + 5);
  fixture_commit(fixture);
  g_autoptr(Order) order = NULL, none = NULL;
  GIVES(STORE_FOUND, order_find(fixture->store, &id, &order, &error));
  Id account = an_id(1), other = an_id(6);
  g_assert_true(id_equal(&order->id, &id));
  g_assert_true(id_equal(&order->account_id, &account));
  g_assert_cmpstr(order->status, ==, "pending");
  g_assert_cmpint(order->created_at, ==, NOW);
  g_assert_cmpint(order->expires_at, ==, NOW + 5);
  g_assert_null(order->error);
  g_assert_null(order->csr);
  g_assert_null(order->spki);
  g_assert_cmpint(order->finalized_at, ==, 0);
  GIVES(STORE_MISSING, order_find(fixture->store, &other, &none, &error));
}

static void test_needs_its_account(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Order order = {.id = an_id(1), .account_id = an_id(9), .status = (char *)"pending"};
  BREAKS(fixture, order_insert(fixture->store, &order, &error));
}

static void test_move(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_order(fixture->store, 1, "pending", NOW);
  Id other = add_order(fixture->store, 2, "pending", NOW);
  GIVES(STORE_CHANGED, order_move(fixture->store, &id, "pending", "ready", NULL, &error));
  GIVES(STORE_UNCHANGED, order_move(fixture->store, &id, "pending", "ready", NULL, &error));
  GIVES(STORE_CHANGED, order_move(fixture->store, &id, "ready", "invalid", "{\"a\":1}", &error));
  GIVES(STORE_UNCHANGED, order_move(fixture->store, &id, "ready", "valid", NULL, &error));
  g_autoptr(Order) moved = NULL, kept = NULL;
  GIVES(STORE_FOUND, order_find(fixture->store, &id, &moved, &error));
  GIVES(STORE_FOUND, order_find(fixture->store, &other, &kept, &error));
  g_assert_cmpstr(moved->status, ==, "invalid");
  g_assert_cmpstr(moved->error, ==, "{\"a\":1}");
  g_assert_cmpstr(kept->status, ==, "pending");
}

/* However often it is asked, one finalize wins, and its CSR stays. */
static void test_finalized_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) csr = octets("csr"), spki = octets("spki"), late = octets("late");
  Order first = {.id = add_order(fixture->store, 1, "pending", NOW),
                 .csr = csr,
                 .spki = spki,
                 .usage = ORDER_USAGE_SIGN | ORDER_USAGE_ENCRYPT,
                 .finalized_at = NOW + 3};
  Order second = {.id = first.id, .csr = late, .spki = late, .finalized_at = NOW + 4};
  GIVES(STORE_UNCHANGED, order_finalize(fixture->store, &first, &error));
  GIVES(STORE_CHANGED, order_move(fixture->store, &first.id, "pending", "ready", NULL, &error));
  GIVES(STORE_CHANGED, order_finalize(fixture->store, &first, &error));
  GIVES(STORE_UNCHANGED, order_finalize(fixture->store, &second, &error));
  g_autoptr(Order) order = NULL;
  GIVES(STORE_FOUND, order_find(fixture->store, &first.id, &order, &error));
  g_assert_cmpstr(order->status, ==, "processing");
  assert_octets(order->csr, "csr");
  assert_octets(order->spki, "spki");
  g_assert_cmpint(order->usage, ==, ORDER_USAGE_SIGN | ORDER_USAGE_ENCRYPT);
  g_assert_cmpint(order->finalized_at, ==, NOW + 3);
}

/* Only in processing; what is the same already is no change; it does not outlive the status. */
static void test_delay(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_order(fixture->store, 1, "ready", NOW);
  g_autoptr(Order) waiting = NULL, issued = NULL;
  GIVES(STORE_UNCHANGED, order_set_delay(fixture->store, &id, "{}", &error));
  GIVES(STORE_CHANGED, order_move(fixture->store, &id, "ready", "processing", NULL, &error));
  GIVES(STORE_UNCHANGED, order_set_delay(fixture->store, &id, NULL, &error));
  GIVES(STORE_CHANGED, order_set_delay(fixture->store, &id, "{}", &error));
  GIVES(STORE_UNCHANGED, order_set_delay(fixture->store, &id, "{}", &error));
  GIVES(STORE_CHANGED, order_set_delay(fixture->store, &id, NULL, &error));
  GIVES(STORE_CHANGED, order_set_delay(fixture->store, &id, "{\"a\":1}", &error));
  GIVES(STORE_FOUND, order_find(fixture->store, &id, &waiting, &error));
  g_assert_cmpstr(waiting->error, ==, "{\"a\":1}");
  GIVES(STORE_CHANGED, order_move(fixture->store, &id, "processing", "valid", NULL, &error));
  GIVES(STORE_FOUND, order_find(fixture->store, &id, &issued, &error));
  g_assert_null(issued->error);
}

static void assert_ids(GArray *ids, guint count, const guint8 *numbers) {
  g_assert_cmpuint(ids->len, ==, count);
  for (guint i = 0; i < count; i++) {
    Id expected = an_id(numbers[i]);
    g_assert_true(id_equal(&g_array_index(ids, Id, i), &expected));
  }
}

static void test_expired(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add_order(fixture->store, 1, "pending", NOW + 1);
  add_order(fixture->store, 2, "pending", NOW);
  add_order(fixture->store, 3, "pending", NOW - 1);
  add_order(fixture->store, 4, "ready", NOW - 1);
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(Id));
  g_autoptr(GArray) one = g_array_new(FALSE, FALSE, sizeof(Id));
  GOOD(order_list_expired(fixture->store, "pending", NOW, 10, all, &error));
  assert_ids(all, 2, (const guint8[]){3, 2});
  GOOD(order_list_expired(fixture->store, "pending", NOW, 1, one, &error));
  assert_ids(one, 1, (const guint8[]){3});
}

static void test_page(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  for (guint8 i = 1; i <= 3; i++)
    add_order(fixture->store, i, "pending", NOW);
  Order foreign = {
      .id = an_id(9), .account_id = add_account(fixture->store, 2), .status = (char *)"pending"};
  GIVES(STORE_CHANGED, order_insert(fixture->store, &foreign, &error));
  Id account = an_id(1);
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  GOOD(order_list_page(fixture->store, &account, NULL, 2, ids, &error));
  assert_ids(ids, 2, (const guint8[]){3, 2});
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/order/kept", test_kept);
  FIXTURE_TEST("/order/needs-its-account", test_needs_its_account);
  FIXTURE_TEST("/order/move", test_move);
  FIXTURE_TEST("/order/finalized-once", test_finalized_once);
  FIXTURE_TEST("/order/delay", test_delay);
  FIXTURE_TEST("/order/expired", test_expired);
  FIXTURE_TEST("/order/page", test_page);
  return g_test_run();
}
