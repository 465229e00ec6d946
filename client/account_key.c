/* SPDX-License-Identifier: Apache-2.0 */
#include "client/account_key.h"

#include "base/base64url.h"
#include "client/failure.h"
#include "client/private_key.h"

#include <openssl/core_names.h>
#include <openssl/sha.h>
#include <string.h>

typedef struct {
  const char *type;      /* as private_key_type names it; "RSA" stands for every length */
  const char *algorithm; /* RFC 7518 section 3.1 */
  int field_octets;      /* of a coordinate; 0 for RSA */
  const char *digest;
} KeyAlgorithm;

static const KeyAlgorithm key_algorithms[] = {
    {"P-256", "ES256", 32, "SHA256"},
    {"P-384", "ES384", 48, "SHA384"},
    {"RSA", "RS256", 0, "SHA256"},
};

static const KeyAlgorithm *find_algorithm(EVP_PKEY *key) {
  g_autofree char *type = private_key_type(key);
  for (gsize i = 0; i < G_N_ELEMENTS(key_algorithms); i++) {
    const KeyAlgorithm *algorithm = &key_algorithms[i];
    if (algorithm->field_octets == 0 ? EVP_PKEY_is_a(key, "RSA")
                                     : strcmp(type, algorithm->type) == 0)
      return algorithm;
  }
  return NULL;
}

/* A number of the key as base64url, filled up with zeros in front to octets (0: as short as it is).
 */
static json_t *number_member(EVP_PKEY *key, const char *parameter, int octets) {
  BIGNUM *got = NULL;
  if (EVP_PKEY_get_bn_param(key, parameter, &got) != 1)
    return NULL;
  g_autoptr(BIGNUM) number = got;
  int length = octets > 0 ? octets : BN_num_bytes(number);
  g_autofree guint8 *data = g_malloc0((gsize)length);
  if (BN_bn2binpad(number, data, length) != length)
    return NULL;
  g_autofree char *text = base64url_encode(data, (gsize)length);
  return json_string(text);
}

static json_t *make_jwk(EVP_PKEY *key, const KeyAlgorithm *algorithm) {
  int octets = algorithm->field_octets;
  if (octets == 0)
    return json_pack("{s:o,s:s,s:o}", "e", number_member(key, OSSL_PKEY_PARAM_RSA_E, 0), "kty",
                     "RSA", "n", number_member(key, OSSL_PKEY_PARAM_RSA_N, 0));
  return json_pack("{s:s,s:s,s:o,s:o}", "crv", algorithm->type, "kty", "EC", "x",
                   number_member(key, OSSL_PKEY_PARAM_EC_PUB_X, octets), "y",
                   number_member(key, OSSL_PKEY_PARAM_EC_PUB_Y, octets));
}

char *account_key_jwk_thumbprint(const json_t *jwk) {
  char *canonical = json_dumps(jwk, JSON_SORT_KEYS | JSON_COMPACT);
  guint8 digest[SHA256_DIGEST_LENGTH];
  SHA256((const guint8 *)canonical, strlen(canonical), digest);
  free(canonical);
  return base64url_encode(digest, sizeof digest);
}

AccountKey *account_key_new(EVP_PKEY *key, GError **error) {
  const KeyAlgorithm *algorithm = find_algorithm(key);
  g_autoptr(json_t) jwk = algorithm != NULL ? make_jwk(key, algorithm) : NULL;
  if (jwk == NULL) {
    g_autofree char *type = private_key_type(key);
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "a key of type %s cannot sign ACME requests; P-256, P-384 and RSA can", type);
    return NULL;
  }
  AccountKey *account = g_new0(AccountKey, 1);
  EVP_PKEY_up_ref(key);
  account->key = key;
  account->algorithm = algorithm->algorithm;
  account->thumbprint = account_key_jwk_thumbprint(jwk);
  account->jwk = g_steal_pointer(&jwk);
  return account;
}

/* RFC 7518 section 3.4: R and S one after the other, not DER. */
static GBytes *join_ecdsa(const guint8 *der, gsize length, int octets) {
  g_autoptr(ECDSA_SIG) signature = d2i_ECDSA_SIG(NULL, &der, (long)length);
  if (signature == NULL)
    return NULL;
  g_autofree guint8 *joined = g_malloc0(2 * (gsize)octets);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature), joined, octets) != octets ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature), joined + octets, octets) != octets)
    return NULL;
  return g_bytes_new(joined, 2 * (gsize)octets);
}

GBytes *account_key_sign(const AccountKey *account, const char *text, GError **error) {
  const KeyAlgorithm *algorithm = find_algorithm(account->key);
  g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
  const guint8 *data = (const guint8 *)text;
  gsize length = (gsize)EVP_PKEY_get_size(account->key);
  g_autofree guint8 *signature = g_malloc(length);
  GBytes *result = NULL;
  if (EVP_DigestSignInit_ex(context, NULL, algorithm->digest, NULL, NULL, account->key, NULL) ==
          1 &&
      EVP_DigestSign(context, signature, &length, data, strlen(text)) == 1)
    result = algorithm->field_octets == 0 ? g_bytes_new(signature, length)
                                          : join_ecdsa(signature, length, algorithm->field_octets);
  if (result == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the request could not be signed: %s",
                client_openssl_reason());
  return result;
}

void account_key_free(AccountKey *account) {
  if (account == NULL)
    return;
  EVP_PKEY_free(account->key);
  json_decref(account->jwk);
  g_free(account->thumbprint);
  g_free(account);
}

char *account_key_path(const char *file, const char *directory) {
  if (file != NULL)
    return g_strdup(file);
  g_autofree char *name = g_strconcat(directory + strlen("https://"), ".key", NULL);
  g_strdelimit(name, "/", '_');
  return g_build_filename(g_get_user_config_dir(), "signet", name, NULL);
}
