/* SPDX-License-Identifier: Apache-2.0 */
/* The gate that every POST passes: security.md 4 and 9, interop.md 32, RFC 8555 section 6, RFC
   7515, 7518, 7638. Each row of the table differs in one thing from a request that is taken. */
#include "tests/unit/acme/harness.h"

#include "acme/ed25519.h"
#include "acme/jws.h"

#include <openssl/hmac.h>

typedef enum {
  SIGNED,
  SIGNED_DER,
  SIGNED_SHORT,
  SIGNED_LONG,
  SIGNED_ZERO_R,
  SIGNED_ZERO_S,
  SIGNED_ALL_ZERO,
  SIGNED_ALL_ONES,
  SIGNED_SWAPPED,
  SIGNED_FLIPPED,
  SIGNED_BY_ANOTHER,
  SIGNED_EMPTY,
  SIGNED_HMAC
} Signing;

/* What stands between @ is filled in; \1 becomes a NUL at last. Members that are NULL are those of
   a good request: by kid to the account's own URL, payload {}. */
typedef struct {
  const char *name;
  const char *type; /* of the problem; NULL: taken */
  guint status;
  const char *header, *payload, *encoded_payload, *body, *content_type, *path, *method;
  Signing signing;
  gboolean rsa;
} Case;

#define MALFORMED "malformed", 400
#define ALGORITHM "badSignatureAlgorithm", 400
#define BAD_KEY "badPublicKey", 400
#define NO_ACCOUNT "accountDoesNotExist", 400
#define NONCE "badNonce", 400
#define UNAUTHORIZED "unauthorized", 403

#define BODY(protected, payload, signature)                                                        \
  "{\"protected\":" protected ",\"payload\":" payload ",\"signature\":" signature "}"
#define P "\"@PROTECTED@\""
#define D "\"@PAYLOAD@\""
#define S "\"@SIGNATURE@\""
#define KID_HEADER(alg, nonce, url, more)                                                          \
  "{\"alg\":" alg ",\"nonce\":" nonce ",\"url\":" url ",\"kid\":\"@KID@\"" more "}"
#define KEY_HEADER(alg, jwk)                                                                       \
  "{\"alg\":\"" alg "\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"jwk\":" jwk "}"
#define ES "\"ES256\""
#define N "\"@NONCE@\""
#define U "\"@URL@\""
#define NEW .path = "/new-account", .payload = "{\"onlyReturnExisting\":true}"

static const Case cases[] = {
    /* what is taken */
    {"good", NULL, 200, .payload = "{}"},
    {"good, POST-as-GET", NULL, 200, .payload = ""},
    {"good, RSA", NULL, 200, .rsa = TRUE},
    {"good, by key", NULL, 200, NEW, .header = KEY_HEADER("ES256", "@JWK@")},
    {"good, by RSA key", NULL, 200, NEW, .header = KEY_HEADER("RS256", "@JWK@"), .rsa = TRUE},
    {"good, blanks in the header", NULL, 200, .header = KID_HEADER(ES, N, U, " ,\"typ\" : \"x\" ")},
    {"good, eight deep", NULL, 200, .payload = "{\"a\":[[[[[[[]]]]]]]}"},

    /* content type and method */
    {"json", "malformed", 415, .content_type = "application/json"},
    {"no content type", "malformed", 415, .content_type = ""},
    {"charset", "malformed", 415, .content_type = "application/jose+json; charset=utf-8"},
    {"jose", "malformed", 415, .content_type = "application/jose"},
    {"two types", "malformed", 415, .content_type = "application/jose+json, text/plain"},
    {"GET", "malformed", 405, .method = "GET"},
    {"PUT", "malformed", 405, .method = "PUT"},
    {"DELETE", "malformed", 405, .method = "DELETE"},
    {"no such path", "malformed", 404, .path = "/nothing"},
    {"id cut", "malformed", 404, .path = "/order/AAAA"},
    {"id with padding", "malformed", 404, .path = "/order/AAAAAAAAAAAAAAAAAAAAA="},

    /* the body */
    {"too large", "malformed", 413, .payload = "{\"a\":\"@BIG@\"}"},
    {"empty", MALFORMED, .body = ""},
    {"no JSON", MALFORMED, .body = "hello"},
    {"array", MALFORMED, .body = "[]"},
    {"text", MALFORMED, .body = "\"x\""},
    {"null", MALFORMED, .body = "null"},
    {"compact", MALFORMED, .body = "@PROTECTED@.@PAYLOAD@.@SIGNATURE@"},
    {"cut", MALFORMED, .body = "{\"protected\":" P ",\"payload\":" D ",\"signature\":" S},
    {"garbage after", MALFORMED, .body = BODY(P, D, S) "x"},
    {"two objects", MALFORMED, .body = BODY(P, D, S) BODY(P, D, S)},
    {"NUL after", MALFORMED, .body = BODY(P, D, S) "\1"},
    {"NUL inside", MALFORMED, .body = "{\"x\":\"\1\",\"protected\":" P ",\"payload\":" D "}"},
    {"escaped NUL", MALFORMED, .body = BODY(P, D, S ",\"x\":\"\\u0000\"")},
    {"bad UTF-8", MALFORMED, .body = BODY(P, D, S ",\"x\":\"\xff\"")},
    {"overlong UTF-8", MALFORMED, .body = BODY(P, D, S ",\"x\":\"\xc0\xaf\"")},
    {"surrogate", MALFORMED, .body = BODY(P, D, S ",\"x\":\"\\ud800\"")},
    {"byte order mark", MALFORMED, .body = "\xef\xbb\xbf" BODY(P, D, S)},
    {"comment", MALFORMED, .body = "/**/" BODY(P, D, S)},
    {"protected twice", MALFORMED, .body = BODY(P ",\"protected\":" P, D, S)},
    {"payload twice", MALFORMED, .body = BODY(P, D ",\"payload\":" D, S)},
    {"signature twice", MALFORMED, .body = BODY(P, D, S ",\"signature\":" S)},
    {"name twice, escaped", MALFORMED, .body = BODY(P, D, S ",\"signatur\\u0065\":" S)},
    {"nine deep", MALFORMED, .body = BODY(P, D, S ",\"x\":[[[[[[[[]]]]]]]]")},
    {"signatures", MALFORMED, .body = BODY(P, D, S ",\"signatures\":[]")},
    {"general form", MALFORMED,
     .body = "{\"payload\":" D ",\"signatures\":[{\"protected\":" P ",\"signature\":" S "}]}"},
    {"unprotected header", MALFORMED, .body = BODY(P, D, S ",\"header\":{\"alg\":\"ES256\"}")},
    {"unprotected null", MALFORMED, .body = BODY(P, D, S ",\"header\":null")},
    {"no protected", MALFORMED, .body = "{\"payload\":" D ",\"signature\":" S "}"},
    {"no payload", MALFORMED, .body = "{\"protected\":" P ",\"signature\":" S "}"},
    {"no signature", MALFORMED, .body = "{\"protected\":" P ",\"payload\":" D "}"},
    {"protected null", MALFORMED, .body = BODY("null", D, S)},
    {"protected object", MALFORMED, .body = BODY("{}", D, S)},
    {"payload null", MALFORMED, .body = BODY(P, "null", S)},
    {"payload object", MALFORMED, .body = BODY(P, "{}", S)},
    {"signature number", MALFORMED, .body = BODY(P, D, "1")},
    {"padded protected", MALFORMED, .body = BODY("\"@PROTECTED@=\"", D, S)},
    {"padded payload", MALFORMED, .body = BODY(P, "\"@PAYLOAD@=\"", S)},
    {"padded signature", MALFORMED, .body = BODY(P, D, "\"@SIGNATURE@==\"")},
    {"blank in protected", MALFORMED, .body = BODY("\"@PROTECTED@ \"", D, S)},
    {"line end in signature", MALFORMED, .body = BODY(P, D, "\"@SIGNATURE@\\n\"")},
    {"empty protected", MALFORMED, .body = BODY("\"\"", D, S)},

    /* the protected header */
    {"header is no JSON", MALFORMED, .header = "alg"},
    {"header is an array", MALFORMED, .header = "[]"},
    {"header cut", MALFORMED, .header = "{\"alg\":\"ES256\""},
    {"header with NUL after", MALFORMED, .header = KID_HEADER(ES, N, U, "") "\1"},
    {"header with bad UTF-8", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"x\":\"\xff\"")},
    {"header nine deep", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"x\":[[[[[[[[]]]]]]]]")},
    {"alg twice", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"alg\":\"ES256\"")},
    {"nonce twice", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"nonce\":\"@NONCE@\"")},
    {"kid twice", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"kid\":\"@KID@\"")},
    {"crit", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"crit\":[\"exp\"]")},
    {"crit empty", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"crit\":[]")},
    {"crit null", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"crit\":null")},
    {"b64 false", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"b64\":false")},
    {"b64 true", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"b64\":true")},
    {"jwk and kid", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"jwk\":@JWK@")},
    {"jwk null and kid", MALFORMED, .header = KID_HEADER(ES, N, U, ",\"jwk\":null")},
    {"neither", MALFORMED, .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\"}"},
    {"no alg", MALFORMED, .header = "{\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"@KID@\"}"},
    {"no nonce", NONCE, .header = "{\"alg\":\"ES256\",\"url\":\"@URL@\",\"kid\":\"@KID@\"}"},
    {"no url", MALFORMED, .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"kid\":\"@KID@\"}"},
    {"alg is a list", MALFORMED, .header = KID_HEADER("[\"ES256\"]", N, U, "")},
    {"alg null", MALFORMED, .header = KID_HEADER("null", N, U, "")},
    {"nonce number", MALFORMED, .header = KID_HEADER(ES, "1", U, "")},
    {"url object", MALFORMED, .header = KID_HEADER(ES, N, "{}", "")},
    {"jwk where kid is asked", MALFORMED, .header = KEY_HEADER("ES256", "@JWK@")},
    {"kid where jwk is asked", MALFORMED, NEW},

    /* algorithms: decided by the key */
    {"none", ALGORITHM, .header = KID_HEADER("\"none\"", N, U, ""), .signing = SIGNED_EMPTY},
    {"None", ALGORITHM, .header = KID_HEADER("\"None\"", N, U, ""), .signing = SIGNED_EMPTY},
    {"no algorithm at all", ALGORITHM, .header = KID_HEADER("\"\"", N, U, ""),
     .signing = SIGNED_EMPTY},
    {"HS256", ALGORITHM, .header = KID_HEADER("\"HS256\"", N, U, ""), .signing = SIGNED_HMAC},
    {"HS256 by key", ALGORITHM, NEW, .header = KEY_HEADER("HS256", "@JWK@"),
     .signing = SIGNED_HMAC},
    {"es256", ALGORITHM, .header = KID_HEADER("\"es256\"", N, U, "")},
    {"ES384", ALGORITHM, .header = KID_HEADER("\"ES384\"", N, U, "")},
    {"ES256K", ALGORITHM, .header = KID_HEADER("\"ES256K\"", N, U, "")},
    {"EdDSA", ALGORITHM, .header = KID_HEADER("\"EdDSA\"", N, U, "")},
    {"RS256 with an EC key", ALGORITHM, .header = KID_HEADER("\"RS256\"", N, U, "")},
    {"ES256 with an RSA key", ALGORITHM, .header = KID_HEADER(ES, N, U, ""), .rsa = TRUE},
    {"RS1", ALGORITHM, .header = KID_HEADER("\"RS1\"", N, U, ""), .rsa = TRUE},
    {"RS512", ALGORITHM, .header = KID_HEADER("\"RS512\"", N, U, ""), .rsa = TRUE},
    {"PS256", ALGORITHM, .header = KID_HEADER("\"PS256\"", N, U, ""), .rsa = TRUE},
    {"ES256K before its key", ALGORITHM, NEW,
     .header =
         KEY_HEADER("ES256K", "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}")},

    /* signatures */
    {"DER", MALFORMED, .signing = SIGNED_DER},
    {"63 octets", MALFORMED, .signing = SIGNED_SHORT},
    {"65 octets", MALFORMED, .signing = SIGNED_LONG},
    {"r zero", MALFORMED, .signing = SIGNED_ZERO_R},
    {"s zero", MALFORMED, .signing = SIGNED_ZERO_S},
    {"both zero", MALFORMED, .signing = SIGNED_ALL_ZERO},
    {"beyond the order", MALFORMED, .signing = SIGNED_ALL_ONES},
    {"s and r", MALFORMED, .signing = SIGNED_SWAPPED},
    {"one bit", MALFORMED, .signing = SIGNED_FLIPPED},
    {"another key", MALFORMED, .signing = SIGNED_BY_ANOTHER},
    {"no octets", MALFORMED, .signing = SIGNED_EMPTY},
    {"RSA one bit", MALFORMED, .signing = SIGNED_FLIPPED, .rsa = TRUE},
    {"RSA short", MALFORMED, .signing = SIGNED_SHORT, .rsa = TRUE},
    {"RSA long", MALFORMED, .signing = SIGNED_LONG, .rsa = TRUE},
    {"RSA no octets", MALFORMED, .signing = SIGNED_EMPTY, .rsa = TRUE},
    {"RSA another key", MALFORMED, .signing = SIGNED_BY_ANOTHER, .rsa = TRUE},
    {"another payload", MALFORMED, .body = BODY(P, "\"e30\"", S), .payload = "{\"contact\":[]}"},

    /* keys */
    {"jwk text", BAD_KEY, NEW, .header = KEY_HEADER("ES256", "\"x\"")},
    {"jwk empty", BAD_KEY, NEW, .header = KEY_HEADER("ES256", "{}")},
    {"jwk null", BAD_KEY, NEW, .header = KEY_HEADER("ES256", "null")},
    {"jwk oct", BAD_KEY, NEW, .header = KEY_HEADER("ES256", "{\"kty\":\"oct\",\"k\":\"AAAA\"}")},
    {"jwk off the curve", BAD_KEY, NEW,
     .header =
         KEY_HEADER("ES256", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"@32@\",\"y\":\"@32@\"}")},
    {"jwk short x", BAD_KEY, NEW,
     .header =
         KEY_HEADER("ES256", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"@32@\"}")},
    {"jwk curve", BAD_KEY, NEW,
     .header =
         KEY_HEADER("ES256", "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"@32@\",\"y\":\"@32@\"}")},
    {"jwk RSA small", BAD_KEY, NEW,
     .header = KEY_HEADER("RS256", "{\"kty\":\"RSA\",\"n\":\"@32@\",\"e\":\"AQAB\"}")},
    {"jwk RSA without e", BAD_KEY, NEW,
     .header = KEY_HEADER("RS256", "{\"kty\":\"RSA\",\"n\":\"@N@\"}"), .rsa = TRUE},
    {"jwk RSA n with a zero before", BAD_KEY, NEW,
     .header = KEY_HEADER("RS256", "{\"kty\":\"RSA\",\"n\":\"@ZERON@\",\"e\":\"AQAB\"}"),
     .rsa = TRUE},
    {"jwk RSA e with a zero before", BAD_KEY, NEW,
     .header = KEY_HEADER("RS256", "{\"kty\":\"RSA\",\"n\":\"@N@\",\"e\":\"AAEAAQ\"}"),
     .rsa = TRUE},
    {"jwk twice a member", MALFORMED, NEW,
     .header = KEY_HEADER("ES256", "{\"kty\":\"EC\",\"kty\":\"EC\"}")},

    /* accounts */
    {"kid number", MALFORMED,
     .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":1}"},
    {"kid of another server", NO_ACCOUNT,
     .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"https://"
               "other.example/base/account/@ID@\"}"},
    {"kid without scheme", NO_ACCOUNT,
     .header =
         "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"/account/@ID@\"}"},
    {"kid unknown", NO_ACCOUNT,
     .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"" LAB_URL
               "/account/AAAAAAAAAAAAAAAAAAAAAA\"}"},
    {"kid of an order", NO_ACCOUNT,
     .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"" LAB_URL
               "/order/@ID@\"}"},
    {"kid and more", NO_ACCOUNT,
     .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"@KID@/\"}"},
    {"kid of another", MALFORMED,
     .header = "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"@OTHER@\"}"},
    {"deactivated account", "unauthorized", 401,
     .header =
         "{\"alg\":\"ES256\",\"nonce\":\"@NONCE@\",\"url\":\"@URL@\",\"kid\":\"@DEACTIVATED@\"}",
     .signing = SIGNED},

    /* nonce and url */
    {"nonce used", NONCE, .header = KID_HEADER(ES, "\"@USED@\"", U, "")},
    {"nonce of another start", NONCE, .header = KID_HEADER(ES, "\"@FOREIGN@\"", U, "")},
    {"nonce empty", MALFORMED, .header = KID_HEADER(ES, "\"\"", U, "")},
    {"nonce guessed", NONCE,
     .header = KID_HEADER(ES, "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", U, "")},
    {"nonce padded", MALFORMED, .header = KID_HEADER(ES, "\"@NONCE@=\"", U, "")},
    {"nonce with a blank", MALFORMED, .header = KID_HEADER(ES, "\"@NONCE@ \"", U, "")},
    {"url of another resource", UNAUTHORIZED,
     .header = KID_HEADER(ES, N, "\"" LAB_URL "/new-order\"", "")},
    {"url with another scheme", UNAUTHORIZED,
     .header = KID_HEADER(ES, N, "\"http://acme.example.org/base/account/@ID@\"", "")},
    {"url with another host", UNAUTHORIZED,
     .header = KID_HEADER(ES, N, "\"https://evil.example/base/account/@ID@\"", "")},
    {"url with a port", UNAUTHORIZED,
     .header = KID_HEADER(ES, N, "\"https://acme.example.org:443/base/account/@ID@\"", "")},
    {"url with a query", UNAUTHORIZED, .header = KID_HEADER(ES, N, "\"@URL@?\"", "")},
    {"url with a slash more", UNAUTHORIZED, .header = KID_HEADER(ES, N, "\"@URL@/\"", "")},
    {"url in capitals", UNAUTHORIZED,
     .header = KID_HEADER(ES, N, "\"HTTPS://acme.example.org/base/account/@ID@\"", "")},
    {"url as a path", UNAUTHORIZED, .header = KID_HEADER(ES, N, "\"/account/@ID@\"", "")},
    {"url empty", UNAUTHORIZED, .header = KID_HEADER(ES, N, "\"\"", "")},

    /* the payload */
    {"payload array", MALFORMED, .payload = "[]"},
    {"payload text", MALFORMED, .payload = "\"x\""},
    {"payload number", MALFORMED, .payload = "1"},
    {"payload true", MALFORMED, .payload = "true"},
    {"payload is null", MALFORMED, .payload = "null"},
    {"payload cut", MALFORMED, .payload = "{"},
    {"payload blank", MALFORMED, .payload = " "},
    {"payload with bad UTF-8", MALFORMED, .payload = "{\"a\":\"\xff\"}"},
    {"payload with a NUL", MALFORMED, .payload = "{}\1"},
    {"payload with a member twice", MALFORMED, .payload = "{\"contact\":[],\"contact\":[]}"},
    {"payload nine deep", MALFORMED, .payload = "{\"a\":[[[[[[[[]]]]]]]]}"},
    {"payload not base64url", MALFORMED, .encoded_payload = "e30="},
    {"payload with spare bits", MALFORMED, .encoded_payload = "e31"},
    {"payload in base64", MALFORMED, .encoded_payload = "eyJhIjoi+/8ifQ"},
};

typedef struct {
  Lab *lab;
  LabClient *ec, *rsa, *other, *deactivated;
} Bench;

static char *dump(json_t *value) {
  char *text = json_dumps(value, JSON_COMPACT);
  char *copy = g_strdup(text);
  free(text);
  return copy;
}

static void put(GString *text, const char *name, const char *value) {
  g_string_replace(text, name, value, 0);
}

static void nuls(GString *text) {
  for (gsize i = 0; i < text->len; i++)
    if (text->str[i] == '\1')
      text->str[i] = '\0';
}

static char *used_nonce(Bench *bench) {
  char *nonce = lab_nonce(bench->lab);
  g_assert_cmpint(nonces_use(bench->lab->acme.nonces, bench->lab->acme.store, nonce,
                             bench->lab->clock.now, FALSE, NULL),
                  ==, STORE_CHANGED);
  return nonce;
}

static char *foreign_nonce(void) {
  guint8 key[NONCE_KEY_OCTETS] = {1};
  g_autoptr(Nonces) nonces = nonces_new(key);
  return nonces_issue(nonces, LAB_NOW);
}

static void fill_key(const LabClient *client, GString *text) {
  static const guint8 octets[32] = {1, 2, 3};
  g_autofree char *jwk = dump(client->jwk);
  g_autofree char *any = base64url_encode(octets, sizeof(octets));
  const char *n = json_string_value(json_object_get(client->jwk, "n"));
  put(text, "@JWK@", jwk);
  put(text, "@32@", any);
  if (n == NULL)
    return;
  g_autoptr(GBytes) modulus = base64url_decode(n);
  g_autofree guint8 *longer = g_malloc0(g_bytes_get_size(modulus) + 1);
  memcpy(longer + 1, g_bytes_get_data(modulus, NULL), g_bytes_get_size(modulus));
  g_autofree char *zero = base64url_encode(longer, g_bytes_get_size(modulus) + 1);
  put(text, "@N@", n);
  put(text, "@ZERON@", zero);
}

static char *encode(const GString *text) {
  return base64url_encode(text->str, text->len);
}

static char *protected_header(Bench *bench, const Case *c, const LabClient *client,
                              const char *path) {
  const char *plain = c->rsa ? KID_HEADER("\"RS256\"", N, U, "") : KID_HEADER(ES, N, U, "");
  g_autoptr(GString) text = g_string_new(c->header != NULL ? c->header : plain);
  g_autofree char *nonce = lab_nonce(bench->lab);
  g_autofree char *used = used_nonce(bench);
  g_autofree char *foreign = foreign_nonce();
  g_autofree char *url = g_strconcat(LAB_URL, path, NULL);
  put(text, "@NONCE@", nonce);
  put(text, "@USED@", used);
  put(text, "@FOREIGN@", foreign);
  put(text, "@URL@", url);
  put(text, "@KID@", client->kid);
  put(text, "@ID@", strrchr(client->kid, '/') + 1);
  put(text, "@OTHER@", bench->other->kid);
  put(text, "@DEACTIVATED@", bench->deactivated->kid);
  fill_key(client, text);
  nuls(text);
  return encode(text);
}

static char *payload(const Case *c) {
  if (c->encoded_payload != NULL)
    return g_strdup(c->encoded_payload);
  g_autoptr(GString) text = g_string_new(c->payload != NULL ? c->payload : "{}");
  g_autofree char *big = g_strnfill(50000, 'x');
  put(text, "@BIG@", big);
  nuls(text);
  return encode(text);
}

static GBytes *hmac(const LabClient *client, const char *input) {
  guint8 mac[EVP_MAX_MD_SIZE], *spki = NULL;
  guint length = 0;
  int size = i2d_PUBKEY(client->key, &spki);
  HMAC(EVP_sha256(), spki, size, (const guchar *)input, strlen(input), mac, &length);
  OPENSSL_free(spki);
  return g_bytes_new(mac, length);
}

static GBytes *twisted(const Case *c, GBytes *good) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(good, &size);
  g_autoptr(GByteArray) octets = g_byte_array_new();
  g_byte_array_append(octets, data, (guint)size);
  switch (c->signing) {
  case SIGNED_SHORT:
    g_byte_array_set_size(octets, octets->len - 1);
    break;
  case SIGNED_LONG:
    g_byte_array_append(octets, data, 1);
    break;
  case SIGNED_ZERO_R:
    memset(octets->data, 0, 32);
    break;
  case SIGNED_ZERO_S:
    memset(octets->data + 32, 0, 32);
    break;
  case SIGNED_ALL_ZERO:
    memset(octets->data, 0, 64);
    break;
  case SIGNED_ALL_ONES:
    memset(octets->data, 0xff, 64);
    break;
  case SIGNED_SWAPPED:
    memcpy(octets->data, data + 32, 32);
    memcpy(octets->data + 32, data, 32);
    break;
  case SIGNED_FLIPPED:
    octets->data[octets->len - 1] ^= 1;
    break;
  case SIGNED_EMPTY:
    g_byte_array_set_size(octets, 0);
    break;
  default:
    break;
  }
  return g_bytes_new(octets->data, octets->len);
}

static GBytes *signature(Bench *bench, const Case *c, const LabClient *client, const char *input) {
  if (c->signing == SIGNED_HMAC)
    return hmac(client, input);
  if (c->signing == SIGNED_DER)
    return lab_sign_raw(client->key, input);
  if (c->signing == SIGNED_BY_ANOTHER) {
    EVP_PKEY *key = lab_key(c->rsa ? "RSA" : "P-256");
    GBytes *signed_by_another = lab_sign(key, input);
    EVP_PKEY_free(key);
    return signed_by_another;
  }
  gboolean gone = c->header != NULL && strstr(c->header, "@DEACTIVATED@") != NULL;
  g_autoptr(GBytes) good = lab_sign(gone ? bench->deactivated->key : client->key, input);
  return twisted(c, good);
}

static GBytes *body(const Case *c, const char *header, const char *encoded, GBytes *sig) {
  GString *text = g_string_new(c->body != NULL ? c->body : BODY(P, D, S));
  g_autofree char *encoded_signature =
      base64url_encode(g_bytes_get_data(sig, NULL), g_bytes_get_size(sig));
  put(text, "@PROTECTED@", header);
  put(text, "@PAYLOAD@", encoded);
  put(text, "@SIGNATURE@", encoded_signature);
  nuls(text);
  return g_string_free_to_bytes(text);
}

static void check(Bench *bench, const Case *c) {
  LabClient *client = c->rsa ? bench->rsa : bench->ec;
  const char *path = c->path != NULL ? c->path : lab_path(client->kid);
  gint64 records = lab_count(bench->lab, "SELECT count(*) FROM audit");
  g_autofree char *header = protected_header(bench, c, client, path);
  g_autofree char *encoded = payload(c);
  g_autofree char *input = g_strconcat(header, ".", encoded, NULL);
  g_autoptr(GBytes) sig = signature(bench, c, client, input);
  g_autoptr(GBytes) octets = body(c, header, encoded, sig);
  g_test_message("%s", c->name);
  g_autoptr(Answer) answer =
      lab_handle(bench->lab, c->method != NULL ? c->method : "POST", path,
                 c->content_type != NULL ? c->content_type : "application/jose+json", octets);
  if (c->type != NULL) {
    g_autofree char *urn = g_strconcat(LAB_URN, c->type, NULL);
    g_assert_cmpstr(lab_text(answer, "type"), ==, urn);
    g_assert_cmpstr(answer->type, ==, "application/problem+json");
    g_assert_nonnull(lab_text(answer, "detail"));
  }
  if (g_strcmp0(c->type, "badSignatureAlgorithm") == 0)
    g_assert_cmpuint(json_array_size(json_object_get(answer->json, "algorithms")), ==, 5);
  g_assert_cmpuint(answer->status, ==, c->status);
  g_assert_cmpint(lab_count(bench->lab, "SELECT count(*) FROM audit"), ==, records);
}

static void bench_open(Bench *bench) {
  bench->lab = lab_new();
  bench->ec = lab_account(bench->lab);
  bench->rsa = lab_account_with(bench->lab, lab_key("RSA"));
  bench->other = lab_account(bench->lab);
  bench->deactivated = lab_account(bench->lab);
  g_autoptr(Answer) answer = lab_post(bench->lab, bench->deactivated, bench->deactivated->kid,
                                      "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(answer->status, ==, 200);
}

static void bench_close(Bench *bench) {
  lab_client_free(bench->ec);
  lab_client_free(bench->rsa);
  lab_client_free(bench->other);
  lab_client_free(bench->deactivated);
  lab_free(bench->lab);
}

static void test_table(void) {
  Bench bench;
  bench_open(&bench);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    check(&bench, &cases[i]);
  bench_close(&bench);
}

/* A nonce is spent only by a request whose signature is good, and then only once. */
static void test_nonce_spent_after_signature(void) {
  static const Case bad = {"", MALFORMED, .signing = SIGNED_FLIPPED};
  static const Case good = {"", NULL, 200, .payload = "{}"};
  Bench bench;
  bench_open(&bench);
  const char *path = lab_path(bench.ec->kid);
  g_autofree char *header = protected_header(&bench, &good, bench.ec, path);
  g_autofree char *input = g_strconcat(header, ".", "e30", NULL);
  g_autoptr(GBytes) wrong = signature(&bench, &bad, bench.ec, input);
  g_autoptr(GBytes) right = signature(&bench, &good, bench.ec, input);
  g_autoptr(GBytes) wrong_body = body(&bad, header, "e30", wrong);
  g_autoptr(GBytes) right_body = body(&good, header, "e30", right);
  for (guint i = 0; i < 3; i++) {
    g_autoptr(Answer) refused =
        lab_handle(bench.lab, "POST", path, "application/jose+json", wrong_body);
    assert_problem(refused, 400, "malformed");
  }
  g_autoptr(Answer) taken =
      lab_handle(bench.lab, "POST", path, "application/jose+json", right_body);
  g_assert_cmpuint(taken->status, ==, 200);
  g_autoptr(Answer) replayed =
      lab_handle(bench.lab, "POST", path, "application/jose+json", right_body);
  assert_problem(replayed, 400, "badNonce");
  lab_restart(bench.lab);
  g_autoptr(Answer) after =
      lab_handle(bench.lab, "POST", path, "application/jose+json", right_body);
  assert_problem(after, 400, "badNonce");
  bench_close(&bench);
}

/* --- vectors --- */

static Jwk *parse(const char *text) {
  g_autofree char *why = NULL;
  Jwk *jwk = jwk_parse_text(text, &why);
  g_assert_nonnull(jwk);
  return jwk;
}

#define RFC7515_PAYLOAD                                                                            \
  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static void verify(const char *key, const char *input, const char *text) {
  g_autoptr(Jwk) jwk = parse(key);
  g_autoptr(GBytes) sig = base64url_decode(text);
  g_autofree char *altered = g_strdup(input);
  g_assert_true(jwk_verify(jwk, input, strlen(input), sig));
  altered[strlen(altered) - 1] ^= 1;
  g_assert_false(jwk_verify(jwk, altered, strlen(altered), sig));
}

/* RFC 7515 appendices A.2.1 and A.3.1. */
static void test_rfc7515(void) {
  verify(
      "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-"
      "Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_"
      "7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb"
      "3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FR"
      "WyuXpoQ\",\"e\":\"AQAB\"}",
      "eyJhbGciOiJSUzI1NiJ9." RFC7515_PAYLOAD,
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
      "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
      "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
      "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
  verify("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
         "eyJhbGciOiJFUzI1NiJ9." RFC7515_PAYLOAD,
         "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
}

/* RFC 8037 appendices A.2 to A.4. */
static void test_rfc8037(void) {
  static const char key[] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
                            "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
  g_autoptr(Jwk) jwk = parse(key);
  g_assert_cmpstr(jwk->algorithm, ==, "EdDSA");
  g_assert_cmpstr(jwk->thumbprint_text, ==, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  verify(key, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
         "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
         "MuM0KAg");
}

/* Octets of an x that is no public key: of small order, in a second encoding, on no point. */
static void test_ed25519_points(void) {
  static const char *const bad[] = {
      "0100000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000080",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "0200000000000000000000000000000000000000000000000000000000000000"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    guint8 octets[32];
    for (gsize j = 0; j < 32; j++)
      octets[j] = (guint8)(g_ascii_xdigit_value(bad[i][2 * j]) * 16 +
                           g_ascii_xdigit_value(bad[i][2 * j + 1]));
    g_test_message("%s", bad[i]);
    g_assert_false(ed25519_is_public_key(octets));
  }
  for (guint i = 0; i < 50; i++) {
    EVP_PKEY *key = lab_key("ED25519");
    guint8 octets[32];
    size_t length = sizeof(octets);
    g_assert_cmpint(EVP_PKEY_get_raw_public_key(key, octets, &length), ==, 1);
    g_assert_true(ed25519_is_public_key(octets));
    EVP_PKEY_free(key);
  }
}

static GBytes *spki_of(EVP_PKEY *key) {
  guint8 *der = NULL;
  int length = i2d_PUBKEY(key, &der);
  GBytes *spki = g_bytes_new(der, (gsize)length);
  OPENSSL_free(der);
  return spki;
}

/* An account's key is known again in a CSR, whatever its type. */
static void test_thumbprint_of_spki(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(lab_key_types); i++) {
    g_autofree char *why = NULL;
    EVP_PKEY *key = lab_key(lab_key_types[i].type);
    json_t *source = lab_jwk(key);
    g_autoptr(Jwk) jwk = jwk_parse(source, &why);
    g_autoptr(GBytes) spki = spki_of(key);
    g_autoptr(GBytes) ours = jwk_spki(jwk);
    g_autoptr(GBytes) thumbprint = jwk_thumbprint_of_spki(spki);
    g_autoptr(GBytes) cut = g_bytes_new_from_bytes(spki, 0, g_bytes_get_size(spki) - 1);
    g_assert_true(g_bytes_equal(spki, ours));
    g_assert_true(g_bytes_equal(thumbprint, jwk->thumbprint));
    g_assert_null(jwk_thumbprint_of_spki(cut));
    json_decref(source);
    EVP_PKEY_free(key);
  }
  EVP_PKEY *other[] = {EVP_PKEY_Q_keygen(NULL, NULL, "X25519"),
                       EVP_PKEY_Q_keygen(NULL, NULL, "ED448"),
                       EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1")};
  for (gsize i = 0; i < G_N_ELEMENTS(other); i++) {
    g_autoptr(GBytes) spki = spki_of(other[i]);
    g_assert_null(jwk_thumbprint_of_spki(spki));
    EVP_PKEY_free(other[i]);
  }
}

/* Each kind of key: the signature of the exact length, and no other, opens the account. */
static void test_kinds(void) {
  static const char input[] = "a.b";
  for (gsize i = 0; i < G_N_ELEMENTS(lab_key_types); i++) {
    g_autofree char *why = NULL;
    EVP_PKEY *key = lab_key(lab_key_types[i].type);
    json_t *source = lab_jwk(key);
    g_autoptr(Jwk) jwk = jwk_parse(source, &why);
    g_autoptr(GBytes) good = lab_sign(key, input);
    gsize size = g_bytes_get_size(good);
    g_autofree guint8 *longer = g_malloc0(size + 1);
    g_autofree guint8 *half = g_malloc0(size);
    memcpy(longer, g_bytes_get_data(good, NULL), size);
    memcpy(half, longer, size / 2);
    g_autoptr(GBytes) cut = g_bytes_new(longer, size - 1);
    g_autoptr(GBytes) more = g_bytes_new(longer, size + 1);
    g_autoptr(GBytes) zero = g_bytes_new(half, size);
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    g_assert_cmpstr(jwk->algorithm, ==, lab_key_types[i].algorithm);
    g_assert_true(jwk_supports(jwk->algorithm));
    g_assert_true(jwk_verify(jwk, input, 3, good));
    g_assert_false(jwk_verify(jwk, input, 2, good));
    GBytes *const bad[] = {cut, more, zero, none};
    for (gsize j = 0; j < G_N_ELEMENTS(bad); j++)
      g_assert_false(jwk_verify(jwk, input, 3, bad[j]));
    json_decref(source);
    EVP_PKEY_free(key);
  }
}

/* Bit 0: it begins with a zero; bit 1: what follows would be negative in DER. */
static guint form_of(const guint8 *number, gsize size) {
  gsize zeros = 0;
  while (zeros < size && number[zeros] == 0)
    zeros++;
  return (zeros > 0) | (number[zeros] >= 0x80) << 1;
}

/* Signatures of an elliptic curve whose numbers have every form. */
static void test_numbers(void) {
  static const char *const types[] = {"P-256", "P-384", "P-521"};
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    g_autofree char *why = NULL;
    EVP_PKEY *key = lab_key(types[i]);
    json_t *source = lab_jwk(key);
    g_autoptr(Jwk) jwk = jwk_parse(source, &why);
    for (guint seen = 0; seen != 15;) {
      g_autoptr(GBytes) good = lab_sign(key, "a.b");
      gsize half = g_bytes_get_size(good) / 2;
      const guint8 *octets = g_bytes_get_data(good, NULL);
      guint forms = form_of(octets, half) | form_of(octets + half, half) << 2;
      if ((forms & ~seen) != 0)
        g_assert_true(jwk_verify(jwk, "a.b", 3, good));
      seen |= forms;
    }
    json_decref(source);
    EVP_PKEY_free(key);
  }
}

/* An account of each kind of key: made, read, and refused for another algorithm. */
static void test_accounts(void) {
  g_autoptr(Lab) lab = lab_new();
  for (gsize i = 0; i < G_N_ELEMENTS(lab_key_types); i++) {
    g_autoptr(LabClient) client = lab_account_with(lab, lab_key(lab_key_types[i].type));
    g_autoptr(Answer) read = lab_post(lab, client, client->kid, NULL);
    g_assert_cmpuint(read->status, ==, 200);
    client->algorithm = lab_key_types[(i + 1) % G_N_ELEMENTS(lab_key_types)].algorithm;
    g_autoptr(Answer) other = lab_post(lab, client, client->kid, NULL);
    assert_problem(other, 400, "badSignatureAlgorithm");
    g_autoptr(Answer) by_key = lab_send(lab, client, TRUE, "/new-account", "{}");
    assert_problem(by_key, 400, "badPublicKey");
  }
}

/* RFC 7638 section 3.1; members beyond the required ones and their order do not count. */
static void test_rfc7638(void) {
  g_autoptr(Jwk) jwk = parse(
      "{\"kty\":\"RSA\",\"n\":"
      "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK"
      "7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_"
      "RN5w6Cf0h4QyQ"
      "5v-65YGjQR0_"
      "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-b"
      "FTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\","
      "\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}");
  g_assert_cmpstr(jwk->thumbprint_text, ==, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  g_autoptr(Jwk) again = parse(jwk->text);
  g_assert_cmpstr(again->text, ==, jwk->text);
  g_assert_true(g_bytes_equal(again->thumbprint, jwk->thumbprint));
}

/* The cache forgets by itself and never mixes keys up. */
static void test_cache(void) {
  JwkCache *cache = jwk_cache_new();
  EVP_PKEY *key = lab_key("P-256");
  json_t *source = lab_jwk(key);
  g_autofree char *why = NULL;
  g_autoptr(Jwk) jwk = jwk_parse(source, &why);
  for (guint i = 0; i < JWK_CACHE_MAX + 100; i++) {
    guint8 thumbprint[32] = {0};
    memcpy(thumbprint, &i, sizeof(i));
    g_autoptr(GBytes) name = g_bytes_new(thumbprint, sizeof(thumbprint));
    g_autoptr(Jwk) found = jwk_cache_get(cache, name, jwk->text);
    g_assert_cmpstr(found->text, ==, jwk->text);
  }
  g_autoptr(Jwk) held = jwk_cache_get(cache, jwk->thumbprint, jwk->text);
  g_autoptr(GBytes) unknown = g_bytes_new_static("x", 1);
  g_assert_null(jwk_cache_get(cache, unknown, "{}"));
  jwk_cache_free(cache);
  g_assert_cmpstr(held->text, ==, jwk->text);
  json_decref(source);
  EVP_PKEY_free(key);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/jws/table", test_table);
  g_test_add_func("/acme/jws/nonce-spent-after-signature", test_nonce_spent_after_signature);
  g_test_add_func("/acme/jws/rfc7515", test_rfc7515);
  g_test_add_func("/acme/jws/rfc7638", test_rfc7638);
  g_test_add_func("/acme/jws/rfc8037", test_rfc8037);
  g_test_add_func("/acme/jws/ed25519-points", test_ed25519_points);
  g_test_add_func("/acme/jws/kinds", test_kinds);
  g_test_add_func("/acme/jws/numbers", test_numbers);
  g_test_add_func("/acme/jws/thumbprint-of-spki", test_thumbprint_of_spki);
  g_test_add_func("/acme/jws/accounts", test_accounts);
  g_test_add_func("/acme/jws/cache", test_cache);
  return g_test_run();
}
