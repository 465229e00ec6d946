/* SPDX-License-Identifier: Apache-2.0 */
/* What the group [test] of the configuration does to honest clients. */
#include "tests/unit/acme/harness.h"

#include "acme/test_mode.h"

#define PAGE_ORDERS 5

static const char *const random_order[] = {"test.random-order", "on", NULL};

/* --- nonces --- */

static guint32 drawn;

/* Numbers in a row where one is drawn; octets as ever where there are more. */
static void count_up(void *octets, gsize length) {
  if (length != sizeof(drawn)) {
    lab_random(octets, length);
    return;
  }
  memcpy(octets, &drawn, sizeof(drawn));
  drawn++;
}

static Lab *lab_rejecting(const char *percent) {
  const char *const overrides[] = {"test.reject-nonces", percent, NULL};
  Lab *lab = lab_new_with(overrides);
  lab->acme.random = count_up;
  drawn = 0;
  return lab;
}

static const char *const shares[] = {"0", "1", "30", "99", "100"};

/* Of a hundred numbers in a row exactly that many. */
static void test_share(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(shares); i++) {
    g_autoptr(Lab) lab = lab_rejecting("0");
    const char *const overrides[] = {"test.reject-nonces", shares[i], NULL};
    g_autoptr(Config) config = lab_config(overrides);
    g_autoptr(LabClient) client = lab_account(lab);
    guint rejected = 0;
    lab->acme.config = config;
    for (guint request = 0; request < 200; request++) {
      g_autoptr(Answer) answer = lab_post(lab, client, client->kid, NULL);
      rejected += answer->status != 200;
      if (answer->status != 200)
        assert_problem(answer, 400, "badNonce");
    }
    g_assert_cmpuint(rejected, ==, 2 * (guint)atoi(shares[i]));
  }
}

/* A request whose nonce is rejected does nothing, and the same request passes by and by. */
static void test_rejected_does_nothing(void) {
  static const char *const addresses[] = {"alice@example.org", NULL};
  g_autoptr(Lab) lab = lab_rejecting("50");
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autofree char *payload = lab_identifiers(addresses);
  for (guint i = 0; i < 50; i++) {
    g_autoptr(Answer) refused = lab_send(lab, client, TRUE, "/new-account", "{}");
    assert_problem(refused, 400, "badNonce");
  }
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM account"), ==, 0);
  g_autoptr(Answer) made = lab_send(lab, client, TRUE, "/new-account", "{}");
  g_assert_cmpuint(made->status, ==, 201);
  client->kid = g_strdup(made->location);
  drawn = 49;
  g_autoptr(Answer) refused = lab_send(lab, client, FALSE, "/new-order", payload);
  assert_problem(refused, 400, "badNonce");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders"), ==, 0);
  g_autoptr(Answer) order = lab_send(lab, client, FALSE, "/new-order", payload);
  g_assert_cmpuint(order->status, ==, 201);
  /* What needs no nonce is served. */
  g_autoptr(Answer) directory = lab_get(lab, "/directory");
  g_assert_cmpuint(directory->status, ==, 200);
}

/* --- lists --- */

static char *shuffled(const Lab *lab, const char *list) {
  json_t *value = json_loads(list, 0, NULL);
  test_mode_shuffle(&lab->acme, value);
  char *text = lab_dump(value);
  json_decref(value);
  return text;
}

/* Every order of three comes out, and nothing else. */
static void test_shuffle(void) {
  static const char *const orders[] = {"[1,2,3]", "[1,3,2]", "[2,1,3]",
                                       "[2,3,1]", "[3,1,2]", "[3,2,1]"};
  static const char *const short_ones[] = {"[]", "[1]"};
  g_autoptr(Lab) lab = lab_new_with(random_order), plain = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(plain);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < 1000; i++)
    g_hash_table_add(seen, shuffled(lab, "[1,2,3]"));
  g_assert_cmpuint(g_hash_table_size(seen), ==, G_N_ELEMENTS(orders));
  for (gsize i = 0; i < G_N_ELEMENTS(orders); i++)
    g_assert_true(g_hash_table_contains(seen, orders[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(short_ones); i++) {
    g_autofree char *same = shuffled(lab, short_ones[i]);
    g_assert_cmpstr(same, ==, short_ones[i]);
  }
  for (guint i = 0; i < 100; i++) {
    g_autofree char *same = shuffled(plain, "[1,2,3]");
    g_assert_cmpstr(same, ==, "[1,2,3]");
  }
}

static void add_urls(GHashTable *set, json_t *urls) {
  json_t *url = NULL;
  size_t i = 0;
  json_array_foreach(urls, i, url) {
    g_assert_true(g_hash_table_add(set, g_strdup(json_string_value(url)))); /* none twice */
  }
}

static GHashTable *new_set(void) {
  return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void assert_same(GHashTable *set, GHashTable *other) {
  GHashTableIter iter;
  gpointer url = NULL;
  g_assert_cmpuint(g_hash_table_size(set), ==, g_hash_table_size(other));
  g_hash_table_iter_init(&iter, set);
  while (g_hash_table_iter_next(&iter, &url, NULL))
    g_assert_true(g_hash_table_contains(other, url));
}

/* The order's authorizations come in another order each time, its identifiers as they were sent. */
static void test_order_lists(void) {
  static const char *const addresses[] = {"a@example.org", "b@example.org", "c@example.org",
                                          "d@example.org", "e@example.org", NULL};
  g_autoptr(Lab) lab = lab_new_with(random_order);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_unread(lab, client, addresses);
  g_autoptr(GHashTable) all = new_set(), orders = new_set();
  g_autofree char *sent = lab_identifiers(addresses);
  json_t *payload = json_loads(sent, 0, NULL);
  for (guint i = 0; i < order->authorizations->len; i++)
    g_hash_table_add(all, g_strdup(order->authorizations->pdata[i]));
  for (guint i = 0; i < 20; i++) {
    g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
    g_autoptr(GHashTable) set = new_set();
    json_t *urls = json_object_get(shown->json, "authorizations");
    add_urls(set, urls);
    assert_same(set, all);
    g_hash_table_add(orders, lab_dump(urls));
    g_assert_true(json_equal(json_object_get(shown->json, "identifiers"),
                             json_object_get(payload, "identifiers")));
  }
  g_assert_cmpuint(g_hash_table_size(orders), >, 1);
  json_decref(payload);
}

/* --- pages --- */

/* The URL of a Link to the next page; NULL: there is none. */
static char *next_page(const Answer *answer) {
  static const char end[] = ">;rel=\"next\"";
  if (answer->link == NULL || !g_str_has_suffix(answer->link, end))
    return NULL;
  return g_strndup(answer->link + 1, strlen(answer->link) - strlen(end) - 1);
}

/* Walks over the pages; how many there are. */
static guint walk(Lab *lab, LabClient *client, size_t page, GHashTable *set) {
  g_autofree char *url = g_strconcat(client->kid, "/orders", NULL);
  guint pages = 0;
  while (url != NULL) {
    g_autoptr(Answer) answer = lab_post(lab, client, url, NULL);
    json_t *orders = json_object_get(answer->json, "orders");
    g_free(url);
    url = next_page(answer);
    pages++;
    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_cmpuint(json_array_size(orders), <=, page);
    g_assert_cmpuint(json_array_size(orders), >=, url != NULL ? page : 1);
    add_urls(set, orders);
  }
  return pages;
}

/* Five orders in pages of each length; the order of a page does not matter to the next. */
static void test_pages(gconstpointer order) {
  static const struct {
    const char *page;
    guint pages;
  } cases[] = {{"1", 5}, {"2", 3}, {"3", 2}, {"4", 2}, {"5", 1}, {"6", 1}};
  static const char *const alice[] = {"alice@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(GHashTable) all = new_set();
  for (guint i = 0; i < PAGE_ORDERS; i++) {
    g_autoptr(LabOrder) made = lab_order_unread(lab, client, alice);
    g_autoptr(LabOrder) foreign = lab_order_unread(lab, other, alice);
    g_hash_table_add(all, g_strdup(made->order));
    lab->clock.now += CLOCK_SECOND;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    const char *const overrides[] = {"test.page", cases[i].page, "test.random-order", order, NULL};
    g_autoptr(Config) config = lab_config(overrides);
    g_autoptr(GHashTable) set = new_set();
    lab->acme.config = config;
    g_assert_cmpuint(walk(lab, client, (size_t)atoi(cases[i].page), set), ==, cases[i].pages);
    assert_same(set, all);
    lab->acme.config = lab->config;
  }
}

/* --- challenges that fail --- */

static const char *const failing[] = {"test.fail-addresses", "Alice@Example.org; none; b@b.example",
                                      NULL};

static void test_fails(void) {
  static const char *const addresses[] = {"alice@example.org", "carol@example.org", NULL};
  g_autoptr(Lab) lab = lab_new_with(failing);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  lab_right(order, 0);
  g_autoptr(Answer) read = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(lab_text(read, "status"), ==, "pending"); /* not before the client responds */
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  json_t *error = json_object_get(posted->json, "error");
  g_assert_cmpuint(posted->status, ==, 200);
  g_assert_cmpstr(lab_text(posted, "status"), ==, "invalid");
  g_assert_cmpstr(json_string_value(json_object_get(error, "type")), ==, LAB_URN "unauthorized");
  g_assert_nonnull(
      strstr(json_string_value(json_object_get(error, "detail")), "[test] fail-addresses"));
  assert_statuses(order, "invalid", "invalid", "invalid");
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  json_t *subproblems = json_object_get(json_object_get(shown->json, "error"), "subproblems");
  json_t *identifier = json_object_get(json_array_get(subproblems, 0), "identifier");
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "value")), ==, "alice@example.org");
  g_autoptr(Answer) again = lab_challenge(order, 0, "{}");
  g_assert_true(json_equal(again->json, posted->json));
}

static void test_others_pass(void) {
  static const char *const addresses[] = {"carol@example.org", "alice@example.net", NULL};
  g_autoptr(Lab) lab = lab_new_with(failing);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  lab_validate(order, 0);
  lab_validate(order, 1);
  assert_status(order, order->order, "ready");
}

#define TEST(path, function) g_test_add_func("/acme/test_mode/" path, function)
#define TEST_WITH(path, function, data)                                                            \
  g_test_add_data_func("/acme/test_mode/" path, data, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("nonces/share", test_share);
  TEST("nonces/does-nothing", test_rejected_does_nothing);
  TEST("lists/shuffle", test_shuffle);
  TEST("lists/order", test_order_lists);
  TEST_WITH("pages/in-order", test_pages, "off");
  TEST_WITH("pages/random-order", test_pages, "on");
  TEST("challenges/fail", test_fails);
  TEST("challenges/others-pass", test_others_pass);
  return g_test_run();
}
