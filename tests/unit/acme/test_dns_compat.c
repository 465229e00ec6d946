/* SPDX-License-Identifier: Apache-2.0 */
/* Option dns-identifier-compat (interop.md 29): clients that know no type "email" order a mailbox
   as type "dns", and must never read "email" as a type in what they get back. */
#include "tests/unit/acme/harness.h"

#define ON "acme.dns-identifier-compat", "on"
#define DNS(value) "{\"type\":\"dns\",\"value\":\"" value "\"}"
#define EMAIL(value) "{\"type\":\"email\",\"value\":\"" value "\"}"

static const char *const on[] = {ON, NULL};

static Answer *ask(Lab *lab, LabClient *client, const char *identifiers) {
  g_autofree char *payload = g_strdup_printf("{\"identifiers\":[%s]}", identifiers);
  return lab_send(lab, client, FALSE, "/new-order", payload);
}

static Answer *ask_beforehand(Lab *lab, LabClient *client, const char *identifier) {
  g_autofree char *payload = g_strdup_printf("{\"identifier\":%s}", identifier);
  return lab_send(lab, client, FALSE, "/new-authz", payload);
}

static LabOrder *order_for(Lab *lab, LabClient *client, const char *identifiers) {
  g_autofree char *payload = g_strdup_printf("{\"identifiers\":[%s]}", identifiers);
  LabOrder *order = lab_order_with(lab, client, payload);
  lab_order_read(order);
  return order;
}

/* How many identifiers are below value; each is of type dns. */
static guint count_dns(const json_t *value) {
  guint count = 0;
  const char *name = NULL;
  json_t *below = NULL;
  size_t i = 0;
  if (json_object_get(value, "value") != NULL) {
    g_assert_cmpstr(json_string_value(json_object_get(value, "type")), ==, "dns");
    return 1;
  }
  json_object_foreach((json_t *)(gpointer)value, name, below) {
    count += count_dns(below);
  }
  json_array_foreach(value, i, below) {
    count += count_dns(below);
  }
  return count;
}

#define assert_dns_alone(answer, expected)                                                         \
  do {                                                                                             \
    g_assert_cmpuint(count_dns((answer)->json), ==, expected);                                     \
    g_assert_null(strstr((answer)->text, "\"email\""));                                            \
  } while (0)

/* --- taken and refused --- */

static void test_off(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) order = ask(lab, client, DNS("alice@example.org"));
  assert_problem(order, 400, "unsupportedIdentifier");
  g_autoptr(Answer) authorization = ask_beforehand(lab, client, DNS("alice@example.org"));
  assert_problem(authorization, 403, "unsupportedIdentifier");
}

static void test_refused(void) {
  g_autoptr(Lab) lab = lab_new_with(on);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) domain = ask(lab, client, DNS("example.org"));
  assert_problem(domain, 400, "unsupportedIdentifier");
  g_autoptr(Answer) beforehand = ask_beforehand(lab, client, DNS("example.org"));
  assert_problem(beforehand, 403, "unsupportedIdentifier");
  g_autoptr(Answer) wildcard = ask(lab, client, DNS("*@example.org"));
  assert_problem(wildcard, 400, "rejectedIdentifier");
  g_autoptr(Answer) no_mailbox = ask(lab, client, DNS("@example.org"));
  assert_problem(no_mailbox, 400, "rejectedIdentifier");
  g_autoptr(Answer) upper = ask(lab, client, "{\"type\":\"DNS\",\"value\":\"alice@example.org\"}");
  assert_problem(upper, 400, "unsupportedIdentifier");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz"), ==, 0);
}

/* One mailbox is one, by whatever type it is called. */
static void test_mixed(void) {
  g_autoptr(Lab) lab = lab_new_with(on);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) first =
      ask(lab, client, DNS("alice@example.org") "," EMAIL("Alice@example.org"));
  assert_problem(first, 400, "malformed");
  g_autoptr(Answer) second =
      ask(lab, client, EMAIL("alice@example.org") "," DNS("alice@example.org"));
  assert_problem(second, 400, "malformed");
  g_assert_nonnull(strstr(lab_text(second, "detail"), "ordered twice"));
  g_autoptr(Answer) two = ask(lab, client, EMAIL("bob@example.org") "," DNS("alice@example.org"));
  g_assert_cmpuint(two->status, ==, 201);
  json_t *sent = json_loads("[" EMAIL("bob@example.org") "," DNS("alice@example.org") "]", 0, NULL);
  g_assert_true(json_equal(json_object_get(two->json, "identifiers"), sent));
  json_decref(sent);
}

/* What was made beforehand goes by its type. */
static void test_beforehand(void) {
  g_autoptr(Lab) lab = lab_new_with(on);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) made = ask_beforehand(lab, client, DNS("alice@example.org"));
  g_assert_cmpuint(made->status, ==, 201);
  assert_dns_alone(made, 1);
  g_autoptr(LabOrder) email = order_for(lab, client, EMAIL("alice@example.org"));
  g_assert_cmpstr(email->authorizations->pdata[0], !=, made->location);
  g_autoptr(LabOrder) dns = order_for(lab, client, DNS("alice@example.org"));
  g_assert_cmpstr(dns->authorizations->pdata[0], ==, made->location);
}

/* --- the whole path --- */

static void assert_mailbox_alone(LabOrder *order) {
  g_autoptr(GBytes) leaf = lab_leaf(order);
  const guint8 *der = g_bytes_get_data(leaf, NULL);
  X509 *certificate = d2i_X509(NULL, &der, (long)g_bytes_get_size(leaf));
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  g_assert_cmpint(sk_GENERAL_NAME_num(names), ==, 1);
  g_assert_cmpint(sk_GENERAL_NAME_value(names, 0)->type, ==, GEN_EMAIL);
  g_assert_cmpint(X509_check_email(certificate, "alice@example.org", 0, 0), ==, 1);
  GENERAL_NAMES_free(names);
  X509_free(certificate);
}

static void finish(LabOrder *order, const char *names) {
  g_autoptr(Answer) answer = lab_finalize_with(order, order->key, names);
  g_assert_cmpuint(answer->status, ==, 200);
  assert_dns_alone(answer, 1);
  lab_answer_caa(order->lab, RESOLVER_NONE, NULL);
  lab_answer_build(order->lab);
  lab_answer_sign(order->lab);
  g_autoptr(Answer) shown = lab_post(order->lab, order->client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "valid");
  assert_dns_alone(shown, 1);
  assert_mailbox_alone(order);
}

/* names: of the request, which may say the address as a dNSName also or only. */
static void test_issued(gconstpointer names) {
  g_autoptr(Lab) lab = lab_new_with(on);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) made = ask(lab, client, DNS("alice@example.org"));
  g_assert_cmpuint(made->status, ==, 201);
  assert_dns_alone(made, 1);
  g_autoptr(LabOrder) order = order_for(lab, client, DNS("alice@example.org"));
  g_autoptr(Answer) authorization = lab_post(lab, client, order->authorizations->pdata[0], NULL);
  assert_dns_alone(authorization, 1);
  lab_validate(order, 0);
  g_autoptr(Answer) challenge = lab_challenge(order, 0, NULL);
  assert_dns_alone(challenge, 0);
  finish(order, names);
}

static void test_bad_names(void) {
  static const char *const bad[] = {"email:alice@example.org,DNS:example.org",
                                    "email:alice@example.org,DNS:bob@example.org",
                                    "email:alice@example.org,DNS:alice@mail.example.org",
                                    "DNS:alice@example.org,DNS:example.org",
                                    "DNS:alice@example.org,DNS:bob@example.org",
                                    "DNS:alice@example.org,DNS:Alice@example.org",
                                    "DNS:bob@example.org",
                                    "DNS:example.org",
                                    "email:bob@example.org,DNS:alice@example.org",
                                    "email:alice@example.org,IP:192.0.2.1"};
  g_autoptr(Lab) lab = lab_new_with(on);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = order_for(lab, client, DNS("alice@example.org"));
  lab_validate(order, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(Answer) answer = lab_finalize_with(order, order->key, bad[i]);
    g_test_message("%s", bad[i]);
    assert_problem(answer, 400, "badCSR");
    assert_dns_alone(answer, 0);
  }
  /* Only orders of type dns have their dNSNames overlooked. */
  g_autoptr(LabOrder) email = order_for(lab, client, EMAIL("alice@example.org"));
  lab_validate(email, 0);
  g_autoptr(Answer) repeated =
      lab_finalize_with(email, email->key, "email:alice@example.org,DNS:alice@example.org");
  assert_problem(repeated, 400, "badCSR");
  finish(order, "email:alice@example.org");
}

/* --- problems --- */

static void test_problems(void) {
  static const char *const strict[] = {ON, "limits.mails-per-mailbox-account", "1/3600000", NULL};
  g_autoptr(Lab) lab = lab_new_with(strict);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabClient) bound = lab_account_bound(lab, "[\"example.org\"]", "[]");
  g_autoptr(Answer) unreadable = ask(lab, client, DNS("alice@localhost") "," DNS("Bob@"));
  assert_problem(unreadable, 400, "rejectedIdentifier");
  assert_dns_alone(unreadable, 2);
  g_autoptr(Answer) compound = ask(lab, client, DNS("example.org") "," DNS("alice@localhost"));
  assert_problem(compound, 400, "compound");
  assert_dns_alone(compound, 2);
  g_autoptr(Answer) uncovered =
      ask(lab, bound, DNS("alice@example.org") "," DNS("alice@example.net"));
  assert_problem(uncovered, 400, "rejectedIdentifier");
  assert_dns_alone(uncovered, 1);
  g_autoptr(Answer) made = ask(lab, client, DNS("alice@example.org"));
  g_assert_cmpuint(made->status, ==, 201);
  g_autoptr(Answer) limited = ask(lab, client, DNS("bob@example.org") "," DNS("alice@example.org"));
  assert_problem(limited, 429, "rateLimited");
  assert_dns_alone(limited, 1);
}

/* The order's error names the identifier of a challenge that failed. */
static void test_order_error(gconstpointer deactivated) {
  g_autoptr(Lab) lab = lab_new_with(on);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order =
      order_for(lab, client, DNS("alice@example.org") "," DNS("bob@example.org"));
  if (deactivated != NULL) {
    g_autoptr(Answer) answer =
        lab_post(lab, client, order->authorizations->pdata[0], "{\"status\":\"deactivated\"}");
    assert_dns_alone(answer, 1);
  } else {
    LabReply reply = lab_right_reply(order, 0);
    reply.facts.digest[0] ^= 1;
    lab_give_reply(order, 0, &reply);
    lab_reply_clear(&reply);
  }
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  json_t *subproblems = json_object_get(json_object_get(shown->json, "error"), "subproblems");
  g_assert_cmpuint(json_array_size(subproblems), ==, deactivated != NULL ? 0 : 1);
  assert_dns_alone(shown, deactivated != NULL ? 2 : 3);
  g_autoptr(Answer) failed = lab_post(lab, client, order->authorizations->pdata[0], NULL);
  assert_dns_alone(failed, 1);
}

#define TEST(path, function) g_test_add_func("/acme/dns_compat/" path, function)
#define TEST_WITH(path, function, data)                                                            \
  g_test_add_data_func("/acme/dns_compat/" path, data, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("off", test_off);
  TEST("refused", test_refused);
  TEST("mixed", test_mixed);
  TEST("beforehand", test_beforehand);
  TEST_WITH("issued/mail-and-dns", test_issued, "email:alice@example.org,DNS:alice@example.org");
  TEST_WITH("issued/dns-and-mail", test_issued, "DNS:Alice@Example.org,email:alice@example.org");
  TEST_WITH("issued/dns", test_issued, "DNS:alice@example.org");
  TEST_WITH("issued/mail", test_issued, "email:alice@example.org");
  TEST("bad-names", test_bad_names);
  TEST("problems", test_problems);
  TEST_WITH("order-error/failed", test_order_error, NULL);
  TEST_WITH("order-error/deactivated", test_order_error, "deactivated");
  return g_test_run();
}
