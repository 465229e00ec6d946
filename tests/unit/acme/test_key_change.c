/* SPDX-License-Identifier: Apache-2.0 */
/* Account key rollover (RFC 8555 section 7.3.5, security.md 6). Each row of the table differs in
   one thing from a key change that is taken. */
#include "tests/unit/acme/harness.h"

#include "ca/key.h"

#define URL LAB_URL "/key-change"
#define MALFORMED "malformed", 400
#define BAD_KEY "badPublicKey", 400
#define UNAUTHORIZED "unauthorized", 403

/* @KID@, @OTHER@ (another account's URL), @NEW@, @OLD@, @OTHERKEY@,
   @PRIVATE@ (OLD with a private part) are filled in. NULL: as in a good request. */
typedef struct {
  const char *name;
  const char *type; /* of the problem */
  guint status;
  const char *header, *payload, *message; /* of the inner JWS */
  gboolean by_old, flipped;               /* how it is signed */
} Case;

#define HEADER(alg, url, more) "{\"alg\":" alg ",\"url\":" url ",\"jwk\":@NEW@" more "}"
#define ES "\"ES256\""
#define U "\"" URL "\""
#define PAYLOAD(account, old) "{\"account\":" account ",\"oldKey\":" old "}"
#define KID "\"@KID@\""

static const Case cases[] = {
    /* the inner JWS */
    {"no JWS", MALFORMED, .message = "{}"},
    {"no signature", MALFORMED, .message = "{\"protected\":\"@P@\",\"payload\":\"@D@\"}"},
    {"general form", MALFORMED,
     .message = "{\"payload\":\"@D@\",\"signatures\":[{\"protected\":\"@P@\",\"signature\":\"@S@\"}"
                "]}"},
    {"unprotected header", MALFORMED,
     .message = "{\"protected\":\"@P@\",\"payload\":\"@D@\",\"signature\":\"@S@\",\"header\":{}}"},
    {"padded", MALFORMED,
     .message = "{\"protected\":\"@P@=\",\"payload\":\"@D@\",\"signature\":\"@S@\"}"},
    {"by the old key", MALFORMED, .by_old = TRUE},
    {"signature changed", MALFORMED, .flipped = TRUE},

    /* its header */
    {"no header", MALFORMED, .header = "[]"},
    {"no jwk", MALFORMED, .header = "{\"alg\":" ES ",\"url\":" U "}"},
    {"kid", MALFORMED, .header = "{\"alg\":" ES ",\"url\":" U ",\"kid\":" KID "}"},
    {"jwk and kid", MALFORMED, .header = HEADER(ES, U, ",\"kid\":" KID)},
    {"nonce", MALFORMED, .header = HEADER(ES, U, ",\"nonce\":\"@NONCE@\"")},
    {"nonce null", MALFORMED, .header = HEADER(ES, U, ",\"nonce\":null")},
    {"crit", MALFORMED, .header = HEADER(ES, U, ",\"crit\":[\"exp\"]")},
    {"no url", MALFORMED, .header = "{\"alg\":" ES ",\"jwk\":@NEW@}"},
    {"no alg", MALFORMED, .header = "{\"url\":" U ",\"jwk\":@NEW@}"},
    {"url of another resource", UNAUTHORIZED,
     .header = HEADER(ES, "\"" LAB_URL "/new-account\"", "")},
    {"url of another server", UNAUTHORIZED,
     .header = HEADER(ES, "\"https://other.example/base/key-change\"", "")},
    {"alg none", "badSignatureAlgorithm", 400, .header = HEADER("\"none\"", U, "")},
    {"alg HS256", "badSignatureAlgorithm", 400, .header = HEADER("\"HS256\"", U, "")},
    {"alg of another key", BAD_KEY, .header = HEADER("\"RS256\"", U, "")},
    {"no key", BAD_KEY, .header = "{\"alg\":" ES ",\"url\":" U ",\"jwk\":{}}"},
    {"private key", BAD_KEY, .header = "{\"alg\":" ES ",\"url\":" U ",\"jwk\":@PRIVATE@}"},

    /* the keyChange object */
    {"empty payload", MALFORMED, .payload = ""},
    {"payload array", MALFORMED, .payload = "[]"},
    {"payload member twice", MALFORMED, .payload = PAYLOAD(KID, "@OLD@,\"account\":" KID)},
    {"no account", MALFORMED, .payload = "{\"oldKey\":@OLD@}"},
    {"no oldKey", MALFORMED, .payload = "{\"account\":" KID "}"},
    {"account null", MALFORMED, .payload = PAYLOAD("null", "@OLD@")},
    {"account a list", MALFORMED, .payload = PAYLOAD("[" KID "]", "@OLD@")},
    {"oldKey a text", MALFORMED, .payload = PAYLOAD(KID, "\"x\"")},
    {"oldKey none", MALFORMED, .payload = PAYLOAD(KID, "{\"kty\":\"oct\"}")},
    {"oldKey private", MALFORMED, .payload = PAYLOAD(KID, "@PRIVATE@")},
    {"account of another", UNAUTHORIZED, .payload = PAYLOAD("\"@OTHER@\"", "@OLD@")},
    {"account and more", UNAUTHORIZED, .payload = PAYLOAD("\"@KID@/\"", "@OLD@")},
    {"account unknown", UNAUTHORIZED,
     .payload = PAYLOAD("\"" LAB_URL "/account/AAAAAAAAAAAAAAAAAAAAAA\"", "@OLD@")},
    {"account empty", UNAUTHORIZED, .payload = PAYLOAD("\"\"", "@OLD@")},
    {"oldKey of another", UNAUTHORIZED, .payload = PAYLOAD(KID, "@OTHERKEY@")},
    {"oldKey is the new one", UNAUTHORIZED, .payload = PAYLOAD(KID, "@NEW@")},
};

typedef struct {
  Lab *lab;
  LabClient *client, *other, *next; /* next: the new key, without account */
} Bench;

static void bench_open(Bench *bench) {
  bench->lab = lab_new();
  bench->client = lab_account(bench->lab);
  bench->other = lab_account(bench->lab);
  bench->next = lab_client_of(lab_key("P-256"));
}

static void bench_clear(Bench *bench) {
  lab_client_free(bench->client);
  lab_client_free(bench->other);
  lab_client_free(bench->next);
  lab_free(bench->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

static void put_json(GString *text, const char *name, const json_t *value) {
  g_autofree char *dumped = lab_dump(value);
  g_string_replace(text, name, dumped, 0);
}

static char *filled(Bench *bench, const char *template) {
  GString *text = g_string_new(template);
  g_autofree char *nonce = lab_nonce(bench->lab);
  json_t *private = json_copy(bench->client->jwk);
  json_object_set_new(private, "d", json_string("AA"));
  put_json(text, "@NEW@", bench->next->jwk);
  put_json(text, "@OLD@", bench->client->jwk);
  put_json(text, "@OTHERKEY@", bench->other->jwk);
  put_json(text, "@PRIVATE@", private);
  g_string_replace(text, "@KID@", bench->client->kid, 0);
  g_string_replace(text, "@OTHER@", bench->other->kid, 0);
  g_string_replace(text, "@NONCE@", nonce, 0);
  json_decref(private);
  return g_string_free(text, FALSE);
}

static char *inner_text(const char *template, const char *header, const char *payload,
                        GBytes *signature) {
  GString *text = g_string_new(template != NULL ? template
                                                : "{\"protected\":\"@P@\",\"payload\":\"@D@\","
                                                  "\"signature\":\"@S@\"}");
  g_autofree char *encoded =
      base64url_encode(g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
  g_string_replace(text, "@P@", header, 0);
  g_string_replace(text, "@D@", payload, 0);
  g_string_replace(text, "@S@", encoded, 0);
  return g_string_free(text, FALSE);
}

static GBytes *sign(Bench *bench, const Case *c, const char *input) {
  GBytes *signature = lab_sign(c->by_old ? bench->client->key : bench->next->key, input);
  if (!c->flipped)
    return signature;
  gsize size = 0;
  guint8 *octets = g_bytes_unref_to_data(signature, &size);
  octets[size - 1] ^= 1;
  return g_bytes_new_take(octets, size);
}

/* The payload of the request that the row describes. */
static char *request_of(Bench *bench, const Case *c) {
  g_autofree char *alg = g_strdup_printf("\"%s\"", bench->next->algorithm);
  g_autofree char *usual = g_strdup_printf(HEADER("%s", U, ""), alg);
  g_autofree char *header = filled(bench, c->header != NULL ? c->header : usual);
  g_autofree char *payload = filled(bench, c->payload != NULL ? c->payload : PAYLOAD(KID, "@OLD@"));
  g_autofree char *encoded_header = lab_encode(header);
  g_autofree char *encoded_payload = lab_encode(payload);
  g_autofree char *input = g_strconcat(encoded_header, ".", encoded_payload, NULL);
  g_autoptr(GBytes) signature = sign(bench, c, input);
  return inner_text(c->message, encoded_header, encoded_payload, signature);
}

static Answer *post(Bench *bench, const Case *c) {
  g_autofree char *payload = request_of(bench, c);
  return lab_send(bench->lab, bench->client, FALSE, "/key-change", payload);
}

static void check(Bench *bench, const Case *c) {
  gint64 records = lab_count(bench->lab, "SELECT count(*) FROM audit");
  g_test_message("%s", c->name);
  g_autoptr(Answer) answer = post(bench, c);
  g_autofree char *urn = g_strconcat(LAB_URN, c->type, NULL);
  g_assert_cmpstr(lab_text(answer, "type"), ==, urn);
  g_assert_cmpuint(answer->status, ==, c->status);
  g_assert_cmpint(lab_count(bench->lab, "SELECT count(*) FROM audit"), ==, records);
  g_autoptr(Answer) still = lab_post(bench->lab, bench->client, bench->client->kid, NULL);
  g_assert_cmpuint(still->status, ==, 200);
}

static void test_table(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    check(&bench, &cases[i]);
  g_autoptr(Answer) none = lab_send(bench.lab, bench.client, FALSE, "/key-change", NULL);
  assert_problem(none, 400, "malformed");
}

/* To a key of each type, one after the other; the key before is dead at once, the account and its
   orders stay. */
static void test_changed(void) {
  static const Case good = {.name = "good"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  LabOrder *order = lab_order(bench.lab, bench.client);
  for (gsize i = 0; i < G_N_ELEMENTS(lab_key_types); i++) {
    lab_client_free(bench.next);
    bench.next = lab_client_of(lab_key(lab_key_types[i].type));
    g_autoptr(Answer) answer = post(&bench, &good);
    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_cmpstr(lab_text(answer, "status"), ==, "valid");
    g_assert_cmpstr(answer->location, ==, bench.client->kid);
    bench.next->kid = g_strdup(bench.client->kid);
    g_autoptr(Answer) old = lab_post(bench.lab, bench.client, bench.client->kid, NULL);
    g_assert_cmpuint(old->status, ==, 400);
    g_autoptr(Answer) old_key =
        lab_send(bench.lab, bench.client, TRUE, "/new-account", "{\"onlyReturnExisting\":true}");
    assert_problem(old_key, 400, "accountDoesNotExist");
    g_autoptr(Answer) new_key =
        lab_send(bench.lab, bench.next, TRUE, "/new-account", "{\"onlyReturnExisting\":true}");
    g_assert_cmpstr(new_key->location, ==, bench.client->kid);
    g_assert_cmpint(lab_count(bench.lab, "SELECT count(*) FROM audit WHERE kind ="
                                         " 'account key changed'"),
                    ==, (gint64)i + 1);
    LabClient *dead = bench.client;
    bench.client = bench.next;
    bench.next = dead;
  }
  order->client = bench.client;
  assert_statuses(order, "pending", "pending", "pending");
  lab_order_free(order);
}

/* A reply that was due before the change counts with the key of then; one of a later challenge does
   not. */
static void test_pending_reply(void) {
  static const Case good = {.name = "good"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabOrder) before = lab_order(bench.lab, bench.client);
  LabReply due = lab_right_reply(before, 0);
  bench.lab->clock.now += CLOCK_MINUTE;
  g_autoptr(Answer) changed = post(&bench, &good);
  g_assert_cmpuint(changed->status, ==, 200);
  bench.next->kid = g_strdup(bench.client->kid);
  before->client = bench.next;
  bench.lab->clock.now += CLOCK_MINUTE;
  g_autoptr(Answer) responded = lab_challenge(before, 0, "{}");
  g_assert_cmpuint(responded->status, ==, 200);
  lab_give_reply(before, 0, &due);
  assert_statuses(before, "ready", "valid", "valid");

  g_autoptr(LabOrder) after = lab_order(bench.lab, bench.next);
  after->client = bench.client;
  LabReply wrong = lab_right_reply(after, 0);
  after->client = bench.next;
  lab_give_reply(after, 0, &wrong);
  assert_statuses(after, "invalid", "invalid", "invalid");
  lab_reply_clear(&due);
  lab_reply_clear(&wrong);
}

static void test_audit(void) {
  static const Case good = {.name = "good"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autofree char *why = NULL;
  g_autoptr(Jwk) from = jwk_parse(bench.client->jwk, &why);
  g_autoptr(Jwk) to = jwk_parse(bench.next->jwk, &why);
  g_autoptr(Answer) answer = post(&bench, &good);
  g_autofree char *detail =
      lab_column(bench.lab, "SELECT detail FROM audit WHERE kind = ?1", "account key changed");
  g_autofree char *expected =
      g_strdup_printf("from=\"%s\" to=\"%s\"", from->thumbprint_text, to->thumbprint_text);
  g_assert_cmpstr(detail, ==, expected);
}

/* 409 with the URL of the account that has the key: another, the same, a deactivated one. */
static void test_in_use(void) {
  static const Case good = {.name = "good"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  LabClient *const holders[] = {bench.other, bench.client, bench.other};
  LabClient *next = bench.next;
  for (gsize i = 0; i < G_N_ELEMENTS(holders); i++) {
    bench.next = holders[i];
    g_autoptr(Answer) answer = post(&bench, &good);
    assert_problem(answer, 409, "malformed");
    g_assert_cmpstr(answer->location, ==, holders[i]->kid);
    if (i == 1) {
      g_autoptr(Answer) gone =
          lab_post(bench.lab, bench.other, bench.other->kid, "{\"status\":\"deactivated\"}");
      g_assert_cmpuint(gone->status, ==, 200);
    }
  }
  bench.next = next;
}

/* The policy of newAccount holds for the new key too. */
static void test_policy(void) {
  static const Case good = {.name = "good"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  LabClient *next = bench.next;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  BIGNUM *three = BN_new();
  EVP_PKEY *key = NULL;
  BN_set_word(three, 3);
  g_assert_cmpint(EVP_PKEY_keygen_init(context), ==, 1);
  g_assert_cmpint(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, three), ==, 1);
  g_assert_cmpint(EVP_PKEY_keygen(context, &key), ==, 1);
  bench.next = lab_client_of(key);
  g_autoptr(Answer) small = post(&bench, &good);
  assert_problem(small, 400, "badPublicKey");
  lab_client_free(bench.next);
  bench.next = next;
  EVP_PKEY_CTX_free(context);
  BN_free(three);
  g_autofree char *why = NULL;
  g_autoptr(Jwk) jwk = jwk_parse(next->jwk, &why);
  g_autoptr(GBytes) spki = jwk_spki(jwk);
  g_autoptr(GBytes) digest = key_digest(spki);
  g_autofree char *hex = g_malloc0(65);
  for (gsize i = 0; i < 32; i++)
    g_snprintf(hex + 2 * i, 3, "%02x", ((const guint8 *)g_bytes_get_data(digest, NULL))[i]);
  g_autofree char *sql = g_strdup_printf(
      "INSERT INTO blocked_key (digest, at, why) VALUES (x'%s', 1, 'keyCompromise')", hex);
  lab_sql(bench.lab, sql);
  g_autoptr(Answer) blocked = post(&bench, &good);
  assert_problem(blocked, 400, "badPublicKey");
}

/* A key that an account had is no certificate's (RFC 8555 section 11.1). */
static void test_former_key_certified(void) {
  static const Case good = {.name = "good"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(Answer) changed = post(&bench, &good);
  g_assert_cmpuint(changed->status, ==, 200);
  bench.next->kid = g_strdup(bench.client->kid);
  LabOrder *order = lab_ready(bench.lab, bench.next);
  g_autoptr(Answer) former = lab_finalize_with(order, bench.client->key, "email:alice@example.org");
  assert_problem(former, 400, "badCSR");
  g_assert_nonnull(strstr(lab_text(former, "detail"), "is an account's key"));
  g_autoptr(Answer) present = lab_finalize_with(order, bench.next->key, "email:alice@example.org");
  assert_problem(present, 400, "badCSR");
  lab_order_free(order);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/key_change/table", test_table);
  g_test_add_func("/acme/key_change/changed", test_changed);
  g_test_add_func("/acme/key_change/pending-reply", test_pending_reply);
  g_test_add_func("/acme/key_change/audit", test_audit);
  g_test_add_func("/acme/key_change/in-use", test_in_use);
  g_test_add_func("/acme/key_change/former-key-certified", test_former_key_certified);
  g_test_add_func("/acme/key_change/policy", test_policy);
  return g_test_run();
}
