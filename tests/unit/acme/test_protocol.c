/* SPDX-License-Identifier: Apache-2.0 */
/* What RFC 8555 says of the members of objects, of responses to challenges and of keys, where no
   other file holds it. */
#include "tests/unit/acme/harness.h"

static json_t *member(const Answer *answer, const char *name) {
  return json_object_get(answer->json, name);
}

/* --- section 6.7 --- */

/* No error type of the ACME namespace but those of the registry: RFC 8555, RFC 9773
   (alreadyReplaced) and draft-ietf-acme-profiles (invalidProfile). */
static void test_problem_types(void) {
  static const char *const registered[] = {"accountDoesNotExist",
                                           "alreadyReplaced",
                                           "alreadyRevoked",
                                           "badCSR",
                                           "badNonce",
                                           "badPublicKey",
                                           "badRevocationReason",
                                           "badSignatureAlgorithm",
                                           "caa",
                                           "compound",
                                           "connection",
                                           "dns",
                                           "externalAccountRequired",
                                           "incorrectResponse",
                                           "invalidContact",
                                           "invalidProfile",
                                           "malformed",
                                           "orderNotReady",
                                           "rateLimited",
                                           "rejectedIdentifier",
                                           "serverInternal",
                                           "tls",
                                           "unauthorized",
                                           "unsupportedContact",
                                           "unsupportedIdentifier",
                                           "userActionRequired",
                                           NULL};
  for (guint type = 0; type < PROBLEM_COUNT; type++) {
    g_autoptr(Problem) problem = problem_new((ProblemType)type, 0, "x");
    json_t *document = problem_json(problem);
    const char *urn = json_string_value(json_object_get(document, "type"));
    g_assert_true(g_str_has_prefix(urn, LAB_URN));
    g_assert_true(g_strv_contains(registered, urn + strlen(LAB_URN)));
    json_decref(document);
  }
}

/* --- section 7.1.1 --- */

static void test_directory(void) {
  static const char *const urls[][2] = {
      {"newNonce", "/new-nonce"}, {"newAccount", "/new-account"}, {"newOrder", "/new-order"},
      {"newAuthz", "/new-authz"}, {"revokeCert", "/revoke-cert"}, {"keyChange", "/key-change"}};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) directory = lab_get(lab, "/directory");
  g_autoptr(Answer) posted = lab_send(lab, client, FALSE, "/directory", NULL);
  g_autoptr(Answer) with_payload = lab_send(lab, client, FALSE, "/directory", "{}");
  json_t *meta = member(directory, "meta");
  for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
    g_autofree char *url = g_strconcat(LAB_URL, urls[i][1], NULL);
    g_assert_cmpstr(lab_text(directory, urls[i][0]), ==, url);
  }
  g_assert_true(json_is_object(meta));
  g_assert_true(json_is_false(json_object_get(meta, "externalAccountRequired")));
  json_t *identities = json_object_get(meta, "caaIdentities");
  g_assert_cmpuint(json_array_size(identities), ==, 1);
  g_assert_cmpstr(json_string_value(json_array_get(identities, 0)), ==, "ca.example.org");
  g_assert_cmpuint(posted->status, ==, 200);
  g_assert_true(json_equal(posted->json, directory->json));
  assert_problem(with_payload, 400, "malformed");
}

/* --- section 7.1.3 --- */

/* The members that an order has in a status, and that its arrays are those of newOrder for ever. */
static void check_order(LabOrder *order, const char *status, json_t *identifiers,
                        json_t *authorizations) {
  g_autoptr(Answer) shown = lab_post(order->lab, order->client, order->order, NULL);
  gint64 expires = 0;
  g_assert_cmpstr(lab_text(shown, "status"), ==, status);
  g_assert_true(clock_read_rfc3339(lab_text(shown, "expires"), &expires));
  g_assert_cmpint(expires, ==, LAB_NOW + 72 * CLOCK_HOUR);
  g_assert_cmpstr(lab_text(shown, "finalize"), ==, order->finalize);
  g_assert_true(json_equal(member(shown, "identifiers"), identifiers));
  g_assert_true(json_equal(member(shown, "authorizations"), authorizations));
  g_assert_true((member(shown, "certificate") != NULL) == (strcmp(status, "valid") == 0));
  g_assert_true((member(shown, "error") != NULL) == (strcmp(status, "invalid") == 0));
}

static void check_orders(gconstpointer fails) {
  static const char *const addresses[] = {"bob@example.org", "Alice@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *payload = lab_identifiers(addresses);
  json_t *sent = json_loads(payload, 0, NULL);
  json_t *identifiers = json_object_get(sent, "identifiers");
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  json_t *authorizations = json_array();
  for (guint i = 0; i < order->authorizations->len; i++)
    json_array_append_new(authorizations, json_string(order->authorizations->pdata[i]));
  check_order(order, "pending", identifiers, authorizations);
  for (guint i = 0; i < 2; i++) {
    g_autoptr(Answer) posted = lab_challenge(order, i, "{}");
    lab_right(order, i);
  }
  check_order(order, "ready", identifiers, authorizations);
  g_autoptr(Answer) finalized =
      lab_finalize_with(order, order->key, "email:alice@example.org,email:bob@example.org");
  check_order(order, "processing", identifiers, authorizations);
  lab_answer_caa(lab, fails != NULL ? RESOLVER_BOGUS : RESOLVER_NONE, NULL);
  if (fails == NULL) {
    lab_answer_build(lab);
    lab_answer_sign(lab);
  }
  check_order(order, fails != NULL ? "invalid" : "valid", identifiers, authorizations);
  json_decref(authorizations);
  json_decref(sent);
}

/* --- sections 7.1.4 and 8 --- */

/* The members of an authorization with its one challenge. */
static void check_authorization(LabOrder *order, const char *status, const char *challenge_status) {
  g_autoptr(Answer) shown =
      lab_post(order->lab, order->client, order->authorizations->pdata[0], NULL);
  json_t *identifier = member(shown, "identifier");
  json_t *challenge = json_array_get(member(shown, "challenges"), 0);
  gint64 expires = 0, validated = 0;
  g_assert_cmpuint(shown->status, ==, 200);
  g_assert_cmpstr(lab_text(shown, "status"), ==, status);
  g_assert_true(clock_read_rfc3339(lab_text(shown, "expires"), &expires));
  g_assert_cmpint(expires, ==, LAB_NOW + 72 * CLOCK_HOUR);
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "type")), ==, "email");
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "value")), ==, "Alice@example.org");
  g_assert_null(member(shown, "wildcard"));
  g_assert_cmpuint(json_array_size(member(shown, "challenges")), ==, 1);
  g_assert_cmpstr(json_string_value(json_object_get(challenge, "url")), ==,
                  order->challenges->pdata[0]);
  g_assert_cmpstr(json_string_value(json_object_get(challenge, "type")), ==, "email-reply-00");
  g_assert_cmpstr(json_string_value(json_object_get(challenge, "status")), ==, challenge_status);
  json_t *when = json_object_get(challenge, "validated");
  g_assert_true((when != NULL) == (strcmp(challenge_status, "valid") == 0));
  if (when != NULL) {
    g_assert_true(clock_read_rfc3339(json_string_value(when), &validated));
    g_assert_cmpint(validated, ==, order->lab->clock.now);
  }
  g_assert_true((json_object_get(challenge, "error") != NULL) ==
                (strcmp(challenge_status, "invalid") == 0));
}

static void check_authorizations(gconstpointer fails) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  LabReply reply = lab_right_reply(order, 0);
  check_authorization(order, "pending", "pending");
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  check_authorization(order, "pending", "processing");
  if (fails != NULL)
    reply.facts.digest[0] ^= 1;
  lab_give_reply(order, 0, &reply);
  lab_reply_clear(&reply);
  check_authorization(order, fails != NULL ? "invalid" : "valid",
                      fails != NULL ? "invalid" : "valid");
}

/* --- section 7.5.1 --- */

/* No member means anything in a response; what is no JSON object is refused and does nothing. */
static void test_responses(void) {
  static const char *const bad[] = {"[]", "1", "\"{}\"", "null", "{", "{}{}"};
  static const char full[] = "{\"status\":\"valid\",\"token\":\"AAAA\",\"type\":\"http-01\","
                             "\"keyAuthorization\":\"x\",\"validated\":\"2026-03-01T00:00:00Z\"}";
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client), plain = lab_order(lab, client);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(Answer) refused = lab_challenge(order, 0, bad[i]);
    assert_problem(refused, 400, "malformed");
    assert_statuses(order, "pending", "pending", "pending");
  }
  g_autoptr(Answer) with_members = lab_challenge(order, 0, full);
  g_autoptr(Answer) without = lab_challenge(plain, 0, "{}");
  static const char *const own[] = {"url", "token", "from"};
  for (gsize i = 0; i < G_N_ELEMENTS(own); i++) {
    g_assert_nonnull(member(without, own[i]));
    g_assert_cmpstr(lab_text(with_members, own[i]), !=, lab_text(without, own[i]));
    json_object_del(with_members->json, own[i]);
    json_object_del(without->json, own[i]);
  }
  g_assert_true(json_equal(with_members->json, without->json));
  g_assert_cmpstr(lab_text(without, "status"), ==, "processing");
}

/* --- section 7.3 --- */

/* The members of an account without terms or binding, and no other. */
static void assert_account(const Answer *answer, LabClient *client) {
  g_autofree char *orders = g_strconcat(client->kid, "/orders", NULL);
  json_t *contact = member(answer, "contact");
  g_assert_cmpuint(json_object_size(answer->json), ==, 3);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "valid");
  g_assert_cmpstr(lab_text(answer, "orders"), ==, orders);
  g_assert_cmpuint(json_array_size(contact), ==, 1);
  g_assert_cmpstr(json_string_value(json_array_get(contact, 0)), ==, "mailto:a@example.org");
}

/* What a client may not set, and what nobody knows, is neither kept nor shown. */
static void test_account_members(void) {
  static const char payload[] = "{\"contact\":[\"mailto:a@example.org\"],\"orders\":\"https://x/\","
                                "\"status\":\"revoked\",\"onlyReturnExisting\":false,"
                                "\"termsOfServiceAgreed\":true,\"unknown\":{\"x\":[1]}}";
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autoptr(Answer) made = lab_send(lab, client, TRUE, "/new-account", payload);
  g_assert_cmpuint(made->status, ==, 201);
  client->kid = g_strdup(made->location);
  assert_account(made, client);
  g_autoptr(Answer) updated = lab_post(lab, client, client->kid, payload);
  g_assert_cmpuint(updated->status, ==, 200);
  assert_account(updated, client);
  g_autoptr(Answer) shown = lab_post(lab, client, client->kid, NULL);
  assert_account(shown, client);
}

static void test_contact_schemes(void) {
  static const char *const schemes[] = {"tel:+15550100", "https://example.org/", "a@example.org"};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++) {
    g_autofree char *payload = g_strdup_printf("{\"contact\":[\"%s\"]}", schemes[i]);
    g_autoptr(Answer) answer = lab_post(lab, client, client->kid, payload);
    assert_problem(answer, 400, "unsupportedContact");
    g_assert_nonnull(strstr(lab_text(answer, "detail"), "mailto:")); /* what is supported */
  }
}

/* What a deactivated account has been issued stays. */
static void test_deactivated_account(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) issued = lab_ready(lab, client), open = lab_ready(lab, client);
  g_auto(Question) close = {0}, none = {0};
  lab_issue(issued);
  g_autoptr(Answer) done = lab_post(lab, client, client->kid, "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(done->status, ==, 200);
  lab_ask(lab, JOB_CLOSE, QUESTION_NONE, &close);
  g_assert_false(lab_take(lab, JOB_REVOKE, &none));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders WHERE status = 'invalid'"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders WHERE status = 'valid'"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at IS NULL"), ==,
                  1);
}

/* --- section 7.6 --- */

/* A reason that is not taken is refused with those that are. */
static void test_reasons(void) {
  static const char *const taken[] = {"0 (unspecified)", "1 (keyCompromise)",
                                      "3 (affiliationChanged)", "4 (superseded)",
                                      "5 (cessationOfOperation)"};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) answer = lab_revoke(lab, client, FALSE, leaf, "2");
  assert_problem(answer, 400, "badRevocationReason");
  for (gsize i = 0; i < G_N_ELEMENTS(taken); i++)
    g_assert_nonnull(strstr(lab_text(answer, "detail"), taken[i]));
}

/* --- section 11.1 --- */

/* A key signs for an account or is certified, whoever asks and in either order. */
static void test_keys_of_one_kind(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  LabClient *const accounts[] = {client, other};
  for (gsize i = 0; i < G_N_ELEMENTS(accounts); i++) {
    g_autoptr(Answer) refused =
        lab_finalize_with(order, accounts[i]->key, "email:alice@example.org");
    assert_problem(refused, 400, "badCSR");
    g_assert_nonnull(strstr(lab_text(refused, "detail"), "an account's key"));
  }
  lab_issue(order);
  EVP_PKEY_up_ref(order->key);
  g_autoptr(LabClient) holder = lab_client_of(order->key);
  g_autoptr(Answer) account = lab_send(lab, holder, TRUE, "/new-account", "{}");
  assert_problem(account, 400, "badPublicKey");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM account"), ==, 2);
}

/* --- section 10.5 --- */

static gint compare(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of the 22 characters of an id the last 14 are of random octets alone: no two URLs have them in
   common, whatever their kind and though all were made at the same time. */
static void test_urls(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(GPtrArray) tails = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < 20; i++) {
    g_autoptr(LabClient) client = lab_account(lab);
    g_autoptr(LabOrder) order = lab_order(lab, client);
    const char *urls[] = {client->kid, order->order, order->authorizations->pdata[0],
                          order->challenges->pdata[0]};
    for (gsize j = 0; j < G_N_ELEMENTS(urls); j++)
      g_ptr_array_add(tails, g_strdup(urls[j] + strlen(urls[j]) - 14));
  }
  g_ptr_array_sort(tails, compare);
  for (guint i = 1; i < tails->len; i++)
    g_assert_cmpstr(tails->pdata[i - 1], !=, tails->pdata[i]);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/protocol/problem-types", test_problem_types);
  g_test_add_data_func("/acme/protocol/order", NULL, check_orders);
  g_test_add_data_func("/acme/protocol/order-that-fails", "fails", check_orders);
  g_test_add_data_func("/acme/protocol/authorization", NULL, check_authorizations);
  g_test_add_data_func("/acme/protocol/authorization-that-fails", "fails", check_authorizations);
  g_test_add_func("/acme/protocol/responses", test_responses);
  g_test_add_func("/acme/protocol/account-members", test_account_members);
  g_test_add_func("/acme/protocol/contact-schemes", test_contact_schemes);
  g_test_add_func("/acme/protocol/deactivated-account", test_deactivated_account);
  g_test_add_func("/acme/protocol/directory", test_directory);
  g_test_add_func("/acme/protocol/reasons", test_reasons);
  g_test_add_func("/acme/protocol/keys-of-one-kind", test_keys_of_one_kind);
  g_test_add_func("/acme/protocol/urls", test_urls);
  return g_test_run();
}
