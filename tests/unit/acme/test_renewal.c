/* SPDX-License-Identifier: Apache-2.0 */
/* Renewal information and orders that replace a certificate (RFC 9773). */
#include "acme/command.h"
#include "tests/unit/acme/harness.h"

#include <openssl/pem.h>
#include <time.h>

#define WHY "https://example.org/why"

/* RFC 9773 appendix A, and what section 4.1 says of it. */
#define EXAMPLE                                                                                    \
  "MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFtcGxlIENBMCIYDzAwMDEwMTAxMDAwM"  \
  "DAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDASBgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQg"  \
  "AEeBZu7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFfqzLQ2PPQxdTXREYEnKMjMCE"  \
  "wHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4ByNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6c"  \
  "T4mfutXIlwTb+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK"
#define EXAMPLE_IDENTIFIER "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

/* --- what a certificate says by itself --- */

static X509 *read_certificate(GBytes *der) {
  const guint8 *data = g_bytes_get_data(der, NULL);
  X509 *certificate = d2i_X509(NULL, &data, (long)g_bytes_get_size(der));
  g_assert_nonnull(certificate);
  return certificate;
}

/* base64url without a line of the code under test. */
static char *spell(const guint8 *octets, int length) {
  g_autofree guint8 *text = g_malloc0((gsize)length * 2 + 4);
  EVP_EncodeBlock(text, octets, length);
  for (char *p = (char *)text; *p != '\0'; p++)
    *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
  return g_strdup((char *)text);
}

/* The serial's DER without tag and length: both are one octet here. */
static char *serial_part(GBytes *der) {
  guint8 *octets = NULL;
  X509 *certificate = read_certificate(der);
  int length = i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate), &octets);
  g_assert_cmpint(length, >, 2);
  char *part = spell(octets + 2, length - 2);
  OPENSSL_free(octets);
  X509_free(certificate);
  return part;
}

static char *issuer_part(GBytes *der) {
  X509 *certificate = read_certificate(der);
  const ASN1_OCTET_STRING *key = X509_get0_authority_key_id(certificate);
  char *part = spell(ASN1_STRING_get0_data(key), ASN1_STRING_length(key));
  X509_free(certificate);
  return part;
}

static char *identifier_of(GBytes *der) {
  g_autofree char *issuer = issuer_part(der), *serial = serial_part(der);
  return g_strconcat(issuer, ".", serial, NULL);
}

static gint64 seconds_of(const ASN1_TIME *time) {
  struct tm parts = {0};
  g_assert_cmpint(ASN1_TIME_to_tm(time, &parts), ==, 1);
  return timegm(&parts);
}

/* --- asking --- */

static Answer *ask(Lab *lab, const char *identifier) {
  g_autofree char *path = g_strconcat("/renewal-info/", identifier, NULL);
  return lab_get(lab, path);
}

typedef struct {
  gint64 start, end; /* seconds since 1970 */
} Window;

static gint64 read_time(const Answer *answer, const char *member) {
  json_t *window = json_object_get(answer->json, "suggestedWindow");
  const char *text = json_string_value(json_object_get(window, member));
  g_assert_true(g_str_has_suffix(text, "Z"));
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
  g_assert_nonnull(time);
  return g_date_time_to_unix(time);
}

static Window read_window(Lab *lab, const char *identifier, const char *why) {
  g_autoptr(Answer) answer = ask(lab, identifier);
  g_assert_cmpuint(answer->status, ==, 200);
  g_assert_cmpstr(lab_text(answer, "explanationURL"), ==, why);
  g_assert_cmpuint(json_object_size(answer->json), ==, why != NULL ? 2 : 1);
  Window window = {read_time(answer, "start"), read_time(answer, "end")};
  g_assert_cmpint(window.start, <, window.end);
  return window;
}

#define assert_at_once(lab, identifier, why)                                                       \
  g_assert_cmpint(read_window(lab, identifier, why).end, <=, (lab)->clock.now / CLOCK_SECOND)
#define assert_later(lab, identifier)                                                              \
  g_assert_cmpint(read_window(lab, identifier, NULL).start, >, (lab)->clock.now / CLOCK_SECOND)

static void command(Lab *lab, const char *arguments) {
  g_autoptr(GError) error = NULL;
  g_autofree char *answer = NULL;
  lab_begin(lab);
  CommandOutcome outcome = command_run(&lab->acme, 0, "renewal ask", arguments, &answer, &error);
  lab_commit(lab, TRUE);
  g_assert_no_error(error);
  g_assert_cmpint(outcome, ==, COMMAND_DONE);
}

/* One client with one certificate of alice@example.org. */
typedef struct {
  Lab *lab;
  LabClient *client;
  LabOrder *order;
  GBytes *leaf;
  char *identifier;
} Bench;

static void bench_open(Bench *bench, const char *const *overrides) {
  bench->lab = lab_new_with(overrides);
  bench->client = lab_account(bench->lab);
  bench->order = lab_ready(bench->lab, bench->client);
  lab_issue(bench->order);
  bench->leaf = lab_leaf(bench->order);
  bench->identifier = identifier_of(bench->leaf);
}

static void bench_clear(Bench *bench) {
  lab_order_free(bench->order);
  lab_client_free(bench->client);
  g_bytes_unref(bench->leaf);
  g_free(bench->identifier);
  lab_free(bench->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

/* --- renewalInfo (section 4) --- */

static void test_identifier(void) {
  gsize length = 0;
  guchar *octets = g_base64_decode(EXAMPLE, &length);
  g_autoptr(GBytes) example = g_bytes_new_take(octets, length);
  g_autofree char *identifier = identifier_of(example);
  g_assert_cmpstr(identifier, ==, EXAMPLE_IDENTIFIER);
}

static void test_window(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(Answer) directory = lab_get(bench.lab, "/directory");
  g_assert_cmpstr(lab_text(directory, "renewalInfo"), ==, LAB_URL "/renewal-info");
  X509 *certificate = read_certificate(bench.leaf);
  gint64 from = seconds_of(X509_get0_notBefore(certificate));
  gint64 life = seconds_of(X509_get0_notAfter(certificate)) - from + 1;
  X509_free(certificate);
  Window window = read_window(bench.lab, bench.identifier, NULL);
  g_assert_cmpint(life, ==, 365 * CLOCK_DAY / CLOCK_SECOND);
  g_assert_cmpint(window.start, ==, from + life / 3 * 2);
  g_assert_cmpint(window.end, <, from + life);
}

static const ConfigKey *find_key(const char *group, const char *name) {
  for (gsize i = 0; i < config_keys_count; i++)
    if (strcmp(config_keys[i].group, group) == 0 && strcmp(config_keys[i].name, name) == 0)
      return &config_keys[i];
  g_assert_not_reached();
}

/* Without signature and nonce, to be kept by caches; how often to come again. */
static void test_headers(void) {
  static const char *const minute[] = {"acme.renewal-retry", "60000", NULL};
  g_auto(Bench) bench = {0}, other = {0};
  bench_open(&bench, NULL);
  bench_open(&other, minute);
  g_assert_cmpstr(find_key("acme", "renewal-retry")->preset, ==, "6h");
  g_autoptr(Answer) answer = ask(bench.lab, bench.identifier);
  g_assert_cmpstr(lab_header(answer, "Retry-After"), ==, "21600");
  g_assert_cmpstr(lab_header(answer, "Cache-Control"), ==, "public, max-age=300");
  g_assert_cmpstr(answer->type, ==, "application/json");
  g_autoptr(Answer) sooner = ask(other.lab, other.identifier);
  g_assert_cmpstr(lab_header(sooner, "Retry-After"), ==, "60");
  g_autofree char *path = g_strconcat("/renewal-info/", bench.identifier, NULL);
  g_autoptr(Answer) posted = lab_send(bench.lab, bench.client, FALSE, path, NULL);
  assert_problem(posted, 405, "malformed");
  g_assert_cmpstr(lab_header(posted, "Allow"), ==, "GET, HEAD");
}

static void test_revoked(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  assert_later(bench.lab, bench.identifier);
  g_autoptr(Answer) done = lab_revoke(bench.lab, bench.client, FALSE, bench.leaf, NULL);
  g_assert_cmpuint(done->status, ==, 200);
  assert_at_once(bench.lab, bench.identifier, NULL);
  bench.lab->clock.now += 30 * CLOCK_DAY;
  assert_at_once(bench.lab, bench.identifier, NULL);
}

static void ask_by_serial(Bench *bench, const char *why) {
  X509 *certificate = read_certificate(bench->leaf);
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
  char *hex = BN_bn2hex(number);
  g_autofree char *arguments = g_strdup_printf("{\"serials\":[\"%s\"]%s}", hex, why);
  command(bench->lab, arguments);
  OPENSSL_free(hex);
  BN_free(number);
  X509_free(certificate);
}

static void test_asked_by_serial(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(LabOrder) order = lab_ready(bench.lab, bench.client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autofree char *untouched = identifier_of(leaf);
  ask_by_serial(&bench, ",\"why\":\"" WHY "\"");
  assert_at_once(bench.lab, bench.identifier, WHY);
  assert_later(bench.lab, untouched);
  ask_by_serial(&bench, ""); /* the last word counts */
  assert_at_once(bench.lab, bench.identifier, NULL);
}

static void test_asked_by_time(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  command(bench.lab, "{\"issued-before\":\"2026-03-01T00:00:00Z\"}"); /* when it was issued */
  assert_later(bench.lab, bench.identifier);
  bench.lab->clock.now += CLOCK_SECOND;
  g_autoptr(LabOrder) order = lab_ready(bench.lab, bench.client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autofree char *later = identifier_of(leaf);
  command(bench.lab, "{\"issued-before\":\"2026-03-01T00:00:01Z\",\"why\":\"" WHY "\"}");
  assert_at_once(bench.lab, bench.identifier, WHY);
  assert_later(bench.lab, later);
}

/* @I@ and @S@ are the parts of a certificate that there is. */
static const struct {
  const char *template;
  guint status;
} wrong[] = {
    {"@I@", 400},
    {"@S@", 400},
    {"@I@.@S@.@S@", 400},
    {"@I@.@S@.", 400},
    {"@I@=.@S@", 400},
    {"@I@.@S@==", 400},
    {"@I@.@S@%3D", 400},
    {"@I@ .@S@", 400},
    {"@I@.++++", 400},
    {"@I@.A", 400},
    {"@I@.AB", 400},
    {"@I@@S@", 400},
    {"@S@.@I@", 404},
    {"@I@.", 404},
    {".@S@", 404},
    {".", 404},
    {"@I@.AQID", 404},
    {"@I@.@ZERO@", 404},
    {"@I@.@LONG@", 404},
    {EXAMPLE_IDENTIFIER, 404},
    {"AAAA.@S@", 404},
    {"@I@A.@S@", 404},
    {"", 404},
    {"@I@/@S@", 404},
};

static char *fill(const char *template, GBytes *leaf) {
  GString *text = g_string_new(template);
  g_autofree char *issuer = issuer_part(leaf), *serial = serial_part(leaf);
  g_autoptr(GBytes) octets = base64url_decode(serial);
  gsize size = g_bytes_get_size(octets);
  guint8 zero[32] = {0}, more[32] = {0};
  memcpy(zero + 1, g_bytes_get_data(octets, NULL), size);
  memcpy(more, g_bytes_get_data(octets, NULL), size);
  g_autofree char *with_zero = spell(zero, (int)size + 1), *longer = spell(more, (int)size + 1);
  g_string_replace(text, "@I@", issuer, 0);
  g_string_replace(text, "@S@", serial, 0);
  g_string_replace(text, "@ZERO@", with_zero, 0);
  g_string_replace(text, "@LONG@", longer, 0);
  return g_string_free(text, FALSE);
}

/* A serial with an octet of zero in front is not the one that DER writes. */
static void test_wrong_identifiers(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autofree char *identifier = fill(wrong[i].template, bench.leaf);
    g_test_message("%s", identifier);
    g_autoptr(Answer) answer = ask(bench.lab, identifier);
    assert_problem(answer, wrong[i].status, "malformed");
    g_assert_cmpstr(lab_header(answer, "Cache-Control"), ==, "no-store");
    g_assert_null(lab_header(answer, "Retry-After"));
  }
}

/* --- replaces (section 5) --- */

static Answer *order_with(Lab *lab, LabClient *client, const char *address, const char *more) {
  g_autofree char *payload =
      g_strdup_printf("{\"identifiers\":[{\"type\":\"email\",\"value\":\"%s\"}]%s}", address, more);
  return lab_send(lab, client, FALSE, "/new-order", payload);
}

static Answer *replace_with(Lab *lab, LabClient *client, const char *address,
                            const char *identifier) {
  g_autofree char *more = g_strdup_printf(",\"replaces\":\"%s\"", identifier);
  return order_with(lab, client, address, more);
}

static Answer *replace(Bench *bench) {
  return replace_with(bench->lab, bench->client, "alice@example.org", bench->identifier);
}

static void assert_taken(Bench *bench, const Answer *answer) {
  g_assert_cmpuint(answer->status, ==, 201);
  g_assert_cmpstr(lab_text(answer, "replaces"), ==, bench->identifier);
  g_autoptr(Answer) shown = lab_post(bench->lab, bench->client, answer->location, NULL);
  g_assert_cmpstr(lab_text(shown, "replaces"), ==, bench->identifier);
}

static void assert_replaced(Bench *bench) {
  gint64 orders = lab_count(bench->lab, "SELECT count(*) FROM orders");
  g_autoptr(Answer) refused = replace(bench);
  assert_problem(refused, 409, "alreadyReplaced");
  g_assert_cmpint(lab_count(bench->lab, "SELECT count(*) FROM orders"), ==, orders);
}

/* An order without replaces says nothing of it. */
static void test_replaces(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(Answer) plain = lab_post(bench.lab, bench.client, bench.order->order, NULL);
  g_assert_null(json_object_get(plain->json, "replaces"));
  g_autoptr(Answer) taken = replace(&bench);
  assert_taken(&bench, taken);
  assert_replaced(&bench);
  lab_restart(bench.lab);
  assert_replaced(&bench);
}

/* What a renewal is spared: the limits of new orders. */
static void test_limits(void) {
  static const char *const one[] = {"limits.orders-per-account", "1/3600000",
                                    "limits.orders-per-network", "1/3600000", NULL};
  g_auto(Bench) bench = {0};
  bench_open(&bench, one);
  g_autoptr(Answer) plain = order_with(bench.lab, bench.client, "alice@example.org", "");
  assert_problem(plain, 429, "rateLimited");
  g_autoptr(Answer) renewal = replace(&bench);
  assert_taken(&bench, renewal);
  g_autoptr(Answer) again = order_with(bench.lab, bench.client, "alice@example.org", "");
  assert_problem(again, 429, "rateLimited");
}

/* The successor goes its whole way, and its own certificate can be replaced in turn. */
static void test_chain(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(Answer) taken = replace(&bench);
  g_autoptr(LabOrder) successor = lab_order_from(bench.lab, bench.client, taken);
  lab_order_read(successor);
  lab_validate(successor, 0);
  assert_replaced(&bench); /* ready */
  g_autoptr(Answer) finalized = lab_finalize(successor);
  g_assert_cmpstr(lab_text(finalized, "status"), ==, "processing");
  assert_replaced(&bench);
  lab_answer_caa(bench.lab, RESOLVER_NONE, NULL);
  lab_answer_build(bench.lab);
  lab_answer_sign(bench.lab);
  bench.lab->clock.now += 100 * CLOCK_DAY; /* valid, and its expires long past */
  lab_run(bench.lab, JOB_SWEEP);
  assert_replaced(&bench);
  g_autoptr(Answer) shown = lab_post(bench.lab, bench.client, successor->order, NULL);
  g_assert_cmpstr(lab_text(shown, "replaces"), ==, bench.identifier);
  g_autoptr(GBytes) leaf = lab_leaf(successor);
  g_autofree char *next = identifier_of(leaf);
  g_autoptr(Answer) third = replace_with(bench.lab, bench.client, "alice@example.org", next);
  g_assert_cmpuint(third->status, ==, 201);
  g_assert_cmpstr(lab_text(third, "replaces"), ==, next);
}

static void test_free_when_invalid(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(Answer) taken = replace(&bench);
  g_autoptr(LabOrder) first = lab_order_from(bench.lab, bench.client, taken);
  g_autoptr(Answer) deactivated = lab_post(bench.lab, bench.client, first->authorizations->pdata[0],
                                           "{\"status\":\"deactivated\"}");
  assert_status(first, first->order, "invalid");
  g_autoptr(Answer) again = replace(&bench);
  assert_taken(&bench, again);
  assert_replaced(&bench);
  /* The one that ended still says what it was for. */
  g_autoptr(Answer) shown = lab_post(bench.lab, bench.client, first->order, NULL);
  g_assert_cmpstr(lab_text(shown, "replaces"), ==, bench.identifier);
}

static void test_free_when_failed(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(Answer) taken = replace(&bench);
  g_autoptr(LabOrder) first = lab_order_from(bench.lab, bench.client, taken);
  lab_order_read(first);
  lab_validate(first, 0);
  g_autoptr(Answer) finalized = lab_finalize(first);
  lab_answer_caa(bench.lab, RESOLVER_FOUND, ";");
  assert_status(first, first->order, "invalid");
  g_autoptr(Answer) again = replace(&bench);
  assert_taken(&bench, again);
}

/* Expired, whether or not the sweep has come by. */
static void test_free_when_expired(gconstpointer by_sweep) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(Answer) taken = replace(&bench);
  bench.lab->clock.now += 72 * CLOCK_HOUR - 1;
  assert_replaced(&bench);
  bench.lab->clock.now += 1;
  if (by_sweep != NULL)
    lab_run(bench.lab, JOB_SWEEP);
  g_autoptr(Answer) again = replace(&bench);
  assert_taken(&bench, again);
  g_autoptr(Answer) shown = lab_post(bench.lab, bench.client, taken->location, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
}

/* Account, mailboxes and identifier; nothing of it marks the certificate as replaced. */
static void test_not_ones_own(void) {
  static const char *const values[] = {"", "a", EXAMPLE_IDENTIFIER};
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autoptr(LabClient) other = lab_account(bench.lab);
  g_autoptr(Answer) foreign = replace_with(bench.lab, other, "alice@example.org", bench.identifier);
  assert_problem(foreign, 400, "malformed");
  g_autoptr(Answer) stranger =
      replace_with(bench.lab, bench.client, "bob@example.org", bench.identifier);
  assert_problem(stranger, 400, "malformed");
  g_autoptr(Answer) number =
      order_with(bench.lab, bench.client, "alice@example.org", ",\"replaces\":1");
  assert_problem(number, 400, "malformed");
  for (gsize i = 0; i < G_N_ELEMENTS(values) + G_N_ELEMENTS(wrong); i++) {
    g_autofree char *identifier =
        fill(i < G_N_ELEMENTS(values) ? values[i] : wrong[i - G_N_ELEMENTS(values)].template,
             bench.leaf);
    g_autoptr(Answer) refused =
        replace_with(bench.lab, bench.client, "alice@example.org", identifier);
    g_test_message("%s", identifier);
    assert_problem(refused, 400, "malformed");
  }
  /* Nobody learns by the words that there is such a certificate. */
  g_autoptr(Answer) unknown =
      replace_with(bench.lab, other, "alice@example.org", EXAMPLE_IDENTIFIER);
  g_assert_cmpstr(foreign->text, ==, unknown->text);
  g_autoptr(Answer) taken = replace(&bench);
  assert_taken(&bench, taken);
}

/* One common mailbox is enough; its case and the order of the list do not count. */
static void test_common_mailbox(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench, NULL);
  g_autofree char *payload =
      g_strdup_printf("{\"identifiers\":[{\"type\":\"email\",\"value\":\"bob@example.org\"},"
                      "{\"type\":\"email\",\"value\":\"ALICE@Example.org\"}],\"replaces\":\"%s\"}",
                      bench.identifier);
  g_autoptr(Answer) taken = lab_send(bench.lab, bench.client, FALSE, "/new-order", payload);
  assert_taken(&bench, taken);
}

/* Its octets are decided, its signature is not there yet: no certificate for anybody. */
static void test_not_issued(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) finalized = lab_finalize(order);
  g_auto(Question) question = {0};
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &question);
  g_autofree char *identifier = identifier_of(lab_certificate(lab, &question));
  g_autoptr(Answer) asked = ask(lab, identifier);
  assert_problem(asked, 404, "malformed");
  g_autoptr(Answer) replaced = replace_with(lab, client, "alice@example.org", identifier);
  assert_problem(replaced, 400, "malformed");
  lab_signed(lab, &question);
  assert_later(lab, identifier);
}

#define TEST(path, function) g_test_add_func("/acme/renewal/" path, function)
#define TEST_WITH(path, function, data) g_test_add_data_func("/acme/renewal/" path, data, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("info/identifier", test_identifier);
  TEST("info/window", test_window);
  TEST("info/headers", test_headers);
  TEST("info/revoked", test_revoked);
  TEST("info/asked-by-serial", test_asked_by_serial);
  TEST("info/asked-by-time", test_asked_by_time);
  TEST("info/wrong-identifiers", test_wrong_identifiers);
  TEST("info/not-issued", test_not_issued);
  TEST("replaces/echoed-once", test_replaces);
  TEST("replaces/limits", test_limits);
  TEST("replaces/chain", test_chain);
  TEST("replaces/free-when-invalid", test_free_when_invalid);
  TEST("replaces/free-when-failed", test_free_when_failed);
  TEST_WITH("replaces/free-when-expired", test_free_when_expired, NULL);
  TEST_WITH("replaces/free-when-swept", test_free_when_expired, "sweep");
  TEST("replaces/not-ones-own", test_not_ones_own);
  TEST("replaces/common-mailbox", test_common_mailbox);
  return g_test_run();
}
