/* SPDX-License-Identifier: Apache-2.0 */
/* Authorizations made beforehand (RFC 8555 section 7.4.1): each serves one order, which takes it
   only when it is the same account's, for the same identifier, and still of worth. */
#include "acme/record.h"
#include "tests/unit/acme/harness.h"

#define ALICE "alice@example.org"
#define LIFETIME (72 * CLOCK_HOUR)

static Answer *ask(Lab *lab, LabClient *client, const char *type, const char *address) {
  json_t *payload = json_pack("{s:{s:s, s:s}}", "identifier", "type", type, "value", address);
  g_autofree char *text = lab_dump(payload);
  json_decref(payload);
  return lab_send(lab, client, FALSE, "/new-authz", text);
}

static const char *url_of(const LabOrder *order, guint i) {
  return order->authorizations->pdata[i];
}

static LabOrder *order_for(Lab *lab, LabClient *client, const char *address) {
  const char *const addresses[] = {address, NULL};
  return lab_order_unread(lab, client, addresses);
}

static void assert_claimed(const LabOrder *order, const LabOrder *made) {
  g_assert_cmpstr(url_of(order, 0), ==, url_of(made, 0));
}

/* The order has an authorization of its own, undecided. */
static void assert_not_claimed(LabOrder *order, const LabOrder *made) {
  g_assert_cmpstr(url_of(order, 0), !=, url_of(made, 0));
  assert_status(order, url_of(order, 0), "pending");
  assert_status(order, order->order, "pending");
}

static char *expiry(LabOrder *order, const char *url) {
  g_autoptr(Answer) answer = lab_post(order->lab, order->client, url, NULL);
  return g_strdup(lab_text(answer, "expires"));
}

static void assert_expiry(LabOrder *order, const char *url, gint64 expected) {
  g_autofree char *shown = expiry(order, url);
  g_autofree char *text = clock_rfc3339(expected);
  g_assert_cmpstr(shown, ==, text);
}

/* --- made --- */

static void test_made(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) made = ask(lab, client, "email", "Alice@example.org");
  json_t *identifier = json_object_get(made->json, "identifier");
  json_t *challenges = json_object_get(made->json, "challenges");
  g_autofree char *expires = clock_rfc3339(LAB_NOW + LIFETIME);
  g_assert_cmpuint(made->status, ==, 201);
  g_assert_cmpstr(made->type, ==, "application/json");
  g_assert_true(g_str_has_prefix(made->location, LAB_URL "/authorization/"));
  g_assert_cmpstr(lab_text(made, "status"), ==, "pending");
  g_assert_cmpstr(lab_text(made, "expires"), ==, expires);
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "type")), ==, "email");
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "value")), ==, "Alice@example.org");
  g_assert_cmpuint(json_array_size(challenges), ==, 1);
  g_assert_cmpint(made->retry_after, ==, 10);
  /* Its mail needs no reading of it, and reading makes no second one. */
  lab->clock.now += 5 * CLOCK_SECOND;
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  g_assert_cmpstr(question.to, ==, "Alice@example.org");
  lab_delivered(lab, &question, SENDER_ACCEPTED, 250, "ok");
  g_autoptr(Answer) read = lab_post(lab, client, made->location, NULL);
  g_assert_cmpuint(read->status, ==, 200);
  g_assert_true(json_equal(made->json, read->json));
  lab->clock.now += CLOCK_HOUR;
  g_assert_cmpuint(lab_send_mails(lab), ==, 0);
}

/* identifier of newAuthz, JSON; NULL: POST-as-GET. An identifier that could not be certified is
   answered with 403. */
typedef struct {
  const char *payload, *type;
} Bad;

#define OF(type, value) "{\"identifier\":{\"type\":" type ",\"value\":" value "}}"

static const Bad bad[] = {
    {NULL, "malformed"},
    {"[]", "malformed"},
    {"{}", "malformed"},
    {"{\"identifier\":null}", "malformed"},
    {"{\"identifier\":\"alice@example.org\"}", "malformed"},
    {"{\"identifier\":[{\"type\":\"email\",\"value\":\"alice@example.org\"}]}", "malformed"},
    {"{\"identifiers\":[{\"type\":\"email\",\"value\":\"alice@example.org\"}]}", "malformed"},
    {"{\"identifier\":{}}", "malformed"},
    {"{\"identifier\":{\"type\":\"email\"}}", "malformed"},
    {"{\"identifier\":{\"value\":\"alice@example.org\"}}", "malformed"},
    {OF("1", "\"alice@example.org\""), "malformed"},
    {OF("\"email\"", "null"), "malformed"},
    {OF("\"email\"", "[\"alice@example.org\"]"), "malformed"},
    {OF("\"dns\"", "\"alice@example.org\""), "unsupportedIdentifier"},
    {OF("\"EMAIL\"", "\"alice@example.org\""), "unsupportedIdentifier"},
    {OF("\"email\"", "\"\""), "rejectedIdentifier"},
    {OF("\"email\"", "\"alice\""), "rejectedIdentifier"},
    {OF("\"email\"", "\"*@example.org\""), "rejectedIdentifier"},
    {OF("\"dns\"", "\"*.example.org\""), "unsupportedIdentifier"},
};

static void test_refused(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-authz", bad[i].payload);
    g_autofree char *type = g_strconcat(LAB_URN, bad[i].type, NULL);
    g_test_message("%s", bad[i].payload);
    g_assert_cmpuint(answer->status, ==, strcmp(bad[i].type, "malformed") == 0 ? 400 : 403);
    g_assert_cmpstr(lab_text(answer, "type"), ==, type);
    g_assert_null(json_object_get(answer->json, "identifier"));
    g_assert_null(json_object_get(answer->json, "subproblems")); /* there is but one */
    g_assert_null(answer->location);
  }
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'mail'"), ==, 0);
}

static void test_external(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account_bound(lab, "[\"example.org\"]", "[]");
  g_autoptr(Answer) refused = ask(lab, client, "email", "alice@example.net");
  assert_problem(refused, 403, "rejectedIdentifier");
  g_autoptr(Answer) covered = ask(lab, client, "email", ALICE);
  g_assert_cmpuint(covered->status, ==, 201);
}

/* New terms hold up what is new until they are agreed to (RFC 8555 section 7.3.3). */
static void test_terms(void) {
  static const char *const terms[] = {"acme.terms-of-service", "https://example.org/terms-2", NULL};
  static const char *const addresses[] = {ALICE, NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Config) renewed = lab_config(terms);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *payload = lab_identifiers(addresses);
  lab->acme.config = renewed;
  g_autoptr(Answer) authorization = ask(lab, client, "email", ALICE);
  g_autoptr(Answer) order = lab_send(lab, client, FALSE, "/new-order", payload);
  const Answer *const refused[] = {authorization, order};
  for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
    assert_problem(refused[i], 403, "userActionRequired");
    g_assert_cmpstr(lab_text(refused[i], "instance"), ==, "https://example.org/terms-2");
    g_assert_cmpstr(refused[i]->link, ==, "<https://example.org/terms-2>;rel=\"terms-of-service\"");
  }
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz"), ==, 0);
  g_autoptr(Answer) agreed =
      lab_send(lab, client, TRUE, "/new-account", "{\"termsOfServiceAgreed\":true}");
  g_assert_cmpuint(agreed->status, ==, 200);
  g_autoptr(Answer) taken = ask(lab, client, "email", ALICE);
  g_assert_cmpuint(taken->status, ==, 201);
}

/* --- claimed --- */

static void test_claim_pending(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE), second = order_for(lab, client, ALICE);
  assert_claimed(order, made);
  assert_not_claimed(second, made); /* one authorization, one order */
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind = 'authorization claimed'"),
                  ==, 1);
  assert_status(order, order->order, "pending");
  lab_validate(made, 0);
  assert_status(order, order->order, "ready");
  assert_status(second, second->order, "pending");
  lab_issue(order);
  assert_status(second, second->order, "pending");
}

/* What is valid is taken before what is not, and an order with nothing left to prove is ready. */
static void test_claim_valid(void) {
  static const char *const addresses[] = {ALICE, NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) first = lab_authorize(lab, client, ALICE),
                      made = lab_authorize(lab, client, ALICE);
  g_autofree char *payload = lab_identifiers(addresses);
  lab_validate(made, 0);
  g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-order", payload);
  g_assert_cmpuint(answer->status, ==, 201);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "ready");
  g_assert_cmpint(answer->retry_after, ==, -1);
  json_t *urls = json_object_get(answer->json, "authorizations");
  g_assert_cmpuint(json_array_size(urls), ==, 1);
  g_assert_cmpstr(json_string_value(json_array_get(urls, 0)), ==, url_of(made, 0));
  g_autoptr(LabOrder) second = order_for(lab, client, ALICE), third = order_for(lab, client, ALICE);
  assert_claimed(second, first);
  assert_not_claimed(third, made);
  assert_not_claimed(third, first);
}

static void test_claim_and_issue(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, "Alice@example.org");
  lab_validate(made, 0);
  g_autoptr(LabOrder) order = order_for(lab, client, "Alice@example.org");
  assert_claimed(order, made);
  assert_status(order, order->order, "ready");
  lab_issue(order);
  g_autoptr(LabOrder) next = order_for(lab, client, "Alice@example.org");
  assert_not_claimed(next, made);
}

/* Some made beforehand, some not. */
static void test_claim_some(void) {
  static const char *const addresses[] = {"bob@example.org", ALICE, "carol@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) alice = lab_authorize(lab, client, ALICE);
  g_autoptr(LabOrder) carol = lab_authorize(lab, client, "carol@example.org");
  lab_validate(alice, 0);
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  g_assert_cmpstr(url_of(order, 1), ==, url_of(alice, 0));
  g_assert_cmpstr(url_of(order, 2), ==, url_of(carol, 0));
  lab_validate(order, 0);
  assert_status(order, order->order, "pending");
  lab_validate(order, 2);
  assert_status(order, order->order, "ready");
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  json_t *identifiers = json_object_get(shown->json, "identifiers");
  for (size_t i = 0; i < 3; i++) {
    json_t *value = json_object_get(json_array_get(identifiers, i), "value");
    g_assert_cmpstr(json_string_value(value), ==, addresses[i]);
  }
}

/* A claim sends no mail, so it costs none. */
static void test_claim_is_free(void) {
  static const char *const one[] = {"limits.mails-per-mailbox-account", "1/3600000", NULL};
  static const char *const addresses[] = {ALICE, NULL};
  g_autoptr(Lab) lab = lab_new_with(one);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  g_autofree char *payload = lab_identifiers(addresses);
  g_autoptr(Answer) again = ask(lab, client, "email", ALICE);
  assert_problem(again, 429, "rateLimited");
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_claimed(order, made);
  g_autoptr(Answer) second = lab_send(lab, client, FALSE, "/new-order", payload);
  assert_problem(second, 429, "rateLimited");
}

static void undo_handler(gpointer user) {
  Lab *lab = user;
  g_assert_true(store_handler_end(lab->acme.store, FALSE, NULL));
  record_undo(&lab->acme, 0);
  g_assert_true(store_handler_begin(lab->acme.store, NULL));
  lab->before_end = NULL;
}

static void undo_turn(gpointer user) {
  Lab *lab = user;
  store_rollback(lab->acme.store);
  record_settle(&lab->acme, FALSE);
  lab_begin(lab);
  lab->before_end = NULL;
}

/* The order that claimed it was taken back: records name the order that it has after all. */
static void test_claim_undone(gconstpointer turn) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  lab->user = lab;
  lab->before_end = turn != NULL ? undo_turn : undo_handler;
  g_autoptr(LabOrder) none = order_for(lab, client, ALICE);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders"), ==, 0);
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_claimed(order, made);
  lab_validate(made, 0);
  static const char *const kinds[] = {"authorization claimed", "challenge valid"};
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *subject =
        lab_column(lab, "SELECT subject FROM audit WHERE kind = ?1", kinds[i]);
    g_autofree char *named = g_strconcat(" order/", strrchr(order->order, '/') + 1, " ", NULL);
    g_assert_nonnull(strstr(subject, named));
  }
}

/* --- not claimed --- */

static void test_another_account(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  lab_validate(made, 0);
  g_autoptr(LabOrder) foreign = order_for(lab, other, ALICE);
  assert_not_claimed(foreign, made);
  g_autoptr(LabOrder) own = order_for(lab, client, ALICE);
  assert_claimed(own, made);
}

static void test_another_spelling(void) {
  static const char *const others[] = {"Alice@example.org", "alice@Example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  for (const char *const *other = others; *other != NULL; other++) {
    g_autoptr(LabOrder) order = order_for(lab, client, *other);
    assert_not_claimed(order, made);
    g_autoptr(Answer) shown = lab_post(lab, client, url_of(order, 0), NULL);
    json_t *identifier = json_object_get(shown->json, "identifier");
    g_assert_cmpstr(json_string_value(json_object_get(identifier, "value")), ==, *other);
  }
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_claimed(order, made);
}

static void test_deactivated(gconstpointer valid) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  if (valid != NULL)
    lab_validate(made, 0);
  g_autoptr(Answer) answer = lab_post(lab, client, url_of(made, 0), "{\"status\":\"deactivated\"}");
  g_assert_cmpstr(lab_text(answer, "status"), ==, "deactivated");
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_not_claimed(order, made);
}

static void test_invalid(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  LabReply reply = lab_right_reply(made, 0);
  reply.facts.digest[0] ^= 1;
  lab_give_reply(made, 0, &reply);
  lab_reply_clear(&reply);
  assert_status(made, url_of(made, 0), "invalid");
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_not_claimed(order, made);
}

/* Nobody swept: the order itself finds that the reply did not come in time, of as many as there
   are. */
static void test_overdue(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) first = lab_authorize(lab, client, ALICE),
                      second = lab_authorize(lab, client, ALICE);
  lab->clock.now += CLOCK_SECOND;
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  lab->clock.now = LAB_NOW + CLOCK_DAY;
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_claimed(order, made);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz WHERE status = 'invalid'"), ==, 2);
  assert_status(first, url_of(first, 0), "invalid");
  assert_status(second, url_of(second, 0), "invalid");
}

static void test_just_in_time(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  lab->clock.now += CLOCK_DAY - 1;
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_claimed(order, made);
  assert_status(made, url_of(made, 0), "pending");
}

/* A reply that came in time and waits for its verdict keeps the authorization. */
static void test_unjudged(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  g_auto(Question) question = {0};
  g_autoptr(Answer) posted = lab_challenge(made, 0, "{}");
  g_assert_cmpuint(lab_mail_in(made, 0), ==, 250);
  lab->clock.now += CLOCK_DAY;
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_claimed(order, made);
  LabReply reply = lab_right_reply(made, 0);
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  lab_examined(lab, &question, &reply);
  lab_reply_clear(&reply);
  assert_status(order, order->order, "ready");
}

/* swept: a sweep has come to it. */
static void test_expired(gconstpointer swept) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  lab_validate(made, 0);
  lab->clock.now = LAB_NOW + LIFETIME;
  if (swept != NULL) {
    lab_run(lab, JOB_SWEEP);
    g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz WHERE status = 'expired'"), ==, 1);
  }
  assert_status(made, url_of(made, 0), "expired");
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_not_claimed(order, made);
}

/* The moment before, it makes an order ready that has no longer to live than itself. */
static void test_last_moment(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  lab_validate(made, 0);
  lab->clock.now = LAB_NOW + LIFETIME - 1;
  g_autoptr(LabOrder) order = order_for(lab, client, ALICE);
  assert_claimed(order, made);
  assert_status(order, order->order, "ready");
  assert_expiry(order, order->order, LAB_NOW + LIFETIME);
  lab->clock.now += 1;
  assert_status(order, order->order, "invalid");
}

/* --- no reuse (S/MIME BR): what an order had stays its own --- */

static void test_no_reuse(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) issued = lab_ready(lab, client), left = lab_ready(lab, client);
  lab_issue(issued);
  g_autoptr(LabOrder) second = order_for(lab, client, "Alice@example.org");
  assert_not_claimed(second, issued);
  assert_not_claimed(second, left);
  lab->clock.now += LIFETIME - CLOCK_SECOND;
  g_autoptr(LabOrder) later = order_for(lab, client, "Alice@example.org");
  lab->clock.now += CLOCK_SECOND;
  assert_status(left, left->order, "invalid");
  g_autoptr(LabOrder) last = order_for(lab, client, "Alice@example.org");
  assert_not_claimed(last, left);
  assert_not_claimed(last, issued);
  assert_not_claimed(last, later);
}

/* --- how long --- */

/* An order ends with the first of what it claims, and with itself. */
static void test_expiry(void) {
  static const char *const addresses[] = {ALICE, "bob@example.org", "carol@example.org", NULL};
  static const char *const brief[] = {"acme.order-lifetime", "90000000", NULL}; /* 25 h */
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Config) shorter = lab_config(brief);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) alice = lab_authorize(lab, client, ALICE);
  lab->clock.now += 2 * CLOCK_HOUR;
  g_autoptr(LabOrder) bob = lab_authorize(lab, client, "bob@example.org");
  lab->clock.now += 8 * CLOCK_HOUR;
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  assert_expiry(order, order->order, LAB_NOW + LIFETIME);
  assert_expiry(order, url_of(order, 0), LAB_NOW + LIFETIME);
  assert_expiry(order, url_of(order, 1), LAB_NOW + 2 * CLOCK_HOUR + LIFETIME);
  assert_expiry(order, url_of(order, 2), LAB_NOW + LIFETIME); /* the new one: with the order */
  g_autoptr(LabOrder) made = lab_authorize(lab, client, ALICE);
  lab->acme.config = shorter;
  g_autoptr(LabOrder) second = order_for(lab, client, ALICE);
  assert_claimed(second, made);
  assert_expiry(second, second->order, lab->clock.now + 25 * CLOCK_HOUR);
  assert_expiry(second, url_of(second, 0), lab->clock.now + LIFETIME);
}

#define TEST(path, function) g_test_add_func("/acme/authorization_new/" path, function)
#define TEST_WITH(path, function, data)                                                            \
  g_test_add_data_func("/acme/authorization_new/" path, data, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("made", test_made);
  TEST("refused", test_refused);
  TEST("external", test_external);
  TEST("terms", test_terms);
  TEST("claim/pending", test_claim_pending);
  TEST("claim/valid", test_claim_valid);
  TEST("claim/issue", test_claim_and_issue);
  TEST("claim/some", test_claim_some);
  TEST("claim/free", test_claim_is_free);
  TEST_WITH("claim/undone", test_claim_undone, NULL);
  TEST_WITH("claim/undone-turn", test_claim_undone, "turn");
  TEST("not/another-account", test_another_account);
  TEST("not/another-spelling", test_another_spelling);
  TEST_WITH("not/deactivated", test_deactivated, NULL);
  TEST_WITH("not/deactivated-valid", test_deactivated, "valid");
  TEST("not/invalid", test_invalid);
  TEST("not/overdue", test_overdue);
  TEST("not/just-in-time", test_just_in_time);
  TEST("not/unjudged", test_unjudged);
  TEST_WITH("not/expired", test_expired, NULL);
  TEST_WITH("not/expired-swept", test_expired, "swept");
  TEST("not/last-moment", test_last_moment);
  TEST("no-reuse", test_no_reuse);
  TEST("expiry", test_expiry);
  return g_test_run();
}
