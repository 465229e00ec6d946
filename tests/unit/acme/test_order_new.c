/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may ask for in newOrder: profiles (draft-ietf-acme-profiles, RFC 8823 section 3.3),
   notBefore and notAfter (RFC 8555 section 7.4), and how several identifiers are refused (section
   6.7.1). */
#include "tests/unit/acme/harness.h"

#include "store/order.h"

#define ALICE "\"identifiers\":[{\"type\":\"email\",\"value\":\"alice@example.org\"}]"
#define SHORT "profile short"
#define PROFILE(group, description, validity, keys, usage)                                         \
  group ".description", description, group ".validity", validity, group ".keys", keys,             \
      group ".usage", usage

/* newOrder for alice with more members, each with a comma before it. */
static Answer *ask(Lab *lab, LabClient *client, const char *more) {
  g_autofree char *payload = g_strconcat("{" ALICE, more, "}", NULL);
  return lab_send(lab, client, FALSE, "/new-order", payload);
}

/* The same, as far as ready. */
static LabOrder *ready(Lab *lab, LabClient *client, const char *more) {
  g_autofree char *payload = g_strconcat("{" ALICE, more, "}", NULL);
  LabOrder *order = lab_order_with(lab, client, payload);
  lab_order_read(order);
  lab_validate(order, 0);
  assert_status(order, order->order, "ready");
  return order;
}

static void start(LabOrder *order, const char *usage) {
  g_autoptr(Answer) answer = lab_finalize_for(order, order->key, "email:alice@example.org", usage);
  g_assert_cmpuint(answer->status, ==, 200);
  lab_answer_caa(order->lab, RESOLVER_NONE, NULL);
}

/* What the signer is asked to build. */
static void ask_build(LabOrder *order, const char *usage, Question *question) {
  start(order, usage);
  lab_ask(order->lab, JOB_ISSUE, QUESTION_BUILD, question);
}

static void finish(LabOrder *order, Question *question) {
  lab_built(order->lab, question, "");
  lab_answer_sign(order->lab);
  assert_status(order, order->order, "valid");
}

static void assert_no_orders(Lab *lab) {
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM authz"), ==, 0);
}

/* --- profiles --- */

static const char *const two_groups[] = {PROFILE(SHORT, "For a month", "30", "p384; rsa", "both"),
                                         PROFILE("profile smime-sign", "Ours", "90", "", "encrypt"),
                                         NULL};

static const char *described(const Answer *directory, const char *name) {
  json_t *meta = json_object_get(directory->json, "meta");
  return json_string_value(json_object_get(json_object_get(meta, "profiles"), name));
}

static void test_directory(void) {
  static const char *const names[] = {"smime", "smime-sign", "smime-encrypt"};
  g_autoptr(Lab) lab = lab_new(), other = lab_new_with(two_groups);
  g_autoptr(LabClient) client = lab_account(lab), second = lab_account(other);
  g_autoptr(Answer) plain = lab_get(lab, "/directory");
  g_autoptr(Answer) more = lab_get(other, "/directory");
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_assert_cmpstr(described(plain, names[i]), !=, NULL);
    g_assert_cmpstr(described(plain, names[i]), !=, "");
  }
  g_assert_null(described(plain, "short"));
  g_assert_cmpstr(described(more, "short"), ==, "For a month");
  g_assert_cmpstr(described(more, "smime-sign"), ==, "Ours");
  g_assert_cmpstr(described(more, "smime"), ==, described(plain, "smime"));
  json_t *meta = json_object_get(more->json, "meta");
  g_assert_cmpuint(json_object_size(json_object_get(meta, "profiles")), ==, 4);
}

/* Every profile of the directory can be ordered, and is shown in the order. */
static void test_shown(void) {
  g_autoptr(Lab) lab = lab_new_with(two_groups);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) directory = lab_get(lab, "/directory");
  json_t *meta = json_object_get(directory->json, "meta"), *description = NULL;
  const char *name = NULL;
  json_object_foreach(json_object_get(meta, "profiles"), name, description) {
    g_autofree char *more = g_strdup_printf(",\"profile\":\"%s\"", name);
    g_autoptr(Answer) made = ask(lab, client, more);
    g_assert_cmpuint(made->status, ==, 201);
    g_assert_cmpstr(lab_text(made, "profile"), ==, name);
    g_autoptr(Answer) read = lab_post(lab, client, made->location, NULL);
    g_assert_cmpstr(lab_text(read, "profile"), ==, name);
  }
}

static void test_profile_refused(gconstpointer default_profile) {
  static const char *const unknown[] = {"\"tls\"", "\"\"", "\"SMIME\"", "\"smime \"", "\"Short\""};
  static const char *const wrong[] = {"1", "null", "true", "[\"smime\"]", "{\"smime\":1}"};
  const char *const overrides[] = {PROFILE(SHORT, "For a month", "30", "", "csr"),
                                   "acme.default-profile", default_profile, NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++) {
    g_autofree char *more = g_strconcat(",\"profile\":", unknown[i], NULL);
    g_autoptr(Answer) answer = ask(lab, client, more);
    assert_problem(answer, 400, "invalidProfile");
  }
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autofree char *more = g_strconcat(",\"profile\":", wrong[i], NULL);
    g_autoptr(Answer) answer = ask(lab, client, more);
    assert_problem(answer, 400, "malformed");
  }
  assert_no_orders(lab);
}

static void test_default(void) {
  static const char *const sign[] = {"acme.default-profile", "smime-sign", NULL};
  static const char *const none[] = {"acme.default-profile", "", NULL};
  g_autoptr(Lab) usual = lab_new(), signing = lab_new_with(sign), without = lab_new_with(none);
  g_autoptr(LabClient) first = lab_account(usual), second = lab_account(signing),
                       third = lab_account(without);
  g_autoptr(Answer) by_preset = ask(usual, first, "");
  g_assert_cmpstr(lab_text(by_preset, "profile"), ==, "smime");
  g_autoptr(Answer) configured = ask(signing, second, "");
  g_assert_cmpstr(lab_text(configured, "profile"), ==, "smime-sign");
  g_autoptr(Answer) chosen = ask(signing, second, ",\"profile\":\"smime-encrypt\"");
  g_assert_cmpstr(lab_text(chosen, "profile"), ==, "smime-encrypt");
  g_autoptr(Answer) unnamed = ask(without, third, "");
  g_assert_cmpuint(unnamed->status, ==, 201);
  g_assert_null(json_object_get(unnamed->json, "profile"));
  /* The default takes effect: it is not only shown. */
  g_autoptr(LabOrder) order = ready(signing, second, "");
  g_auto(Question) question = {0};
  ask_build(order, NULL, &question);
  g_assert_true(question.fields.sign);
  g_assert_false(question.fields.encrypt);
}

#define BAD (-1)
#define SIGN ORDER_USAGE_SIGN
#define ENCRYPT ORDER_USAGE_ENCRYPT
#define COMMITS ORDER_USAGE_NON_REPUDIATION

/* profile NULL: an order without one. */
typedef struct {
  const char *profile, *usage;
  int expected;
} Usage;

static const Usage usages[] = {
    {NULL, NULL, SIGN | ENCRYPT},
    {NULL, "critical,digitalSignature", SIGN},
    {NULL, "nonRepudiation", SIGN | COMMITS},
    {NULL, "digitalSignature,nonRepudiation", SIGN | COMMITS},
    {NULL, "critical,keyEncipherment", ENCRYPT},
    {NULL, "keyAgreement", ENCRYPT},
    {NULL, "digitalSignature,keyEncipherment", SIGN | ENCRYPT},
    {NULL, "digitalSignature,keyAgreement", SIGN | ENCRYPT},
    {NULL, "digitalSignature,dataEncipherment", BAD},
    {NULL, "keyCertSign", BAD},
    {"smime", NULL, SIGN | ENCRYPT},
    {"smime", "digitalSignature", SIGN},
    {"smime", "keyAgreement", ENCRYPT},
    {"smime", "digitalSignature,keyAgreement", SIGN | ENCRYPT},
    {"smime-sign", NULL, SIGN},
    {"smime-sign", "digitalSignature", SIGN},
    {"smime-sign", "nonRepudiation", SIGN | COMMITS},
    {"smime-sign", "keyAgreement", BAD},
    {"smime-sign", "digitalSignature,keyEncipherment", BAD},
    {"smime-encrypt", NULL, ENCRYPT},
    {"smime-encrypt", "keyEncipherment", ENCRYPT},
    {"smime-encrypt", "digitalSignature", BAD},
    {"smime-encrypt", "nonRepudiation,keyAgreement", BAD},
    {"ours-both", NULL, SIGN | ENCRYPT},
    {"ours-both", "nonRepudiation,keyAgreement", SIGN | ENCRYPT | COMMITS},
    {"ours-both", "digitalSignature", BAD},
    {"ours-both", "keyAgreement", BAD},
    {"ours-sign", NULL, SIGN},
    {"ours-sign", "keyAgreement", BAD},
    {"ours-encrypt", NULL, ENCRYPT},
    {"ours-encrypt", "digitalSignature", BAD},
    {"ours-csr", NULL, SIGN | ENCRYPT},
    {"ours-csr", "digitalSignature", SIGN},
};

static void check_usage(Lab *lab, LabClient *client, const Usage *row) {
  g_autofree char *more =
      row->profile != NULL ? g_strdup_printf(",\"profile\":\"%s\"", row->profile) : g_strdup("");
  g_autoptr(LabOrder) order = ready(lab, client, more);
  g_auto(Question) question = {0};
  g_test_message("%s, %s", row->profile, row->usage);
  if (row->expected == BAD) {
    g_autoptr(Answer) answer =
        lab_finalize_for(order, order->key, "email:alice@example.org", row->usage);
    assert_problem(answer, 400, "badCSR");
    assert_status(order, order->order, "ready"); /* another request may follow */
    return;
  }
  ask_build(order, row->usage, &question);
  g_assert_cmpint(question.fields.sign, ==, (row->expected & SIGN) != 0);
  g_assert_cmpint(question.fields.encrypt, ==, (row->expected & ENCRYPT) != 0);
  g_assert_cmpint(question.fields.non_repudiation, ==, (row->expected & COMMITS) != 0);
  finish(order, &question);
}

static void test_usage(void) {
  static const char *const overrides[] = {PROFILE("profile ours-both", "", "0", "", "both"),
                                          PROFILE("profile ours-sign", "", "0", "", "sign"),
                                          PROFILE("profile ours-encrypt", "", "0", "", "encrypt"),
                                          PROFILE("profile ours-csr", "", "0", "", "csr"),
                                          "acme.default-profile",
                                          "",
                                          NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(usages); i++)
    check_usage(lab, client, &usages[i]);
}

static void assert_life(const Question *question, guint days) {
  g_assert_cmpint(question->fields.not_before, ==, LAB_NOW - CLOCK_HOUR);
  g_assert_cmpint(question->fields.not_after, ==,
                  question->fields.not_before + days * CLOCK_DAY - CLOCK_SECOND);
}

/* An operator's profile: its life, its types of keys, its usage. */
static void test_configured(void) {
  g_autoptr(Lab) lab = lab_new_with(two_groups);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready(lab, client, ",\"profile\":\"short\"");
  g_auto(Question) question = {0}, signing = {0}, usual = {0};
  g_autoptr(Answer) refused = lab_finalize(order);
  assert_problem(refused, 400, "badCSR");
  g_assert_nonnull(strstr(lab_text(refused, "detail"), "p384, rsa"));
  EVP_PKEY_free(order->key);
  order->key = lab_key("P-384");
  ask_build(order, NULL, &question);
  assert_life(&question, 30);
  finish(order, &question);
  /* A group changes the life of a built-in one, and never its usage. */
  g_autoptr(LabOrder) second = ready(lab, client, ",\"profile\":\"smime-sign\"");
  ask_build(second, NULL, &signing);
  assert_life(&signing, 90);
  g_assert_true(signing.fields.sign);
  g_assert_false(signing.fields.encrypt);
  finish(second, &signing);
  g_autoptr(LabOrder) third = ready(lab, client, "");
  ask_build(third, NULL, &usual);
  assert_life(&usual, 365);
}

/* Orders may outlive their profile. */
static void test_withdrawn(void) {
  g_autoptr(Lab) lab = lab_new_with(two_groups);
  g_autoptr(Config) without = lab_config(NULL);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready(lab, client, ",\"profile\":\"short\"");
  g_auto(Question) question = {0};
  EVP_PKEY_free(order->key);
  order->key = lab_key("P-384");
  lab->acme.config = without;
  g_autoptr(Answer) refused = lab_finalize(order);
  assert_problem(refused, 400, "invalidProfile");
  assert_status(order, order->order, "ready");
  lab->acme.config = lab->config;
  start(order, NULL);
  lab->acme.config = without;
  g_assert_true(lab_take(lab, JOB_ISSUE, &question));
  g_assert_cmpint(question.kind, ==, QUESTION_NONE);
  g_autoptr(Answer) failed = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(failed, "status"), ==, "invalid");
  json_t *error = json_object_get(failed->json, "error");
  g_assert_cmpstr(json_string_value(json_object_get(error, "type")), ==, LAB_URN "invalidProfile");
  g_assert_nonnull(strstr(json_string_value(json_object_get(error, "detail")), "short"));
}

/* --- what an external account covers --- */

static void test_external_profiles(void) {
  static const char *const none[] = {"acme.default-profile", "", NULL};
  g_autoptr(Lab) lab = lab_new(), without = lab_new_with(none);
  g_autoptr(LabClient) client = lab_account_bound(lab, "[]", "[\"smime-sign\",\"smime-encrypt\"]");
  g_autoptr(LabClient) all = lab_account_bound(lab, "[]", "[]");
  g_autoptr(LabClient) second = lab_account_bound(without, "[]", "[\"smime\"]");
  g_autoptr(Answer) by_default = ask(lab, client, "");
  assert_problem(by_default, 400, "invalidProfile");
  g_autoptr(Answer) other = ask(lab, client, ",\"profile\":\"smime\"");
  assert_problem(other, 400, "invalidProfile");
  g_autoptr(Answer) unnamed = ask(without, second, "");
  assert_problem(unnamed, 400, "invalidProfile");
  assert_no_orders(lab);
  assert_no_orders(without);
  g_autoptr(Answer) covered = ask(lab, client, ",\"profile\":\"smime-encrypt\"");
  g_assert_cmpuint(covered->status, ==, 201);
  g_autoptr(Answer) unlimited = ask(lab, all, "");
  g_assert_cmpuint(unlimited->status, ==, 201);
}

/* ca-rules 14: what `keys` of a profile takes, and refuses with a reason, are the kinds of
   ca/algorithm.c. */
static void test_kinds(void) {
  const ConfigKey *keys = NULL;
  for (gsize i = 0; i < config_keys_count; i++)
    if (strcmp(config_keys[i].group, "profile") == 0 && strcmp(config_keys[i].name, "keys") == 0)
      keys = &config_keys[i];
  g_auto(GStrv) choices = g_strsplit(keys->choices, " ", -1);
  const ConfigRefusal *refusal = keys->refusals;
  gsize taken = 0;
  for (gsize i = 0; algorithm_at(i) != NULL; i++) {
    const Algorithm *kind = algorithm_at(i);
    if ((kind->purposes & KEY_SUBSCRIBER) != 0) {
      g_assert_cmpstr(kind->name, ==, choices[taken++]);
      continue;
    }
    g_assert_cmpstr(kind->name, ==, refusal->word);
    g_assert_cmpstr(kind->refused, ==, refusal->why);
    refusal++;
  }
  g_assert_null(choices[taken]);
  g_assert_null(refusal->word);
}

static guint order_status(Lab *lab, LabClient *client, const char *address) {
  const char *const addresses[] = {address, NULL};
  g_autofree char *payload = lab_identifiers(addresses);
  g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-order", payload);
  if (answer->status != 201)
    assert_problem(answer, 400, "rejectedIdentifier");
  return answer->status;
}

static void test_external_identifiers(void) {
  static const char *const two[] = {"alice@example.org", "Carol@example.net", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client =
      lab_account_bound(lab, "[\"example.org\",\"bob@example.net\"]", "[]");
  g_assert_cmpuint(order_status(lab, client, "alice@example.org"), ==, 201);
  g_assert_cmpuint(order_status(lab, client, "Alice@EXAMPLE.org"), ==, 201);
  g_assert_cmpuint(order_status(lab, client, "BOB@example.net"), ==, 201);
  g_assert_cmpuint(order_status(lab, client, "carol@example.net"), ==, 400);
  g_assert_cmpuint(order_status(lab, client, "alice@mail.example.org"), ==, 400);
  g_assert_cmpuint(order_status(lab, client, "alice@notexample.org"), ==, 400);
  g_autofree char *payload = lab_identifiers(two);
  g_autoptr(Answer) refused = lab_send(lab, client, FALSE, "/new-order", payload);
  assert_problem(refused, 400, "rejectedIdentifier");
  json_t *subproblems = json_object_get(refused->json, "subproblems");
  json_t *identifier = json_object_get(json_array_get(subproblems, 0), "identifier");
  g_assert_cmpuint(json_array_size(subproblems), ==, 1);
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "value")), ==, "Carol@example.net");
}

/* --- notBefore and notAfter --- */

#define NOT_GIVEN G_MININT64
#define LIFE (365 * CLOCK_DAY)

/* Members of newOrder; times in milliseconds. */
static char *wish(gint64 not_before, gint64 not_after) {
  g_autofree char *begin = not_before != NOT_GIVEN ? clock_rfc3339(not_before) : NULL;
  g_autofree char *end = not_after != NOT_GIVEN ? clock_rfc3339(not_after) : NULL;
  return g_strconcat(begin != NULL ? ",\"notBefore\":\"" : "", begin != NULL ? begin : "",
                     begin != NULL ? "\"" : "", end != NULL ? ",\"notAfter\":\"" : "",
                     end != NULL ? end : "", end != NULL ? "\"" : "", NULL);
}

static void assert_time(const Answer *answer, const char *member, gint64 expected) {
  g_autofree char *text = expected != NOT_GIVEN ? clock_rfc3339(expected) : NULL;
  g_assert_cmpstr(lab_text(answer, member), ==, text);
}

/* why: words of the refusal; NULL: taken, and shown as asked for. */
static void check_wish(Lab *lab, LabClient *client, gint64 not_before, gint64 not_after,
                       const char *why) {
  g_autofree char *more = wish(not_before, not_after);
  g_autoptr(Answer) answer = ask(lab, client, more);
  g_test_message("%s", more);
  if (why != NULL) {
    assert_problem(answer, 400, "malformed");
    g_assert_nonnull(strstr(lab_text(answer, "detail"), why));
    return;
  }
  g_assert_cmpuint(answer->status, ==, 201);
  g_autoptr(Answer) read = lab_post(lab, client, answer->location, NULL);
  assert_time(answer, "notBefore", not_before);
  assert_time(answer, "notAfter", not_after);
  assert_time(read, "notBefore", not_before);
  assert_time(read, "notAfter", not_after);
}

/* Offsets from now. */
typedef struct {
  gint64 not_before, not_after;
  const char *why;
} Wish;

#define SHIFT_WORDS "within 48 hours"
#define ORDER_WORDS "after notBefore and now"
#define LIFE_WORDS "life of a certificate"
#define ISSUER_WORDS "the issuing CA"

static const Wish wishes[] = {
    {NOT_GIVEN, NOT_GIVEN, NULL},
    {-48 * CLOCK_HOUR, NOT_GIVEN, NULL},
    {-48 * CLOCK_HOUR - CLOCK_SECOND, NOT_GIVEN, SHIFT_WORDS},
    {48 * CLOCK_HOUR, NOT_GIVEN, NULL},
    {48 * CLOCK_HOUR + CLOCK_SECOND, NOT_GIVEN, SHIFT_WORDS},
    /* Both ends count (S/MIME BR 6.3.2). */
    {0, LIFE - CLOCK_SECOND, NULL},
    {0, LIFE, LIFE_WORDS},
    {-48 * CLOCK_HOUR, LIFE - 48 * CLOCK_HOUR - CLOCK_SECOND, NULL},
    {-48 * CLOCK_HOUR, LIFE - 48 * CLOCK_HOUR, LIFE_WORDS},
    {48 * CLOCK_HOUR, LIFE + 48 * CLOCK_HOUR - CLOCK_SECOND, NULL},
    {48 * CLOCK_HOUR, LIFE + 48 * CLOCK_HOUR, LIFE_WORDS},
    /* Without a notBefore the life begins an hour ago. */
    {NOT_GIVEN, LIFE - CLOCK_HOUR - CLOCK_SECOND, NULL},
    {NOT_GIVEN, LIFE - CLOCK_HOUR, LIFE_WORDS},
    {NOT_GIVEN, CLOCK_SECOND, NULL},
    {NOT_GIVEN, 0, ORDER_WORDS},
    {-CLOCK_HOUR, CLOCK_SECOND, NULL},
    {-CLOCK_HOUR, 0, ORDER_WORDS},
    {-CLOCK_HOUR, -CLOCK_MINUTE, ORDER_WORDS},
    {CLOCK_HOUR, CLOCK_HOUR + CLOCK_SECOND, NULL},
    {CLOCK_HOUR, CLOCK_HOUR, ORDER_WORDS},
    {CLOCK_HOUR, CLOCK_MINUTE, ORDER_WORDS},
};

static void check_offsets(Lab *lab, LabClient *client, const Wish *row) {
  check_wish(lab, client,
             row->not_before == NOT_GIVEN ? NOT_GIVEN : lab->clock.now + row->not_before,
             row->not_after == NOT_GIVEN ? NOT_GIVEN : lab->clock.now + row->not_after, row->why);
}

static void test_bounds(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(wishes); i++)
    check_offsets(lab, client, &wishes[i]);
}

/* The life is that of the order's profile. */
static void test_profile_bounds(void) {
  g_autoptr(Lab) lab = lab_new_with(two_groups);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *last = wish(LAB_NOW, LAB_NOW + 30 * CLOCK_DAY - CLOCK_SECOND);
  g_autofree char *over = wish(LAB_NOW, LAB_NOW + 30 * CLOCK_DAY);
  g_autofree char *of_short = g_strconcat(last, ",\"profile\":\"short\"", NULL);
  g_autofree char *too_long = g_strconcat(over, ",\"profile\":\"short\"", NULL);
  g_autoptr(Answer) taken = ask(lab, client, of_short);
  g_assert_cmpuint(taken->status, ==, 201);
  g_autoptr(Answer) refused = ask(lab, client, too_long);
  assert_problem(refused, 400, "malformed");
  g_assert_nonnull(strstr(lab_text(refused, "detail"), "at most 30 days"));
  g_autoptr(Answer) usual = ask(lab, client, over);
  g_assert_cmpuint(usual->status, ==, 201);
}

static void test_issuer_bounds(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  gint64 begin = issuer_not_before(lab->acme.issuer), end = issuer_not_after(lab->acme.issuer);
  lab->clock.now = begin + CLOCK_MINUTE;
  check_wish(lab, client, begin, NOT_GIVEN, NULL);
  check_wish(lab, client, begin - CLOCK_SECOND, NOT_GIVEN, ISSUER_WORDS);
  /* The usual notBefore gives way to the issuer's. */
  check_wish(lab, client, NOT_GIVEN, begin + LIFE - CLOCK_SECOND, NULL);
  check_wish(lab, client, NOT_GIVEN, begin + LIFE, LIFE_WORDS);
  lab->clock.now = end - 10 * CLOCK_DAY;
  check_wish(lab, client, NOT_GIVEN, end, NULL);
  check_wish(lab, client, NOT_GIVEN, end + CLOCK_SECOND, ISSUER_WORDS);
}

static void check_too_late(Lab *lab, LabClient *client, gint64 not_before) {
  g_autofree char *more = wish(not_before, NOT_GIVEN);
  g_autoptr(Answer) answer = ask(lab, client, more);
  assert_problem(answer, 500, "serverInternal");
  g_assert_nonnull(strstr(lab_text(answer, "detail"), "is too near"));
}

/* ca-rules 20, "never past the issuer's": the usual life is cut to whole days, and no order is
   taken when not even 30 are left. */
static void test_issuer_ends(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  gint64 end = issuer_not_after(lab->acme.issuer);
  gint64 last = end + CLOCK_SECOND - 30 * CLOCK_DAY; /* notBefore of 30 whole days */
  lab->clock.now = last + CLOCK_HOUR;                /* notBefore is an hour ago */
  g_autoptr(LabOrder) order = ready(lab, client, ""), waiting = ready(lab, client, "");
  g_auto(Question) question = {0};
  ask_build(order, NULL, &question);
  g_assert_cmpint(question.fields.not_before, ==, last);
  g_assert_cmpint(question.fields.not_after, ==, end);
  finish(order, &question);
  check_wish(lab, client, last, NOT_GIVEN, NULL);
  lab->clock.now += CLOCK_SECOND;
  check_too_late(lab, client, NOT_GIVEN);
  check_too_late(lab, client, last + CLOCK_SECOND);
  check_wish(lab, client, lab->clock.now + 49 * CLOCK_HOUR, NOT_GIVEN, SHIFT_WORDS);
  check_wish(lab, client, NOT_GIVEN, end, NULL);
  /* An order that was taken in time and waited fails too. */
  g_auto(Question) none = {0};
  start(waiting, NULL);
  g_assert_true(lab_take(lab, JOB_ISSUE, &none));
  g_assert_cmpint(none.kind, ==, QUESTION_NONE);
  g_autoptr(Answer) shown = lab_post(lab, client, waiting->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  json_t *error = json_object_get(shown->json, "error");
  g_assert_nonnull(strstr(json_string_value(json_object_get(error, "detail")), "came too near"));
}

/* A year before its end the life is still whole; a day later it has a day less. */
static void test_issuer_cuts(void) {
  static const struct {
    gint64 late, days;
  } rows[] = {{0, 365}, {CLOCK_SECOND, 364}, {CLOCK_DAY, 364}, {300 * CLOCK_DAY, 65}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Lab) lab = lab_new();
    g_autoptr(LabClient) client = lab_account(lab);
    gint64 begin = issuer_not_after(lab->acme.issuer) + CLOCK_SECOND - LIFE + rows[i].late;
    lab->clock.now = begin + CLOCK_HOUR;
    g_autoptr(LabOrder) order = ready(lab, client, "");
    g_auto(Question) question = {0};
    ask_build(order, NULL, &question);
    g_assert_cmpint(question.fields.not_before, ==, begin);
    g_assert_cmpint(question.fields.not_after, ==, begin + rows[i].days * CLOCK_DAY - CLOCK_SECOND);
    finish(order, &question);
  }
}

/* text: JSON. */
static void check_text(Lab *lab, LabClient *client, const char *member, const char *text,
                       const char *shown) {
  g_autofree char *more = g_strdup_printf(",\"%s\":%s", member, text);
  g_autoptr(Answer) answer = ask(lab, client, more);
  g_test_message("%s", more);
  if (shown == NULL)
    assert_problem(answer, 400, "malformed");
  else
    g_assert_cmpuint(answer->status, ==, 201);
  g_assert_cmpstr(lab_text(answer, member), ==, shown);
}

static void test_texts(void) {
  static const char *const bad[] = {"\"\"",
                                    "\"tomorrow\"",
                                    "\"2026-03-02\"",
                                    "\"00:00:00Z\"",
                                    "\"2026-03-02T00:00:00\"",
                                    "\"2026-03-02 00:00:00Z\"",
                                    "\"2026-03-02T00:00Z\"",
                                    "\"2026-3-2T00:00:00Z\"",
                                    "\"20260302T000000Z\"",
                                    "\"2026-W10-1T00:00:00Z\"",
                                    "\"2026-02-30T00:00:00Z\"",
                                    "\"2026-13-02T00:00:00Z\"",
                                    "\"2026-03-00T00:00:00Z\"",
                                    "\"2026-03-02T25:00:00Z\"",
                                    "\"2026-03-02T00:60:00Z\"",
                                    "\"2026-03-02T00:00:00.Z\"",
                                    "\"2026-03-02T00:00:00+0100\"",
                                    "\"2026-03-02T00:00:00Z \"",
                                    "\" 2026-03-02T00:00:00Z\"",
                                    "\"2026-03-02T00:00:00Z\\n\"",
                                    "\"2026-03-02T24:00:00Z\"",
                                    "\"2026-03-02T00:00:61Z\"",
                                    "\"2026-03-02T00:00:00+25:00\"",
                                    "\"2026-03-02T00:00:00+00:60\"",
                                    "\"2026-03-02T00:00:00-24:00\"",
                                    "\"2026-03-02T00:00:00+24:00\"",
                                    "\"1970-01-01T00:00:00Z\"",
                                    "\"1969-12-31T23:59:59Z\"",
                                    "\"0000-00-00T00:00:00Z\"",
                                    "1772409600",
                                    "null",
                                    "true",
                                    "[\"2026-03-02T00:00:00Z\"]",
                                    "{}"};
  static const char *const good[][2] = {
      {"\"2026-03-02T12:00:00Z\"", "2026-03-02T12:00:00Z"},
      {"\"2026-03-02t12:00:00z\"", "2026-03-02T12:00:00Z"},
      {"\"2026-03-02T12:00:00+02:00\"", "2026-03-02T10:00:00Z"},
      {"\"2026-03-02T12:00:00-02:30\"", "2026-03-02T14:30:00Z"},
      {"\"2026-03-02T12:00:60Z\"", "2026-03-02T12:00:59Z"},
      {"\"2026-03-02T12:00:00.999999999Z\"", "2026-03-02T12:00:00Z"}};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    check_text(lab, client, "notBefore", bad[i], NULL);
    check_text(lab, client, "notAfter", bad[i], NULL);
  }
  assert_no_orders(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
    check_text(lab, client, "notBefore", good[i][0], good[i][1]);
    check_text(lab, client, "notAfter", good[i][0], good[i][1]);
  }
}

/* What is asked for is certified to the second, though time passes before it is built. */
static void check_certified(Lab *lab, LabClient *client, gint64 not_before, gint64 not_after,
                            gint64 begin, gint64 end) {
  g_autofree char *more = wish(not_before, not_after);
  g_autoptr(LabOrder) order = ready(lab, client, more);
  g_auto(Question) question = {0};
  lab->clock.now = LAB_NOW + 2 * CLOCK_HOUR;
  ask_build(order, NULL, &question);
  g_assert_cmpint(question.fields.not_before, ==, begin);
  g_assert_cmpint(question.fields.not_after, ==, end);
  finish(order, &question);
  lab->clock.now = LAB_NOW;
}

static void test_certified(void) {
  const gint64 begin = LAB_NOW - 40 * CLOCK_HOUR, end = LAB_NOW + 10 * CLOCK_DAY + CLOCK_SECOND;
  static const char *const steady[] = {"ca.backdate", "0", NULL};
  g_autoptr(Lab) lab = lab_new(), undated = lab_new_with(steady);
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(undated);
  check_certified(lab, client, begin, end, begin, end);
  g_autoptr(Lab) second = lab_new(), third = lab_new();
  g_autoptr(LabClient) later = lab_account(second), last = lab_account(third);
  check_certified(second, later, begin, NOT_GIVEN, begin, begin + LIFE - CLOCK_SECOND);
  check_certified(third, last, NOT_GIVEN, end, LAB_NOW + CLOCK_HOUR, end);
  check_certified(undated, other, NOT_GIVEN, end, LAB_NOW + 2 * CLOCK_HOUR, end);
}

/* wait: from newOrder to the making; fails: the order is then invalid, and says why. */
static void check_wait(gint64 not_before, gint64 not_after, gint64 wait, gboolean fails) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *more = wish(not_before, not_after);
  g_autoptr(LabOrder) order = ready(lab, client, more);
  g_auto(Question) question = {0};
  lab->clock.now += wait;
  start(order, NULL);
  g_assert_true(lab_take(lab, JOB_ISSUE, &question));
  g_assert_cmpint(question.kind, ==, fails ? QUESTION_NONE : QUESTION_BUILD);
  if (!fails)
    return;
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  json_t *error = json_object_get(shown->json, "error");
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(json_string_value(json_object_get(error, "type")), ==, LAB_URN "malformed");
  g_assert_nonnull(strstr(json_string_value(json_object_get(error, "detail")), "waited too long"));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
}

static void test_waited(void) {
  const gint64 end = LAB_NOW + 2 * CLOCK_HOUR, begin = LAB_NOW - 47 * CLOCK_HOUR;
  check_wait(NOT_GIVEN, end, 2 * CLOCK_HOUR - CLOCK_SECOND, FALSE);
  check_wait(NOT_GIVEN, end, 2 * CLOCK_HOUR, TRUE);
  check_wait(begin, NOT_GIVEN, CLOCK_HOUR, FALSE);
  check_wait(begin, NOT_GIVEN, CLOCK_HOUR + CLOCK_SECOND, TRUE);
}

/* --- several identifiers --- */

#define EMAIL(value) "{\"type\":\"email\",\"value\":\"" value "\"}"
#define DNS(value) "{\"type\":\"dns\",\"value\":\"" value "\"}"
#define REJECTED "rejectedIdentifier"
#define UNSUPPORTED "unsupportedIdentifier"

/* subs: type and place of each subproblem; a NULL ends them. */
typedef struct {
  const char *identifiers, *type;
  struct {
    const char *type;
    size_t place;
  } subs[4];
} Refusal;

static const Refusal refusals[] = {
    {"[" EMAIL("alice") "]", REJECTED, {{NULL, 0}}},
    {"[" EMAIL("Alice") "," EMAIL("bob@example.org") "]", REJECTED, {{REJECTED, 0}}},
    {"[" EMAIL("bob@example.org") "," EMAIL("*@example.org") "]", REJECTED, {{REJECTED, 1}}},
    {"[" EMAIL("a@localhost") "," EMAIL("b@example.org") "," EMAIL("C") "]",
     REJECTED,
     {{REJECTED, 0}, {REJECTED, 2}}},
    {"[" EMAIL("a@localhost") "," EMAIL("b@example.org") "," DNS("Example.org") "]",
     "compound",
     {{REJECTED, 0}, {UNSUPPORTED, 2}}},
    {"[" DNS("example.org") "," EMAIL("b@example.org") "," EMAIL("B@example.org") ",1]",
     "compound",
     {{UNSUPPORTED, 0}, {"malformed", 2}, {"malformed", 3}}},
};

static void check_refusal(Lab *lab, LabClient *client, const Refusal *row) {
  g_autofree char *payload = g_strdup_printf("{\"identifiers\":%s}", row->identifiers);
  g_autofree char *type = g_strconcat(LAB_URN, row->type, NULL);
  g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-order", payload);
  json_t *sent = json_loads(row->identifiers, 0, NULL);
  json_t *subproblems = json_object_get(answer->json, "subproblems");
  gsize i = 0;
  g_test_message("%s", row->identifiers);
  g_assert_cmpuint(answer->status, ==, 400);
  g_assert_cmpstr(lab_text(answer, "type"), ==, type);
  for (; row->subs[i].type != NULL; i++) {
    json_t *sub = json_array_get(subproblems, i);
    g_autofree char *expected = g_strconcat(LAB_URN, row->subs[i].type, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(sub, "type")), ==, expected);
    g_assert_nonnull(json_object_get(sub, "detail"));
    g_assert_true(
        json_equal(json_object_get(sub, "identifier"), json_array_get(sent, row->subs[i].place)));
  }
  g_assert_cmpuint(json_array_size(subproblems), ==, i);
  g_assert_cmpint(subproblems == NULL, ==, i == 0);
  json_decref(sent);
}

static void test_subproblems(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++)
    check_refusal(lab, client, &refusals[i]);
  assert_no_orders(lab);
}

/* Clients compare what they sent with what they get. */
static void test_echo(void) {
  static const char *const addresses[] = {"Zoe@Example.ORG", "alice@bücher.example",
                                          "Жук@xn--bcher-kva.example", "a+b.c@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autofree char *payload = lab_identifiers(addresses);
  json_t *sent = json_loads(payload, 0, NULL), *url = NULL;
  g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-order", payload);
  g_autoptr(Answer) read = lab_post(lab, client, answer->location, NULL);
  json_t *identifiers = json_object_get(sent, "identifiers");
  size_t i = 0;
  g_assert_cmpuint(answer->status, ==, 201);
  g_assert_true(json_equal(json_object_get(answer->json, "identifiers"), identifiers));
  g_assert_true(json_equal(json_object_get(read->json, "identifiers"), identifiers));
  json_array_foreach(json_object_get(answer->json, "authorizations"), i, url) {
    g_autoptr(Answer) shown = lab_post(lab, client, json_string_value(url), NULL);
    g_assert_true(
        json_equal(json_object_get(shown->json, "identifier"), json_array_get(identifiers, i)));
  }
  g_assert_cmpuint(i, ==, 4);
  json_decref(sent);
}

#define TEST(path, function) g_test_add_func("/acme/order_new/" path, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("profile/directory", test_directory);
  TEST("profile/shown", test_shown);
  g_test_add_data_func("/acme/order_new/profile/refused", "smime", test_profile_refused);
  g_test_add_data_func("/acme/order_new/profile/refused-no-default", "", test_profile_refused);
  TEST("profile/default", test_default);
  TEST("profile/usage", test_usage);
  TEST("profile/configured", test_configured);
  TEST("profile/withdrawn", test_withdrawn);
  TEST("profile/kinds", test_kinds);
  TEST("external/profiles", test_external_profiles);
  TEST("external/identifiers", test_external_identifiers);
  TEST("validity/bounds", test_bounds);
  TEST("validity/profile", test_profile_bounds);
  TEST("validity/issuer", test_issuer_bounds);
  TEST("validity/issuer-ends", test_issuer_ends);
  TEST("validity/issuer-cuts", test_issuer_cuts);
  TEST("validity/texts", test_texts);
  TEST("validity/certified", test_certified);
  TEST("validity/waited", test_waited);
  TEST("identifiers/subproblems", test_subproblems);
  TEST("identifiers/echo", test_echo);
  return g_test_run();
}
