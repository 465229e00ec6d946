/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts, their lists of orders and the chains of their certificates (RFC 8555 sections 7.1.2,
   7.3, 7.4.2). */
#include "acme/command.h"
#include "tests/unit/acme/harness.h"

#define TERMS "https://example.org/terms/1"
#define NEW_TERMS "https://example.org/terms/2"
#define AGREED "{\"termsOfServiceAgreed\":true}"

static const char *const alice[] = {"alice@example.org", NULL};

/* A configuration that is read anew: name, value, ..., NULL. */
static void reload(Lab *lab, const char *const *overrides) {
  config_free(lab->config);
  lab->config = lab_config(overrides);
  lab->acme.config = lab->config;
}

static Answer *order_anew(Lab *lab, LabClient *client) {
  g_autofree char *payload = lab_identifiers(alice);
  return lab_send(lab, client, FALSE, "/new-order", payload);
}

static Answer *authorize_anew(Lab *lab, LabClient *client, const char *address) {
  g_autofree char *payload =
      g_strdup_printf("{\"identifier\":{\"type\":\"email\",\"value\":\"%s\"}}", address);
  return lab_send(lab, client, FALSE, "/new-authz", payload);
}

static gint64 accounts(Lab *lab) {
  return lab_count(lab, "SELECT count(*) FROM account");
}

static gint64 audited(Lab *lab) {
  return lab_count(lab, "SELECT count(*) FROM audit");
}

/* --- the list of orders (section 7.1.2.1) --- */

static const char *const pages_of_3[] = {"test.page", "3", NULL};

/* Adds the URLs of one page; the URL of the next one, or NULL. */
static char *read_page(Lab *lab, LabClient *client, const char *url, guint most, GPtrArray *urls) {
  json_t *entry = NULL;
  size_t i = 0;
  g_autoptr(Answer) answer = lab_post(lab, client, url, NULL);
  json_t *orders = json_object_get(answer->json, "orders");
  g_assert_cmpuint(answer->status, ==, 200);
  g_assert_cmpstr(answer->type, ==, "application/json");
  g_assert_cmpuint(json_object_size(answer->json), ==, 1);
  g_assert_true(json_is_array(orders));
  g_assert_cmpuint(json_array_size(orders), <=, most);
  json_array_foreach(orders, i, entry) {
    g_ptr_array_add(urls, g_strdup(json_string_value(entry)));
  }
  g_autoptr(GPtrArray) next = lab_links(answer, "next");
  g_assert_cmpuint(next->len, <=, 1);
  g_assert_true(next->len == 0 || json_array_size(orders) == most);
  return next->len > 0 ? g_strdup(next->pdata[0]) : NULL;
}

static char *list_of(const LabClient *client) {
  return g_strconcat(client->kid, "/orders", NULL);
}

static guint times_in(const GPtrArray *urls, const char *url) {
  guint times = 0;
  for (guint i = 0; i < urls->len; i++)
    times += strcmp(urls->pdata[i], url) == 0;
  return times;
}

/* From url to the last page; none that a link leads to is empty. */
static GPtrArray *read_pages(Lab *lab, LabClient *client, const char *url, guint most) {
  GPtrArray *urls = g_ptr_array_new_with_free_func(g_free);
  char *next = read_page(lab, client, url, most, urls);
  while (next != NULL) {
    guint before = urls->len;
    char *after = read_page(lab, client, next, most, urls);
    g_assert_cmpuint(urls->len, >, before);
    g_free(next);
    next = after;
  }
  return urls;
}

static void assert_same(const GPtrArray *urls, const GPtrArray *expected) {
  g_assert_cmpuint(urls->len, ==, expected->len);
  for (guint i = 0; i < expected->len; i++)
    g_assert_cmpuint(times_in(urls, expected->pdata[i]), ==, 1);
}

static void add_orders(Lab *lab, LabClient *client, guint count, GPtrArray *urls) {
  for (guint i = 0; i < count; i++) {
    g_autoptr(Answer) answer = order_anew(lab, client);
    g_assert_cmpuint(answer->status, ==, 201);
    g_ptr_array_add(urls, g_strdup(answer->location));
    lab->clock.now += i % 2; /* some of one moment */
  }
}

/* Ends an order by its authorization. */
static void make_invalid(Lab *lab, LabClient *client, const char *url) {
  g_autoptr(Answer) shown = lab_post(lab, client, url, NULL);
  json_t *authorization = json_array_get(json_object_get(shown->json, "authorizations"), 0);
  g_autoptr(Answer) done =
      lab_post(lab, client, json_string_value(authorization), "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(done->status, ==, 200);
}

static void test_orders(void) {
  g_autoptr(Lab) lab = lab_new_with(pages_of_3);
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) foreign = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *list = list_of(client);
  g_autoptr(Answer) account = lab_post(lab, client, client->kid, NULL);
  g_assert_cmpstr(lab_text(account, "orders"), ==, list);
  add_orders(lab, other, 2, foreign);
  for (guint count = 0; count <= 10; count++) { /* whole pages, and one more and one less */
    g_autoptr(GPtrArray) urls = read_pages(lab, client, list, 3);
    assert_same(urls, made);
    add_orders(lab, client, 1, made);
  }
}

/* No order that was there is missed or told twice when others come between two pages. */
static void test_new_orders_meanwhile(void) {
  g_autoptr(Lab) lab = lab_new_with(pages_of_3);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) later = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) urls = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *next = list_of(client);
  add_orders(lab, client, 10, made);
  while (next != NULL) {
    char *after = read_page(lab, client, next, 3, urls);
    g_free(next);
    next = after;
    add_orders(lab, client, 2, later);
  }
  for (guint i = 0; i < made->len; i++)
    g_assert_cmpuint(times_in(urls, made->pdata[i]), ==, 1);
  for (guint i = 0; i < later->len; i++)
    g_assert_cmpuint(times_in(urls, later->pdata[i]), <=, 1);
}

/* Invalid orders are not listed; a page goes on after an order that is not listed any more, and
   after one that is not there any more. */
static void test_ended_orders(gconstpointer removed) {
  g_autoptr(Lab) lab = lab_new_with(pages_of_3);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) urls = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *list = list_of(client);
  add_orders(lab, client, 8, made);
  g_autofree char *next = read_page(lab, client, list, 3, urls);
  g_assert_nonnull(next);
  g_autofree char *cursor = g_strdup(urls->pdata[2]);
  g_assert_cmpstr(strrchr(next, '/'), ==, strrchr(cursor, '/'));
  make_invalid(lab, client, cursor);
  if (removed != NULL) {
    lab_sql(lab, "UPDATE orders SET status = 'valid' WHERE status = 'pending'");
    lab->clock.now += 72 * CLOCK_HOUR + 31 * CLOCK_DAY;
    lab_run(lab, JOB_PURGE);
    g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders"), ==, 7);
    g_autoptr(Answer) gone = lab_post(lab, client, cursor, NULL);
    assert_problem(gone, 404, "malformed");
  }
  g_autoptr(GPtrArray) rest = read_pages(lab, client, next, 3);
  g_assert_cmpuint(rest->len, ==, 5);
  for (guint i = 0; i < rest->len; i++) {
    g_assert_cmpuint(times_in(rest, rest->pdata[i]), ==, 1);
    g_assert_cmpuint(times_in(urls, rest->pdata[i]), ==, 0);
  }
  g_autoptr(GPtrArray) anew = read_pages(lab, client, list, 3);
  g_assert_cmpuint(anew->len, ==, 7);
  g_assert_cmpuint(times_in(anew, cursor), ==, 0);
}

/* 100 of one page where nothing else is configured. */
static void test_page_size(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *list = list_of(client);
  lab_sql(lab, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 201)"
               " INSERT INTO orders (id, account_id, status, created_at, expires_at)"
               " SELECT CAST(printf('%016d', i) AS BLOB), a.id, 'valid', 0, 0 FROM n, account a");
  g_autoptr(GPtrArray) urls = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *second = read_page(lab, client, list, 100, urls);
  g_assert_cmpuint(urls->len, ==, 100);
  g_autofree char *third = read_page(lab, client, second, 100, urls);
  g_assert_cmpuint(urls->len, ==, 200);
  g_assert_null(read_page(lab, client, third, 100, urls));
  g_assert_cmpuint(urls->len, ==, 201);
}

static void test_cursors(void) {
  static const char *const bad[] = {
      "/x", "/AAAAAAAAAAAAAAAAAAAAA",  "/AAAAAAAAAAAAAAAAAAAAAB", "/AAAAAAAAAAAAAAAAAAAAAA=",
      "/",  "/AAAAAAAAAAAAAAAAAAAAAA/"};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *list = list_of(client);
  g_autofree char *start = g_strconcat(list, "/AAAAAAAAAAAAAAAAAAAAAA", NULL);
  add_orders(lab, client, 1, made);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autofree char *url = g_strconcat(list, bad[i], NULL);
    g_test_message("%s", url);
    g_autoptr(Answer) answer = lab_post(lab, client, url, NULL);
    assert_problem(answer, 404, "malformed");
  }
  g_autoptr(GPtrArray) urls = read_pages(lab, client, start, 100);
  g_assert_cmpuint(urls->len, ==, 0);
  g_autoptr(Answer) payload = lab_post(lab, client, list, "{}");
  assert_problem(payload, 400, "malformed");
}

/* --- alternate chains (section 7.4.2) --- */

#define CHAINS 12 /* 2 is the end of 12 */

static char *variant_url(const char *certificate, guint variant) {
  return variant == 0 ? g_strdup(certificate)
                      : g_strdup_printf("%s/alternate/%u", certificate, variant);
}

/* The certificate's URL of a new valid order. */
static char *issue(Lab *lab, LabClient *client) {
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  return g_strdup(lab_text(shown, "certificate"));
}

/* Each variant is the certificate and its own chain, and leads to every other one. */
static void test_alternates(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *certificate = issue(lab, client);
  g_autoptr(Answer) plain = lab_post(lab, client, certificate, NULL);
  gsize leaf = (gsize)(strstr(plain->text, "-----END CERTIFICATE-----\n") - plain->text) +
               strlen("-----END CERTIFICATE-----\n");
  g_assert_cmpstr(plain->text + leaf, ==, lab->acme.chain);
  g_autoptr(GPtrArray) none = lab_links(plain, "alternate");
  g_assert_cmpuint(none->len, ==, 0);
  for (guint i = 1; i <= CHAINS; i++)
    g_ptr_array_add(lab->acme.alternates, g_strdup_printf("chain %u\n", i));
  for (guint i = 0; i <= CHAINS; i++) {
    g_autofree char *url = variant_url(certificate, i);
    g_autoptr(Answer) answer = lab_post(lab, client, url, NULL);
    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_cmpstr(answer->type, ==, "application/pem-certificate-chain");
    g_assert_cmpint(strncmp(answer->text, plain->text, leaf), ==, 0);
    g_assert_cmpstr(answer->text + leaf, ==,
                    i == 0 ? lab->acme.chain : lab->acme.alternates->pdata[i - 1]);
    g_autoptr(GPtrArray) links = lab_links(answer, "alternate");
    g_assert_cmpuint(links->len, ==, CHAINS);
    for (guint j = 0; j <= CHAINS; j++) {
      g_autofree char *other = variant_url(certificate, j);
      g_assert_cmpuint(times_in(links, other), ==, i == j ? 0 : 1);
    }
  }
}

static void test_no_alternates(void) {
  static const char *const bad[] = {"0", "3", "x", "1x", "-1", "+1", "01", "1 ", "4294967297", "/"};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autofree char *certificate = issue(lab, client);
  g_autofree char *first = variant_url(certificate, 1);
  g_autoptr(Answer) early = lab_post(lab, client, first, NULL);
  assert_problem(early, 404, "malformed");
  g_ptr_array_add(lab->acme.alternates, g_strdup("chain 1\n"));
  g_ptr_array_add(lab->acme.alternates, g_strdup("chain 2\n"));
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autofree char *url = g_strdup_printf("%s/alternate/%s", certificate, bad[i]);
    g_test_message("%s", url);
    g_autoptr(Answer) answer = lab_post(lab, client, url, NULL);
    assert_problem(answer, 404, "malformed");
  }
  g_autoptr(Answer) foreign = lab_post(lab, other, first, NULL);
  assert_problem(foreign, 404, "malformed");
  g_autoptr(Answer) payload = lab_post(lab, client, first, "{}");
  assert_problem(payload, 400, "malformed");
}

/* --- terms of service (sections 7.3 and 7.3.3) --- */

static const char *const with_terms[] = {"acme.terms-of-service", TERMS, NULL};
static const char *const with_new_terms[] = {"acme.terms-of-service", NEW_TERMS, NULL};

static void assert_action(const Answer *answer, const char *terms) {
  g_autoptr(GPtrArray) links = lab_links(answer, "terms-of-service");
  assert_problem(answer, 403, "userActionRequired");
  g_assert_cmpstr(lab_text(answer, "instance"), ==, terms);
  g_assert_cmpuint(links->len, ==, 1);
  g_assert_cmpstr(links->pdata[0], ==, terms);
}

static void test_terms(void) {
  static const char *const bad[] = {"{}", "{\"termsOfServiceAgreed\":false}",
                                    "{\"termsOfServiceAgreed\":\"true\"}",
                                    "{\"termsOfServiceAgreed\":1}"};
  g_autoptr(Lab) lab = lab_new_with(with_terms);
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autoptr(Answer) directory = lab_get(lab, "/directory");
  json_t *meta = json_object_get(directory->json, "meta");
  g_assert_cmpstr(json_string_value(json_object_get(meta, "termsOfService")), ==, TERMS);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(Answer) refused = lab_send(lab, client, TRUE, "/new-account", bad[i]);
    assert_action(refused, TERMS);
  }
  g_assert_cmpint(accounts(lab), ==, 0);
  g_autoptr(Answer) taken = lab_send(lab, client, TRUE, "/new-account", AGREED);
  g_assert_cmpuint(taken->status, ==, 201);
  g_assert_true(json_is_true(json_object_get(taken->json, "termsOfServiceAgreed")));
}

static void assert_agreed(Lab *lab, LabClient *client, gboolean agreed) {
  g_autoptr(Answer) shown = lab_post(lab, client, client->kid, NULL);
  json_t *member = json_object_get(shown->json, "termsOfServiceAgreed");
  g_assert_true(json_is_boolean(member));
  g_assert_cmpint(json_is_true(member), ==, agreed);
}

/* New terms stand before new orders and authorizations until newAccount agrees to them; what was
   begun, and revocation, goes on. */
static void test_changed_terms(void) {
  g_autoptr(Lab) lab = lab_new_with(with_terms);
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autoptr(Answer) made = lab_send(lab, client, TRUE, "/new-account", AGREED);
  client->kid = g_strdup(made->location);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  assert_agreed(lab, client, TRUE);
  reload(lab, with_new_terms);
  assert_agreed(lab, client, FALSE);
  g_autoptr(Answer) no_order = order_anew(lab, client);
  assert_action(no_order, NEW_TERMS);
  g_autoptr(Answer) no_authorization = authorize_anew(lab, client, alice[0]);
  assert_action(no_authorization, NEW_TERMS);
  g_autoptr(Answer) update = lab_post(lab, client, client->kid, AGREED);
  g_assert_cmpuint(update->status, ==, 200); /* ignored (section 7.3.2) */
  g_autoptr(Answer) found = lab_send(lab, client, TRUE, "/new-account", "{}");
  g_assert_cmpuint(found->status, ==, 200);
  assert_agreed(lab, client, FALSE);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) revoked = lab_revoke(lab, client, FALSE, leaf, NULL);
  g_assert_cmpuint(revoked->status, ==, 200);
  g_autoptr(Answer) still = order_anew(lab, client);
  assert_action(still, NEW_TERMS);
  g_autoptr(Answer) agreed = lab_send(lab, client, TRUE, "/new-account", AGREED);
  g_assert_cmpuint(agreed->status, ==, 200);
  g_assert_cmpstr(agreed->location, ==, client->kid);
  g_assert_true(json_is_true(json_object_get(agreed->json, "termsOfServiceAgreed")));
  assert_agreed(lab, client, TRUE);
  g_autoptr(Answer) again = order_anew(lab, client);
  g_assert_cmpuint(again->status, ==, 201);
  g_autofree char *recorded =
      lab_column(lab, "SELECT detail FROM audit WHERE kind = ?1", "terms agreed");
  g_assert_cmpstr(recorded, ==, "terms=\"" NEW_TERMS "\"");
}

/* An account from before there were any. */
static void test_first_terms(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) before = lab_post(lab, client, client->kid, NULL);
  g_assert_null(json_object_get(before->json, "termsOfServiceAgreed"));
  reload(lab, with_terms);
  g_autoptr(Answer) refused = order_anew(lab, client);
  assert_action(refused, TERMS);
  g_autoptr(Answer) agreed = lab_send(lab, client, TRUE, "/new-account", AGREED);
  g_assert_cmpuint(agreed->status, ==, 200);
  g_autoptr(Answer) taken = order_anew(lab, client);
  g_assert_cmpuint(taken->status, ==, 201);
}

/* --- newAccount for a key that has an account (section 7.3.1) --- */

static void test_existing(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) shown = lab_post(lab, client, client->kid, NULL);
  gint64 before = audited(lab);
  static const char *const payloads[] = {
      "{}", "{\"onlyReturnExisting\":true}", "{\"contact\":[\"mailto:new@example.org\"]}",
      "{\"contact\":7,\"status\":\"deactivated\",\"externalAccountBinding\":{}}"};
  for (gsize i = 0; i < G_N_ELEMENTS(payloads); i++) {
    g_autoptr(Answer) found = lab_send(lab, client, TRUE, "/new-account", payloads[i]);
    g_assert_cmpuint(found->status, ==, 200);
    g_assert_cmpstr(found->location, ==, client->kid);
    g_assert_true(json_equal(found->json, shown->json));
  }
  g_assert_cmpint(audited(lab), ==, before);
  g_assert_cmpint(accounts(lab), ==, 1);
}

/* Asks for an existing one: nothing else is asked of the client, and none is made. */
static void test_only_existing(void) {
  static const char *const strict[] = {"acme.terms-of-service", TERMS, "acme.external-account",
                                       "required", NULL};
  g_autoptr(Lab) lab = lab_new_with(strict);
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autoptr(Answer) none =
      lab_send(lab, client, TRUE, "/new-account", "{\"onlyReturnExisting\":true}");
  assert_problem(none, 400, "accountDoesNotExist");
  g_assert_cmpint(accounts(lab), ==, 0);
  reload(lab, NULL);
  g_autoptr(Answer) made =
      lab_send(lab, client, TRUE, "/new-account", "{\"onlyReturnExisting\":false}");
  g_assert_cmpuint(made->status, ==, 201);
  reload(lab, strict);
  g_autoptr(Answer) found =
      lab_send(lab, client, TRUE, "/new-account", "{\"onlyReturnExisting\":true}");
  g_assert_cmpuint(found->status, ==, 200);
  g_assert_cmpstr(found->location, ==, made->location);
}

/* --- account update (section 7.3.2) --- */

#define C "\"mailto:a@example.org\""
#define TEN C "," C "," C "," C "," C "," C "," C "," C "," C "," C

static const struct {
  const char *payload, *contact; /* what the account shows then, without spaces; NULL: as before */
} good[] = {
    {"{\"contact\":[" C "]}", "[" C "]"},
    {"{}", NULL},
    {"{\"contact\":[" TEN "]}", "[" TEN "]"},
    {"{\"status\":\"valid\"}", NULL},
    {"{\"status\":\"revoked\"}", NULL},
    {"{\"status\":\"Deactivated\"}", NULL},
    {"{\"status\":[\"deactivated\"]}", NULL},
    {"{\"status\":null,\"orders\":\"x\",\"termsOfServiceAgreed\":7,\"other\":{}}", NULL},
    {"{\"onlyReturnExisting\":true,\"externalAccountBinding\":{}}", NULL},
    {"{\"contact\":[\"MailTo:b@example.org\"," C "],\"status\":\"x\",\"new\":1}",
     "[\"MailTo:b@example.org\"," C "]"},
    {"{\"contact\":[\"mailto:a%2Bb@example.org\"]}", "[\"mailto:a%2Bb@example.org\"]"},
    {"{\"contact\":[]}", "[]"},
};

#define MALFORMED LAB_URN "malformed"
#define UNSUPPORTED LAB_URN "unsupportedContact"
#define INVALID LAB_URN "invalidContact"

static const struct {
  const char *payload, *type;
} bad_contacts[] = {
    {"{\"contact\":null}", MALFORMED},
    {"{\"contact\":" C "}", MALFORMED},
    {"{\"contact\":{}}", MALFORMED},
    {"{\"contact\":[[" C "]]}", MALFORMED},
    {"{\"contact\":[" C ",null]}", MALFORMED},
    {"{\"contact\":[" TEN "," C "]}", MALFORMED},
    {"{\"contact\":[\"\"]}", UNSUPPORTED},
    {"{\"contact\":[\"a@example.org\"]}", UNSUPPORTED},
    {"{\"contact\":[\"tel:+15550100\"]}", UNSUPPORTED},
    {"{\"contact\":[\"https://example.org/\"]}", UNSUPPORTED},
    {"{\"contact\":[" C ",\"tel:+15550100\"]}", UNSUPPORTED},
    {"{\"contact\":[\"mailto:\"]}", INVALID},
    {"{\"contact\":[\"mailto:a\"]}", INVALID},
    {"{\"contact\":[\"mailto:a@\"]}", INVALID},
    {"{\"contact\":[\"mailto:a@example.org?subject=x\"]}", INVALID},
    {"{\"contact\":[\"mailto:a?cc=b@example.org\"]}", INVALID},
    {"{\"contact\":[\"mailto:a@example.org,b@example.org\"]}", INVALID},
    {"{\"contact\":[\"mailto:a@example.org%2Cb@example.org\"]}", INVALID},
    {"{\"contact\":[\"mailto:a%0D%0A@example.org\"]}", INVALID},
    {"{\"contact\":[\"mailto:a%00@example.org\"]}", INVALID},
    {"{\"contact\":[\"mailto:a%zz@example.org\"]}", INVALID},
    {"{\"contact\":[\"mailto:A <a@example.org>\"]}", INVALID},
    {"{\"contact\":[" C ",\"mailto:a\"]}", INVALID},
};

static char *contact_of(Lab *lab, LabClient *client) {
  g_autoptr(Answer) shown = lab_post(lab, client, client->kid, NULL);
  g_assert_cmpuint(shown->status, ==, 200);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "valid");
  return lab_dump(json_object_get(shown->json, "contact"));
}

static void test_update(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
    g_test_message("%s", good[i].payload);
    g_autofree char *before = contact_of(lab, client);
    gint64 records = audited(lab);
    g_autoptr(Answer) answer = lab_post(lab, client, client->kid, good[i].payload);
    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_cmpstr(answer->location, ==, client->kid);
    g_autofree char *after = contact_of(lab, client);
    g_autoptr(Answer) shown = lab_post(lab, client, client->kid, NULL);
    g_assert_true(json_equal(answer->json, shown->json));
    g_assert_cmpstr(after, ==, good[i].contact != NULL ? good[i].contact : before);
    g_assert_cmpint(audited(lab) - records, ==, good[i].contact != NULL ? 1 : 0);
  }
}

static void test_bad_contacts(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), fresh = lab_client_of(lab_key("P-256"));
  g_autofree char *before = contact_of(lab, client);
  gint64 records = audited(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(bad_contacts); i++) {
    g_test_message("%s", bad_contacts[i].payload);
    g_autoptr(Answer) update = lab_post(lab, client, client->kid, bad_contacts[i].payload);
    g_autoptr(Answer) made = lab_send(lab, fresh, TRUE, "/new-account", bad_contacts[i].payload);
    g_assert_cmpuint(update->status, ==, 400);
    g_assert_cmpstr(lab_text(update, "type"), ==, bad_contacts[i].type);
    g_assert_cmpstr(made->text, ==, update->text);
  }
  g_autofree char *after = contact_of(lab, client);
  g_assert_cmpstr(after, ==, before);
  g_assert_cmpint(audited(lab), ==, records);
  g_assert_cmpint(accounts(lab), ==, 1);
}

/* --- deactivation (section 7.3.6) --- */

static gint64 open_orders(Lab *lab) {
  return lab_count(lab, "SELECT count(*) FROM orders WHERE status IN ('pending', 'ready')");
}

/* What is open ends in batches, also when core dies between two; what is done stays. */
static void test_close(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *certificate = issue(lab, client);
  g_autoptr(LabOrder) ready = lab_ready(lab, client), foreign = lab_ready(lab, other);
  g_autoptr(Answer) beforehand = authorize_anew(lab, client, "bob@example.org");
  g_assert_cmpuint(beforehand->status, ==, 201);
  add_orders(lab, client, 60, made);
  g_autoptr(Answer) done = lab_post(lab, client, client->kid, "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(done->status, ==, 200);
  g_assert_cmpstr(lab_text(done, "status"), ==, "deactivated");
  g_assert_cmpint(open_orders(lab), ==, 62);
  g_auto(Question) first = {0}, second = {0};
  lab_ask(lab, JOB_CLOSE, QUESTION_NONE, &first);
  g_assert_cmpint(open_orders(lab), ==, 12);
  lab_restart(lab);
  lab_ask(lab, JOB_CLOSE, QUESTION_NONE, &second);
  g_assert_cmpint(open_orders(lab), ==, 1);
  g_assert_cmpuint(lab_run(lab, JOB_CLOSE), ==, 0);
  assert_status(foreign, foreign->order, "ready");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders WHERE status = 'valid'"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz WHERE status = 'pending'"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz WHERE order_id IS NULL"
                                 " AND status = 'deactivated'"),
                  ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders WHERE status = 'invalid'"
                                 " AND error LIKE '%:unauthorized%deactivated%'"),
                  ==, 61);
}

/* Whatever it asks for afterwards, and nothing comes of it. */
static void test_deactivated(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *certificate = issue(lab, client);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autofree char *list = list_of(client), *alternate = variant_url(certificate, 1);
  g_autoptr(Answer) done = lab_post(lab, client, client->kid, "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(done->status, ==, 200);
  const char *urls[] = {client->kid,
                        list,
                        order->order,
                        order->finalize,
                        order->authorizations->pdata[0],
                        order->challenges->pdata[0],
                        certificate,
                        alternate,
                        LAB_URL "/new-order",
                        LAB_URL "/new-authz",
                        LAB_URL "/key-change",
                        LAB_URL "/revoke-cert"};
  static const char *const payloads[] = {NULL, "{}", "{\"status\":\"deactivated\"}",
                                         "{\"status\":\"valid\"}"};
  gint64 records = audited(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(urls); i++)
    for (gsize j = 0; j < G_N_ELEMENTS(payloads); j++) {
      g_test_message("%s", urls[i]);
      g_autoptr(Answer) answer = lab_post(lab, client, urls[i], payloads[j]);
      assert_problem(answer, 401, "unauthorized");
      g_autoptr(Answer) by_key =
          lab_send(lab, client, TRUE, "/new-account", payloads[j] != NULL ? payloads[j] : AGREED);
      assert_problem(by_key, 401, "unauthorized");
    }
  g_autoptr(Answer) ordered = order_anew(lab, client);
  assert_problem(ordered, 401, "unauthorized");
  g_assert_cmpint(audited(lab), ==, records);
}

/* --- external accounts (section 7.3.4) --- */

static const char *const required[] = {"acme.external-account", "required", NULL};

typedef struct {
  char *kid;
  GBytes *mac_key;
} External;

static void external_clear(External *external) {
  g_free(external->kid);
  g_bytes_unref(external->mac_key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(External, external_clear)

static json_t *command(Lab *lab, const char *name, const char *arguments) {
  g_autoptr(GError) error = NULL;
  g_autofree char *answer = NULL;
  lab_begin(lab);
  CommandOutcome outcome = command_run(&lab->acme, 0, name, arguments, &answer, &error);
  lab_commit(lab, TRUE);
  g_assert_no_error(error);
  g_assert_cmpint(outcome, ==, COMMAND_DONE);
  return json_loads(answer, 0, NULL);
}

static External external_new(Lab *lab, const char *arguments) {
  json_t *made = command(lab, "eab add", arguments);
  External external = {g_strdup(json_string_value(json_object_get(made, "kid"))),
                       base64url_decode(json_string_value(json_object_get(made, "key")))};
  json_decref(made);
  return external;
}

static void external_revoke(Lab *lab, const External *external) {
  g_autofree char *arguments = g_strdup_printf("{\"kid\":\"%s\"}", external->kid);
  json_decref(command(lab, "eab revoke", arguments));
}

/* newAccount of client with a binding to external; sent: what was in it, or NULL. */
static Answer *bind_to(Lab *lab, LabClient *client, const External *external, json_t **sent) {
  g_autofree char *jwk = lab_dump(client->jwk);
  json_t *binding = lab_binding(json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", external->kid,
                                          "url", LAB_URL "/new-account"),
                                jwk, external->mac_key);
  json_t *payload = json_pack("{s:O}", "externalAccountBinding", binding);
  g_autofree char *text = lab_dump(payload);
  json_decref(payload);
  if (sent != NULL)
    *sent = json_incref(binding);
  json_decref(binding);
  return lab_send(lab, client, TRUE, "/new-account", text);
}

static LabClient *bound_account(Lab *lab, const External *external) {
  LabClient *client = lab_client_of(lab_key("P-256"));
  g_autoptr(Answer) made = bind_to(lab, client, external, NULL);
  g_assert_cmpuint(made->status, ==, 201);
  client->kid = g_strdup(made->location);
  return client;
}

static void assert_required(Lab *lab, gboolean expected) {
  g_autoptr(Answer) directory = lab_get(lab, "/directory");
  json_t *meta = json_object_get(directory->json, "meta");
  json_t *member = json_object_get(meta, "externalAccountRequired");
  g_assert_true(json_is_boolean(member));
  g_assert_cmpint(json_is_true(member), ==, expected);
}

/* Once for each key; the account shows what bound it. */
static void test_external(gconstpointer is_required) {
  g_autoptr(Lab) lab = lab_new_with(is_required != NULL ? required : NULL);
  g_auto(External) external = external_new(lab, "{}"), revoked = external_new(lab, "{}");
  g_autoptr(LabClient) without = lab_client_of(lab_key("P-256"));
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autoptr(LabClient) third = lab_client_of(lab_key("P-256"));
  json_t *sent = NULL;
  external_revoke(lab, &revoked);
  assert_required(lab, is_required != NULL);
  g_autoptr(Answer) unbound = lab_send(lab, without, TRUE, "/new-account", "{}");
  if (is_required != NULL) {
    assert_problem(unbound, 403, "externalAccountRequired");
  } else {
    g_assert_cmpuint(unbound->status, ==, 201);
    g_assert_null(json_object_get(unbound->json, "externalAccountBinding"));
  }
  gint64 before = accounts(lab);
  g_autoptr(Answer) made = bind_to(lab, client, &external, &sent);
  g_assert_cmpuint(made->status, ==, 201);
  client->kid = g_strdup(made->location);
  g_autoptr(Answer) shown = lab_post(lab, client, client->kid, NULL);
  g_assert_true(json_equal(json_object_get(shown->json, "externalAccountBinding"), sent));
  json_decref(sent);
  g_autoptr(Answer) twice = bind_to(lab, third, &external, NULL);
  assert_problem(twice, 403, "unauthorized");
  g_autoptr(Answer) late = bind_to(lab, third, &revoked, NULL);
  assert_problem(late, 403, "unauthorized");
  g_assert_cmpint(accounts(lab), ==, before + 1);
  g_autoptr(Answer) again = bind_to(lab, client, &external, NULL); /* the account that it has */
  g_assert_cmpuint(again->status, ==, 200);
  g_autoptr(Answer) order = order_anew(lab, client);
  g_assert_cmpuint(order->status, ==, 201);
}

/* An account that is not bound, once that is required. */
static void test_required_later(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  reload(lab, required);
  g_autoptr(Answer) ordered = order_anew(lab, client);
  assert_problem(ordered, 403, "externalAccountRequired");
  g_autoptr(Answer) authorized = authorize_anew(lab, client, alice[0]);
  assert_problem(authorized, 403, "externalAccountRequired");
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) revoked = lab_revoke(lab, client, FALSE, leaf, NULL);
  g_assert_cmpuint(revoked->status, ==, 200);
}

/* The operator takes a key back, or gave it for something else: the account orders nothing. */
static void test_external_right(void) {
  g_autoptr(Lab) lab = lab_new();
  g_auto(External) external = external_new(lab, "{}");
  g_auto(External) narrow = external_new(lab, "{\"identifiers\":[\"example.net\"]}");
  g_autoptr(LabClient) client = bound_account(lab, &external), other = bound_account(lab, &narrow);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  external_revoke(lab, &external);
  g_autoptr(Answer) ordered = order_anew(lab, client);
  assert_problem(ordered, 403, "unauthorized");
  g_autoptr(Answer) authorized = authorize_anew(lab, client, alice[0]);
  assert_problem(authorized, 403, "unauthorized");
  g_autoptr(Answer) revoked = lab_revoke(lab, client, FALSE, leaf, NULL);
  g_assert_cmpuint(revoked->status, ==, 200);
  g_autoptr(Answer) elsewhere = order_anew(lab, other);
  assert_problem(elsewhere, 400, "rejectedIdentifier");
  g_autoptr(Answer) beforehand = authorize_anew(lab, other, alice[0]);
  assert_problem(beforehand, 403, "rejectedIdentifier");
}

#define TEST(path, function) g_test_add_func("/acme/account_resource/" path, function)
#define TEST_WITH(path, function, data)                                                            \
  g_test_add_data_func("/acme/account_resource/" path, data, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("orders/pages", test_orders);
  TEST("orders/new-ones-meanwhile", test_new_orders_meanwhile);
  TEST_WITH("orders/invalid", test_ended_orders, NULL);
  TEST_WITH("orders/removed", test_ended_orders, "removed");
  TEST("orders/page-size", test_page_size);
  TEST("orders/cursors", test_cursors);
  TEST("chains/alternates", test_alternates);
  TEST("chains/unknown", test_no_alternates);
  TEST("terms/new-account", test_terms);
  TEST("terms/changed", test_changed_terms);
  TEST("terms/first", test_first_terms);
  TEST("existing/found", test_existing);
  TEST("existing/only", test_only_existing);
  TEST("update/members", test_update);
  TEST("update/bad-contacts", test_bad_contacts);
  TEST("deactivated/close", test_close);
  TEST("deactivated/everything", test_deactivated);
  TEST_WITH("external/optional", test_external, NULL);
  TEST_WITH("external/required", test_external, "required");
  TEST("external/required-later", test_required_later);
  TEST("external/right", test_external_right);
  return g_test_run();
}
