/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64url.h"
#include "client/private_key.h"
#include "client/signed_request.h"

#include <openssl/hmac.h>
#include <string.h>

static json_t *decode_json(const char *text) {
  g_autoptr(GBytes) bytes = base64url_decode(text);
  g_assert_nonnull(bytes);
  json_t *value = json_loadb(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 0, NULL);
  g_assert_nonnull(value);
  return value;
}

static const char *text_of(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

/* R and S back into DER, as the verifier of OpenSSL wants it. */
static GBytes *der_signature(GBytes *raw) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(raw, &size);
  g_autoptr(ECDSA_SIG) signature = ECDSA_SIG_new();
  ECDSA_SIG_set0(signature, BN_bin2bn(data, (int)size / 2, NULL),
                 BN_bin2bn(data + size / 2, (int)size / 2, NULL));
  guint8 *der = NULL;
  int length = i2d_ECDSA_SIG(signature, &der);
  GBytes *bytes = g_bytes_new(der, (gsize)length);
  OPENSSL_free(der);
  return bytes;
}

static gboolean verifies(EVP_PKEY *key, const char *digest, const json_t *jws) {
  g_autofree char *input =
      g_strconcat(text_of(jws, "protected"), ".", text_of(jws, "payload"), NULL);
  g_autoptr(GBytes) raw = base64url_decode(text_of(jws, "signature"));
  g_autoptr(GBytes) signature = EVP_PKEY_is_a(key, "EC") ? der_signature(raw) : g_bytes_ref(raw);
  g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
  g_assert_cmpint(EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL), ==, 1);
  return EVP_DigestVerify(context, g_bytes_get_data(signature, NULL), g_bytes_get_size(signature),
                          (const guint8 *)input, strlen(input)) == 1;
}

static const struct {
  const char *type, *algorithm, *digest;
  gsize octets; /* of the signature */
} kinds[] = {
    {"P-256", "ES256", "SHA256", 64},
    {"P-384", "ES384", "SHA384", 96},
    {"RSA-2048", "RS256", "SHA256", 256},
};

static json_t *sign(const AccountKey *account, const char *kid, const json_t *payload) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text =
      signed_request_new(account, kid, "bm9uY2U", "https://ca.example/new-order", payload, &error);
  g_assert_no_error(error);
  json_t *jws = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  g_assert_nonnull(jws);
  return jws;
}

static void test_signatures(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(EVP_PKEY) key = private_key_make(kinds[i].type, &error);
    g_autoptr(AccountKey) account = account_key_new(key, &error);
    g_assert_no_error(error);
    g_autoptr(json_t) payload = json_pack("{s:b}", "x", 1);
    g_autoptr(json_t) jws = sign(account, NULL, payload);
    g_assert_true(verifies(key, kinds[i].digest, jws));
    g_autoptr(GBytes) raw = base64url_decode(text_of(jws, "signature"));
    g_assert_cmpuint(g_bytes_get_size(raw), ==, kinds[i].octets);
    g_autoptr(json_t) header = decode_json(text_of(jws, "protected"));
    g_assert_cmpstr(text_of(header, "alg"), ==, kinds[i].algorithm);
    g_assert_cmpstr(text_of(header, "nonce"), ==, "bm9uY2U");
    g_assert_cmpstr(text_of(header, "url"), ==, "https://ca.example/new-order");
    g_assert_true(json_equal(json_object_get(header, "jwk"), account->jwk));
  }
}

/* Coordinates and halves of signatures with leading zeros keep their length (RFC 7518
 * section 6.2.1.2). */
static void test_fixed_lengths(void) {
  for (guint i = 0; i < 400; i++) {
    g_autoptr(EVP_PKEY) key = private_key_make("P-256", NULL);
    g_autoptr(AccountKey) account = account_key_new(key, NULL);
    g_assert_cmpuint(strlen(text_of(account->jwk, "x")), ==, 43);
    g_assert_cmpuint(strlen(text_of(account->jwk, "y")), ==, 43);
    g_autoptr(GBytes) signature = account_key_sign(account, "text", NULL);
    g_assert_cmpuint(g_bytes_get_size(signature), ==, 64);
  }
}

static void test_post_as_get(void) {
  g_autoptr(EVP_PKEY) key = private_key_make("P-256", NULL);
  g_autoptr(AccountKey) account = account_key_new(key, NULL);
  g_autoptr(json_t) jws = sign(account, "https://ca.example/account/1", NULL);
  g_assert_cmpstr(text_of(jws, "payload"), ==, "");
  g_autoptr(json_t) header = decode_json(text_of(jws, "protected"));
  g_assert_cmpstr(text_of(header, "kid"), ==, "https://ca.example/account/1");
  g_assert_null(json_object_get(header, "jwk"));
  g_assert_true(verifies(key, "SHA256", jws));
}

static void test_binding(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = private_key_make("P-256", NULL);
  g_autoptr(AccountKey) account = account_key_new(key, NULL);
  g_autoptr(json_t) jws =
      signed_request_binding(account, "kid-1", "c2VjcmV0", "https://ca.example/a", &error);
  g_assert_no_error(error);
  g_autoptr(json_t) payload = decode_json(text_of(jws, "payload"));
  g_assert_true(json_equal(payload, account->jwk));
  g_autofree char *input =
      g_strconcat(text_of(jws, "protected"), ".", text_of(jws, "payload"), NULL);
  guint8 mac[32];
  HMAC(EVP_sha256(), "secret", 6, (const guint8 *)input, strlen(input), mac, NULL);
  g_autofree char *expected = base64url_encode(mac, sizeof mac);
  g_assert_cmpstr(text_of(jws, "signature"), ==, expected);
  g_assert_null(
      signed_request_binding(account, "kid-1", "no base64url!", "https://ca.example/a", &error));
  g_assert_nonnull(error);
}

static void test_other_keys(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
  g_assert_null(account_key_new(key, &error));
  g_assert_nonnull(error);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/signed_request/signatures", test_signatures);
  g_test_add_func("/signed_request/fixed_lengths", test_fixed_lengths);
  g_test_add_func("/signed_request/post_as_get", test_post_as_get);
  g_test_add_func("/signed_request/binding", test_binding);
  g_test_add_func("/signed_request/other_keys", test_other_keys);
  return g_test_run();
}
