/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/jwk.h"
#include "base/base64url.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define P256_OCTETS 32
#define RSA_MAX_OCTETS 512

static GBytes *member(json_t *jwk, const char *name) {
  const char *text = json_string_value(json_object_get(jwk, name));
  return text != NULL ? base64url_decode(text) : NULL;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM *parameters) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
  if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
      EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    key = NULL;
  EVP_PKEY_CTX_free(context);
  ERR_clear_error();
  return key;
}

/* RFC 7518 section 2 forbids it: one key would have many thumbprints, and so many accounts. */
static gboolean begins_with_zero(GBytes *number) {
  return ((const guint8 *)g_bytes_get_data(number, NULL))[0] == 0;
}

static EVP_PKEY *rsa_key(json_t *jwk, char **why) {
  g_autoptr(GBytes) n = member(jwk, "n");
  g_autoptr(GBytes) e = member(jwk, "e");
  if (n == NULL || e == NULL || g_bytes_get_size(n) > RSA_MAX_OCTETS || g_bytes_get_size(e) > 8 ||
      g_bytes_get_size(n) < 256 || g_bytes_get_size(e) == 0 || begins_with_zero(n) ||
      begins_with_zero(e)) {
    *why = g_strdup("an RSA key needs n (2048 to 4096 bit) and e in the fewest octets, base64url");
    return NULL;
  }
  BIGNUM *modulus = BN_bin2bn(g_bytes_get_data(n, NULL), (int)g_bytes_get_size(n), NULL);
  BIGNUM *exponent = BN_bin2bn(g_bytes_get_data(e, NULL), (int)g_bytes_get_size(e), NULL);
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
  OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY *key = key_from("RSA", parameters);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_free(modulus);
  BN_free(exponent);
  if (key == NULL)
    *why = g_strdup("the RSA key is not usable");
  return key;
}

static EVP_PKEY *p256_key(json_t *jwk, char **why) {
  const char *curve = json_string_value(json_object_get(jwk, "crv"));
  g_autoptr(GBytes) x = member(jwk, "x");
  g_autoptr(GBytes) y = member(jwk, "y");
  if (curve == NULL || strcmp(curve, "P-256") != 0 || x == NULL || y == NULL ||
      g_bytes_get_size(x) != P256_OCTETS || g_bytes_get_size(y) != P256_OCTETS) {
    *why = g_strdup("an EC key needs crv P-256 with x and y of 32 octets in base64url");
    return NULL;
  }
  guint8 point[1 + 2 * P256_OCTETS] = {POINT_CONVERSION_UNCOMPRESSED};
  memcpy(point + 1, g_bytes_get_data(x, NULL), P256_OCTETS);
  memcpy(point + 1 + P256_OCTETS, g_bytes_get_data(y, NULL), P256_OCTETS);
  char group[] = "prime256v1";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
      OSSL_PARAM_construct_end()};
  EVP_PKEY *key = key_from("EC", parameters);
  if (key == NULL)
    *why = g_strdup("the EC point is not on the curve");
  return key;
}

/* The key types, with the members that RFC 7638 section 3.2 names. */
static const struct {
  const char *type, *algorithm;
  const char *members[5];
  EVP_PKEY *(*parse)(json_t *jwk, char **why);
} kinds[] = {
    {"RSA", "RS256", {"e", "kty", "n"}, rsa_key},
    {"EC", "ES256", {"crv", "kty", "x", "y"}, p256_key},
};

static void finish(Jwk *jwk, json_t *source, const char *const *members) {
  json_t *required = json_object();
  for (; *members != NULL; members++)
    json_object_set(required, *members, json_object_get(source, *members));
  char *text = json_dumps(required, JSON_COMPACT | JSON_SORT_KEYS);
  guint8 digest[SHA256_DIGEST_LENGTH];
  SHA256((const guint8 *)text, strlen(text), digest);
  jwk->text = g_strdup(text);
  jwk->thumbprint = g_bytes_new(digest, sizeof(digest));
  jwk->thumbprint_text = base64url_encode(digest, sizeof(digest));
  free(text);
  json_decref(required);
}

Jwk *jwk_parse(json_t *source, char **why) {
  const char *type = json_string_value(json_object_get(source, "kty"));
  for (gsize i = 0; type != NULL && i < G_N_ELEMENTS(kinds); i++) {
    if (strcmp(type, kinds[i].type) != 0)
      continue;
    EVP_PKEY *key = kinds[i].parse(source, why);
    if (key == NULL)
      return NULL;
    Jwk *jwk = g_atomic_rc_box_new0(Jwk);
    jwk->key = key;
    jwk->algorithm = kinds[i].algorithm;
    finish(jwk, source, kinds[i].members);
    return jwk;
  }
  *why = g_strdup("the key type is not supported: use an RSA or P-256 key");
  return NULL;
}

Jwk *jwk_parse_text(const char *text, char **why) {
  json_t *source = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  Jwk *jwk = source != NULL ? jwk_parse(source, why) : NULL;
  json_decref(source);
  return jwk;
}

static void clear(gpointer data) {
  Jwk *jwk = data;
  EVP_PKEY_free(jwk->key);
  g_bytes_unref(jwk->thumbprint);
  g_free(jwk->thumbprint_text);
  g_free(jwk->text);
}

void jwk_unref(Jwk *jwk) {
  if (jwk != NULL)
    g_atomic_rc_box_release_full(jwk, clear);
}

GBytes *jwk_spki(const Jwk *jwk) {
  guint8 *der = NULL;
  int length = i2d_PUBKEY(jwk->key, &der);
  GBytes *spki = g_bytes_new(der, length > 0 ? (gsize)length : 0);
  OPENSSL_free(der);
  return spki;
}

/* r||s of exactly 64 octets, neither zero -> DER (RFC 7518 section 3.4). */
static guint8 *ecdsa_der(GBytes *signature, int *length) {
  const guint8 *data = g_bytes_get_data(signature, NULL);
  if (g_bytes_get_size(signature) != 2 * P256_OCTETS)
    return NULL;
  guint8 *der = NULL;
  ECDSA_SIG *pair = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(data, P256_OCTETS, NULL),
         *s = BN_bin2bn(data + P256_OCTETS, P256_OCTETS, NULL);
  gboolean zero = BN_is_zero(r) || BN_is_zero(s);
  ECDSA_SIG_set0(pair, r, s);
  *length = zero ? 0 : i2d_ECDSA_SIG(pair, &der);
  ECDSA_SIG_free(pair);
  return der;
}

gboolean jwk_verify(const Jwk *jwk, const char *input, gsize length, GBytes *signature) {
  int size = (int)g_bytes_get_size(signature);
  const guint8 *octets = g_bytes_get_data(signature, NULL);
  guint8 *der = NULL;
  if (strcmp(jwk->algorithm, "ES256") == 0) {
    der = ecdsa_der(signature, &size);
    octets = der;
    if (der == NULL)
      return FALSE;
  }
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  gboolean good =
      EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, jwk->key) == 1 &&
      EVP_DigestVerify(context, octets, (gsize)size, (const guint8 *)input, length) == 1;
  EVP_MD_CTX_free(context);
  OPENSSL_free(der);
  ERR_clear_error(); /* of a bad signature: not the reason of what fails later */
  return good;
}

/* --- cache
 * ------------------------------------------------------------------------------------------- */

struct JwkCache {
  GHashTable *keys; /* thumbprint -> Jwk */
};

JwkCache *jwk_cache_new(void) {
  JwkCache *cache = g_new0(JwkCache, 1);
  cache->keys = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, NULL, (GDestroyNotify)jwk_unref);
  return cache;
}

void jwk_cache_free(JwkCache *cache) {
  if (cache == NULL)
    return;
  g_hash_table_unref(cache->keys);
  g_free(cache);
}

Jwk *jwk_cache_get(JwkCache *cache, GBytes *thumbprint, const char *text) {
  Jwk *jwk = g_hash_table_lookup(cache->keys, thumbprint);
  if (jwk == NULL) {
    g_autofree char *why = NULL;
    jwk = jwk_parse_text(text, &why);
    if (jwk == NULL)
      return NULL;
    if (g_hash_table_size(cache->keys) >= JWK_CACHE_MAX)
      g_hash_table_remove_all(cache->keys);
    g_hash_table_insert(cache->keys, jwk->thumbprint, jwk);
  }
  return g_atomic_rc_box_acquire(jwk);
}
