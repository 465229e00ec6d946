/* SPDX-License-Identifier: Apache-2.0 */
/* External account binding (RFC 8555 section 7.3.4, security.md 5). Each row of the table differs
   in one thing from a binding that is taken. */
#include "tests/unit/acme/harness.h"

#include "acme/external_account.h"

#define URL LAB_URL "/new-account"
#define MALFORMED PROBLEM_MALFORMED, 400
#define UNAUTHORIZED PROBLEM_UNAUTHORIZED, 403
#define ALGORITHM PROBLEM_BAD_SIGNATURE_ALGORITHM, 400
#define GOOD PROBLEM_COUNT, 0

typedef enum { MAC_RIGHT, MAC_WRONG_KEY, MAC_CUT, MAC_LONGER, MAC_EMPTY, MAC_BY_ACCOUNT } Mac;

/* @KID@, @REVOKED@, @BOUND@ (kids), @JWK@, @OTHERKEY@ are filled in. NULL: as in a good one. */
typedef struct {
  const char *name;
  ProblemType type;
  guint status;
  const char *header, *payload, *message;
  Mac mac;
} Case;

#define HEADER(alg, kid, url, more) "{\"alg\":" alg ",\"kid\":" kid ",\"url\":" url more "}"
#define HS "\"HS256\""
#define KID "\"@KID@\""
#define U "\"" URL "\""
#define NOBODYS "\"AAAAAAAAAAAAAAAAAAAAAA\""

static const Case cases[] = {
    {"good", GOOD, .header = NULL},
    {"good, HS384", GOOD, .header = HEADER("\"HS384\"", KID, U, "")},
    {"good, HS512", GOOD, .header = HEADER("\"HS512\"", KID, U, "")},
    {"good, key with more members", GOOD, .payload = "@NAMEDJWK@"},

    {"text", MALFORMED, .message = "\"x\""},
    {"list", MALFORMED, .message = "[]"},
    {"empty", MALFORMED, .message = "{}"},
    {"general form", MALFORMED,
     .message = "{\"payload\":\"@D@\",\"signatures\":[{\"protected\":\"@P@\",\"signature\":\"@S@\"}"
                "]}"},
    {"unprotected header", MALFORMED,
     .message = "{\"protected\":\"@P@\",\"payload\":\"@D@\",\"signature\":\"@S@\",\"header\":{}}"},
    {"no payload", MALFORMED, .message = "{\"protected\":\"@P@\",\"signature\":\"@S@\"}"},
    {"padded", MALFORMED,
     .message = "{\"protected\":\"@P@\",\"payload\":\"@D@\",\"signature\":\"@S@=\"}"},

    {"header array", MALFORMED, .header = "[]"},
    {"no alg", MALFORMED, .header = "{\"kid\":" KID ",\"url\":" U "}"},
    {"no kid", MALFORMED, .header = "{\"alg\":" HS ",\"url\":" U "}"},
    {"no url", MALFORMED, .header = "{\"alg\":" HS ",\"kid\":" KID "}"},
    {"kid number", MALFORMED, .header = HEADER(HS, "1", U, "")},
    {"nonce", MALFORMED, .header = HEADER(HS, KID, U, ",\"nonce\":\"AAAA\"")},
    {"jwk beside kid", MALFORMED, .header = HEADER(HS, KID, U, ",\"jwk\":@JWK@")},
    {"jwk alone", MALFORMED, .header = "{\"alg\":" HS ",\"url\":" U ",\"jwk\":@JWK@}"},
    {"crit", MALFORMED, .header = HEADER(HS, KID, U, ",\"crit\":[\"x\"]")},
    {"none", ALGORITHM, .header = HEADER("\"none\"", KID, U, ""), .mac = MAC_EMPTY},
    {"ES256", ALGORITHM, .header = HEADER("\"ES256\"", KID, U, ""), .mac = MAC_BY_ACCOUNT},
    {"HS1", ALGORITHM, .header = HEADER("\"HS1\"", KID, U, "")},
    {"hs256", ALGORITHM, .header = HEADER("\"hs256\"", KID, U, "")},

    {"unknown kid", UNAUTHORIZED, .header = HEADER(HS, NOBODYS, U, "")},
    {"kid is no id", UNAUTHORIZED, .header = HEADER(HS, "\"ann\"", U, "")},
    {"kid empty", UNAUTHORIZED, .header = HEADER(HS, "\"\"", U, "")},
    {"kid and more", UNAUTHORIZED, .header = HEADER(HS, "\"@KID@=\"", U, "")},
    {"MAC with another key", UNAUTHORIZED, .mac = MAC_WRONG_KEY},
    {"MAC cut", UNAUTHORIZED, .mac = MAC_CUT},
    {"MAC longer", UNAUTHORIZED, .mac = MAC_LONGER},
    {"MAC empty", UNAUTHORIZED, .mac = MAC_EMPTY},
    {"signed by the account's key", UNAUTHORIZED, .mac = MAC_BY_ACCOUNT},
    {"revoked", UNAUTHORIZED, .header = HEADER(HS, "\"@REVOKED@\"", U, "")},
    {"bound", UNAUTHORIZED, .header = HEADER(HS, "\"@BOUND@\"", U, "")},

    {"url of another resource", UNAUTHORIZED,
     .header = HEADER(HS, KID, "\"" LAB_URL "/new-order\"", "")},
    {"url of another server", UNAUTHORIZED,
     .header = HEADER(HS, KID, "\"https://other.example/base/new-account\"", "")},
    {"payload empty", MALFORMED, .payload = ""},
    {"payload text", MALFORMED, .payload = "\"x\""},
    {"payload no key", MALFORMED, .payload = "{}"},
    {"payload private key", MALFORMED, .payload = "@PRIVATE@"},
    {"payload another key", UNAUTHORIZED, .payload = "@OTHERKEY@"},
};

typedef struct {
  Lab *lab;
  LabClient *client, *other;
  Jwk *key; /* of client */
  GBytes *mac_key, *wrong_key;
  char *kid, *revoked, *bound;
} Bench;

static char *insert(Bench *bench, const char *then) {
  char text[ID_TEXT];
  ExternalAccountKey row = {.id = acme_id(&bench->lab->acme, LAB_NOW),
                            .mac_key = bench->mac_key,
                            .note = (char *)"",
                            .identifiers = (char *)"[]",
                            .profiles = (char *)"[]",
                            .created_at = LAB_NOW};
  LAB_TURN(bench->lab, external_account_key_insert(bench->lab->acme.store, &row, NULL));
  if (strcmp(then, "revoke") == 0)
    LAB_TURN(bench->lab, external_account_key_revoke(bench->lab->acme.store, &row.id, LAB_NOW,
                                                     NULL) == STORE_CHANGED);
  if (strcmp(then, "bind") == 0)
    LAB_TURN(bench->lab, external_account_key_bind(bench->lab->acme.store, &row.id, &row.id,
                                                   NULL) == STORE_CHANGED);
  return g_strdup(id_text(&row.id, text));
}

static void bench_open(Bench *bench) {
  guint8 octets[64];
  g_autofree char *why = NULL;
  lab_random(octets, sizeof(octets));
  bench->lab = lab_new();
  bench->client = lab_client_of(lab_key("P-256"));
  bench->other = lab_account(bench->lab);
  bench->key = jwk_parse(bench->client->jwk, &why);
  bench->mac_key = g_bytes_new(octets, 32);
  bench->wrong_key = g_bytes_new(octets + 32, 32);
  bench->kid = insert(bench, "");
  bench->revoked = insert(bench, "revoke");
  bench->bound = insert(bench, "bind");
}

static void bench_clear(Bench *bench) {
  lab_client_free(bench->client);
  lab_client_free(bench->other);
  jwk_unref(bench->key);
  g_bytes_unref(bench->mac_key);
  g_bytes_unref(bench->wrong_key);
  g_free(bench->kid);
  g_free(bench->revoked);
  g_free(bench->bound);
  lab_free(bench->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

static void put_json(GString *text, const char *name, const json_t *value) {
  g_autofree char *dumped = lab_dump(value);
  g_string_replace(text, name, dumped, 0);
}

static char *filled(Bench *bench, const char *template) {
  GString *text = g_string_new(template);
  json_t *private = json_copy(bench->client->jwk), *named = json_copy(bench->client->jwk);
  json_object_set_new(private, "d", json_string("AA"));
  json_object_set_new(named, "kid", json_string("x"));
  put_json(text, "@JWK@", bench->client->jwk);
  put_json(text, "@OTHERKEY@", bench->other->jwk);
  put_json(text, "@PRIVATE@", private);
  put_json(text, "@NAMEDJWK@", named);
  g_string_replace(text, "@KID@", bench->kid, 0);
  g_string_replace(text, "@REVOKED@", bench->revoked, 0);
  g_string_replace(text, "@BOUND@", bench->bound, 0);
  json_decref(private);
  json_decref(named);
  return g_string_free(text, FALSE);
}

static char *twisted(const Bench *bench, const Case *c, const char *signature, const char *input) {
  g_autoptr(GBytes) octets = base64url_decode(signature);
  g_autoptr(GByteArray) array = g_byte_array_new();
  g_byte_array_append(array, g_bytes_get_data(octets, NULL), (guint)g_bytes_get_size(octets));
  if (c->mac == MAC_CUT)
    g_byte_array_set_size(array, array->len - 1);
  if (c->mac == MAC_LONGER)
    g_byte_array_append(array, (const guint8 *)"", 1);
  if (c->mac == MAC_EMPTY)
    g_byte_array_set_size(array, 0);
  if (c->mac != MAC_BY_ACCOUNT)
    return base64url_encode(array->data != NULL ? array->data : (const guint8 *)"", array->len);
  g_autoptr(GBytes) by_account = lab_sign(bench->client->key, input);
  return base64url_encode(g_bytes_get_data(by_account, NULL), g_bytes_get_size(by_account));
}

/* The binding that the row describes. */
static json_t *binding(Bench *bench, const Case *c) {
  g_autofree char *header = filled(bench, c->header != NULL ? c->header : HEADER(HS, KID, U, ""));
  g_autofree char *payload = filled(bench, c->payload != NULL ? c->payload : "@JWK@");
  json_t *made = lab_binding(json_loads(header, 0, NULL), payload,
                             c->mac == MAC_WRONG_KEY ? bench->wrong_key : bench->mac_key);
  const char *protected = json_string_value(json_object_get(made, "protected"));
  const char *encoded = json_string_value(json_object_get(made, "payload"));
  g_autofree char *input = g_strconcat(protected, ".", encoded, NULL);
  g_autofree char *signature =
      twisted(bench, c, json_string_value(json_object_get(made, "signature")), input);
  GString *text = g_string_new(c->message != NULL ? c->message
                                                  : "{\"protected\":\"@P@\",\"payload\":\"@D@\","
                                                    "\"signature\":\"@S@\"}");
  g_string_replace(text, "@P@", protected, 0);
  g_string_replace(text, "@D@", encoded, 0);
  g_string_replace(text, "@S@", signature, 0);
  json_decref(made);
  json_t *value = json_loads(text->str, JSON_DECODE_ANY, NULL);
  g_string_free(text, TRUE);
  return value;
}

static Problem *verdict(Bench *bench, json_t *value, ExternalAccountKey **key) {
  const Request request = {.method = "POST", .path = "/new-account"};
  Call call = {.acme = &bench->lab->acme, .request = &request, .now = LAB_NOW, .key = bench->key};
  lab_begin(bench->lab);
  Problem *problem = external_account_read(&call, value, key);
  lab_commit(bench->lab, TRUE);
  return problem;
}

static void check(Bench *bench, const Case *c) {
  char text[ID_TEXT];
  g_autoptr(ExternalAccountKey) key = NULL;
  json_t *value = binding(bench, c);
  g_test_message("%s", c->name);
  g_autoptr(Problem) problem = verdict(bench, value, &key);
  json_decref(value);
  g_assert_true((key != NULL) == (c->type == PROBLEM_COUNT));
  g_assert_true((problem == NULL) == (c->type == PROBLEM_COUNT));
  if (problem == NULL) {
    g_assert_cmpstr(id_text(&key->id, text), ==, bench->kid);
    return;
  }
  g_assert_cmpint(problem->type, ==, c->type);
  g_assert_cmpuint(problem->status, ==, c->status);
  g_assert_true(g_str_has_prefix(problem->detail, "externalAccountBinding: "));
  if (c->type == PROBLEM_BAD_SIGNATURE_ALGORITHM)
    g_assert_cmpuint(json_array_size(json_object_get(problem->members, "algorithms")), ==, 3);
}

static void test_table(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    check(&bench, &cases[i]);
}

static char *refusal(Bench *bench, const Case *c) {
  g_autoptr(ExternalAccountKey) key = NULL;
  json_t *value = binding(bench, c);
  g_autoptr(Problem) problem = verdict(bench, value, &key);
  json_decref(value);
  return problem_text(problem);
}

/* Who has no MAC key cannot tell which kids there are, or what became of them. */
static void test_nothing_told(void) {
  static const Case unknown = {.header = HEADER(HS, NOBODYS, U, "")};
  static const Case others[] = {
      {.mac = MAC_WRONG_KEY},
      {.mac = MAC_CUT},
      {.header = HEADER(HS, "\"@REVOKED@\"", U, ""), .mac = MAC_WRONG_KEY},
      {.header = HEADER(HS, "\"@BOUND@\"", U, ""), .mac = MAC_WRONG_KEY},
      {.header = HEADER(HS, KID, "\"x\"", ""), .payload = "{}", .mac = MAC_WRONG_KEY}};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autofree char *expected = refusal(&bench, &unknown);
  for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
    g_autofree char *got = refusal(&bench, &others[i]);
    g_assert_cmpstr(got, ==, expected);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/external_account/table", test_table);
  g_test_add_func("/acme/external_account/nothing-told", test_nothing_told);
  return g_test_run();
}
