/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/jwk.h"
#include "acme/ed25519.h"
#include "base/base64url.h"
#include "base/public_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define RSA_MIN_OCTETS 256
#define RSA_MAX_OCTETS 512
#define EXPONENT_MAX_OCTETS 8
#define COORDINATE_MAX_OCTETS 66
/* A sequence of two numbers, each with a zero in front at most. */
#define DER_MAX_OCTETS (3 + 2 * (3 + COORDINATE_MAX_OCTETS))
#define SUPPORTED "RSA, EC with P-256, P-384 or P-521, and OKP with Ed25519 are"

struct JwkKind {
  const char *algorithm, *type, *curve; /* alg, kty, crv (NULL: it has none) */
  const char *members[5];               /* that RFC 7638 section 3.2 and RFC 8037 section 2 name */
  const char *name;                     /* OpenSSL's, of the group or the type */
  const char *digest;                   /* NULL: the algorithm's own */
  gsize octets;                         /* of a coordinate, of r and of s; 0: it has none */
  EVP_PKEY *(*parse)(const JwkKind *kind, json_t *jwk, char **why);
  json_t *(*write)(const JwkKind *kind, EVP_PKEY *key);
};

static GBytes *member(json_t *jwk, const char *name) {
  const char *text = json_string_value(json_object_get(jwk, name));
  return text != NULL ? base64url_decode(text) : NULL;
}

static json_t *encoded(const guint8 *octets, gsize length) {
  g_autofree char *text = base64url_encode(octets, length);
  return json_string(text);
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

/* --- RSA (RFC 7518 section 6.3.1)
 * ---------------------------------------------------------------------------- */

/* RFC 7518 section 2 forbids a zero in front: one key would have many thumbprints, and so many
   accounts. */
static gboolean is_number(GBytes *number, gsize least, gsize most) {
  gsize size = 0;
  const guint8 *octets = number != NULL ? g_bytes_get_data(number, &size) : NULL;
  return size >= least && size <= most && octets[0] != 0;
}

static EVP_PKEY *parse_rsa(const JwkKind *kind, json_t *jwk, char **why) {
  g_autoptr(GBytes) n = member(jwk, "n");
  g_autoptr(GBytes) e = member(jwk, "e");
  if (!is_number(n, RSA_MIN_OCTETS, RSA_MAX_OCTETS) || !is_number(e, 1, EXPONENT_MAX_OCTETS)) {
    *why = g_strdup("an RSA key needs n (2048 to 4096 bit) and e in the fewest octets, base64url");
    return NULL;
  }
  BIGNUM *modulus = BN_bin2bn(g_bytes_get_data(n, NULL), (int)g_bytes_get_size(n), NULL);
  BIGNUM *exponent = BN_bin2bn(g_bytes_get_data(e, NULL), (int)g_bytes_get_size(e), NULL);
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
  OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY *key = key_from(kind->name, parameters);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_free(modulus);
  BN_free(exponent);
  if (key == NULL)
    *why = g_strdup("the RSA key is not usable");
  return key;
}

static json_t *number_of(EVP_PKEY *key, const char *parameter) {
  BIGNUM *number = NULL;
  if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1)
    return NULL;
  gsize length = (gsize)BN_num_bytes(number);
  g_autofree guint8 *octets = g_malloc(length);
  BN_bn2bin(number, octets);
  BN_free(number);
  return encoded(octets, length);
}

static json_t *write_rsa(const JwkKind *kind, EVP_PKEY *key) {
  if (!EVP_PKEY_is_a(key, kind->name))
    return NULL;
  return json_pack("{s:s, s:o, s:o}", "kty", kind->type, "n", number_of(key, OSSL_PKEY_PARAM_RSA_N),
                   "e", number_of(key, OSSL_PKEY_PARAM_RSA_E));
}

/* --- EC (RFC 7518 section 6.2.1)
 * ----------------------------------------------------------------------------- */

static EVP_PKEY *parse_ec(const JwkKind *kind, json_t *jwk, char **why) {
  g_autoptr(GBytes) x = member(jwk, "x");
  g_autoptr(GBytes) y = member(jwk, "y");
  if (x == NULL || y == NULL || g_bytes_get_size(x) != kind->octets ||
      g_bytes_get_size(y) != kind->octets) {
    *why = g_strdup_printf("a %s key needs x and y of %" G_GSIZE_FORMAT " octets in base64url",
                           kind->curve, kind->octets);
    return NULL;
  }
  guint8 point[1 + 2 * COORDINATE_MAX_OCTETS] = {POINT_CONVERSION_UNCOMPRESSED};
  memcpy(point + 1, g_bytes_get_data(x, NULL), kind->octets);
  memcpy(point + 1 + kind->octets, g_bytes_get_data(y, NULL), kind->octets);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)kind->name, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * kind->octets),
      OSSL_PARAM_construct_end()};
  EVP_PKEY *key = key_from("EC", parameters);
  if (key == NULL)
    *why = g_strdup_printf("x and y are not a point of %s", kind->curve);
  return key;
}

static json_t *coordinate_of(EVP_PKEY *key, const char *parameter, gsize octets) {
  guint8 padded[COORDINATE_MAX_OCTETS];
  BIGNUM *number = NULL;
  if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1)
    return NULL;
  BN_bn2binpad(number, padded, (int)octets);
  BN_free(number);
  return encoded(padded, octets);
}

static json_t *write_ec(const JwkKind *kind, EVP_PKEY *key) {
  char group[32] = "";
  if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
      strcmp(group, kind->name) != 0)
    return NULL;
  return json_pack("{s:s, s:s, s:o, s:o}", "kty", kind->type, "crv", kind->curve, "x",
                   coordinate_of(key, OSSL_PKEY_PARAM_EC_PUB_X, kind->octets), "y",
                   coordinate_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, kind->octets));
}

/* --- OKP (RFC 8037 section 2)
 * --------------------------------------------------------------------------------- */

static EVP_PKEY *parse_okp(const JwkKind *kind, json_t *jwk, char **why) {
  g_autoptr(GBytes) x = member(jwk, "x");
  const guint8 *octets = x != NULL ? g_bytes_get_data(x, NULL) : NULL;
  if (x == NULL || g_bytes_get_size(x) != ED25519_OCTETS) {
    *why =
        g_strdup_printf("an %s key needs x of %d octets in base64url", kind->curve, ED25519_OCTETS);
    return NULL;
  }
  if (!ed25519_is_public_key(octets)) {
    *why = g_strdup_printf("x is not a point of %s, or one of small order", kind->curve);
    return NULL;
  }
  return EVP_PKEY_new_raw_public_key_ex(NULL, kind->name, NULL, octets, ED25519_OCTETS);
}

static json_t *write_okp(const JwkKind *kind, EVP_PKEY *key) {
  guint8 octets[ED25519_OCTETS];
  size_t length = sizeof(octets);
  if (!EVP_PKEY_is_a(key, kind->name) || EVP_PKEY_get_raw_public_key(key, octets, &length) != 1)
    return NULL;
  return json_pack("{s:s, s:s, s:o}", "kty", kind->type, "crv", kind->curve, "x",
                   encoded(octets, length));
}

/* --- every kind
 * -------------------------------------------------------------------------------------------------
 */

static const JwkKind kinds[] = {
    {"ES256",
     "EC",
     "P-256",
     {"crv", "kty", "x", "y"},
     "prime256v1",
     "SHA256",
     32,
     parse_ec,
     write_ec},
    {"ES384",
     "EC",
     "P-384",
     {"crv", "kty", "x", "y"},
     "secp384r1",
     "SHA384",
     48,
     parse_ec,
     write_ec},
    {"ES512",
     "EC",
     "P-521",
     {"crv", "kty", "x", "y"},
     "secp521r1",
     "SHA512",
     66,
     parse_ec,
     write_ec},
    {"EdDSA", "OKP", "Ed25519", {"crv", "kty", "x"}, "ED25519", NULL, 0, parse_okp, write_okp},
    {"RS256", "RSA", NULL, {"e", "kty", "n"}, "RSA", "SHA256", 0, parse_rsa, write_rsa},
};

gboolean jwk_supports(const char *algorithm) {
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (strcmp(kinds[i].algorithm, algorithm) == 0)
      return TRUE;
  return FALSE;
}

json_t *jwk_algorithms(void) {
  json_t *names = json_array();
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    json_array_append_new(names, json_string(kinds[i].algorithm));
  return names;
}

/* The key's required members as RFC 7638 section 3 writes them; the caller frees it. */
static char *canonical(const JwkKind *kind, json_t *source) {
  json_t *required = json_object();
  for (const char *const *name = kind->members; *name != NULL; name++)
    json_object_set(required, *name, json_object_get(source, *name));
  char *dumped = json_dumps(required, JSON_COMPACT | JSON_SORT_KEYS);
  char *text = g_strdup(dumped);
  free(dumped);
  json_decref(required);
  return text;
}

static GBytes *thumbprint_of(const char *text) {
  guint8 digest[SHA256_DIGEST_LENGTH];
  SHA256((const guint8 *)text, strlen(text), digest);
  return g_bytes_new(digest, sizeof(digest));
}

/* Fetched once: OpenSSL looks a digest up by name each time it is asked for. */
static const EVP_MD *digest_of(const JwkKind *kind) {
  static EVP_MD *digests[G_N_ELEMENTS(kinds)];
  EVP_MD **digest = &digests[kind - kinds];
  if (*digest == NULL)
    *digest = EVP_MD_fetch(NULL, kind->digest, NULL);
  return *digest;
}

/* A context that verifies digests, again and again; NULL when the algorithm takes none. */
static EVP_PKEY_CTX *verifying_new(const JwkKind *kind, EVP_PKEY *key) {
  if (kind->digest == NULL)
    return NULL;
  EVP_PKEY_CTX *verifying = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
  gboolean ready = EVP_PKEY_verify_init(verifying) == 1 &&
                   EVP_PKEY_CTX_set_signature_md(verifying, digest_of(kind)) == 1;
  g_assert(ready);
  return verifying;
}

static Jwk *jwk_new(const JwkKind *kind, EVP_PKEY *key, json_t *source) {
  Jwk *jwk = g_atomic_rc_box_new0(Jwk);
  jwk->kind = kind;
  jwk->key = key;
  jwk->verifying = verifying_new(kind, key);
  jwk->algorithm = kind->algorithm;
  jwk->text = canonical(kind, source);
  jwk->thumbprint = thumbprint_of(jwk->text);
  jwk->thumbprint_text =
      base64url_encode(g_bytes_get_data(jwk->thumbprint, NULL), SHA256_DIGEST_LENGTH);
  return jwk;
}

static const JwkKind *find_kind(json_t *source) {
  const char *type = json_string_value(json_object_get(source, "kty"));
  const char *curve = json_string_value(json_object_get(source, "crv"));
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_strcmp0(type, kinds[i].type) == 0 &&
        (kinds[i].curve == NULL || g_strcmp0(curve, kinds[i].curve) == 0))
      return &kinds[i];
  return NULL;
}

/* RFC 7518 section 6 and RFC 8037 section 2: the members that only the key's owner may know. */
static const char *private_member(json_t *source) {
  static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (json_object_get(source, names[i]) != NULL)
      return names[i];
  return NULL;
}

Jwk *jwk_parse(json_t *source, char **why) {
  const JwkKind *kind = find_kind(source);
  const char *secret = private_member(source);
  if (kind == NULL) {
    *why = g_strdup("the key's kty or crv is not supported: " SUPPORTED);
    return NULL;
  }
  if (secret != NULL) {
    *why = g_strdup_printf("it holds a private part (%s), which is no secret any more: make a new "
                           "key and send its public part only",
                           secret);
    return NULL;
  }
  EVP_PKEY *key = kind->parse(kind, source, why);
  return key != NULL ? jwk_new(kind, key, source) : NULL;
}

Jwk *jwk_parse_text(const char *text, char **why) {
  json_t *source = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  Jwk *jwk = source != NULL ? jwk_parse(source, why) : NULL;
  json_decref(source);
  return jwk;
}

static void clear(gpointer data) {
  Jwk *jwk = data;
  EVP_PKEY_CTX_free(jwk->verifying);
  EVP_PKEY_free(jwk->key);
  g_bytes_unref(jwk->thumbprint);
  g_free(jwk->thumbprint_text);
  g_free(jwk->text);
}

void jwk_unref(Jwk *jwk) {
  if (jwk != NULL)
    g_atomic_rc_box_release_full(jwk, clear);
}

static GBytes *der_of_public_key(EVP_PKEY *key) {
  guint8 *der = NULL;
  int length = i2d_PUBKEY(key, &der);
  GBytes *spki = g_bytes_new(der, length > 0 ? (gsize)length : 0);
  OPENSSL_free(der);
  return spki;
}

/* RFC 5480 section 2, from its parts: OpenSSL's encoders, which i2d_PUBKEY looks up each time, cost
   as much as a signature. */
static GBytes *spki_ec(const JwkKind *kind, EVP_PKEY *key) {
  gsize length = 1 + 2 * kind->octets;
  guint8 *der = NULL, *point = OPENSSL_malloc(length);
  X509_PUBKEY *info = X509_PUBKEY_new();
  int read = EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, length, NULL);
  g_assert(read == 1);
  X509_PUBKEY_set0_param(info, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                         OBJ_nid2obj(OBJ_sn2nid(kind->name)), point, (int)length);
  int size = i2d_X509_PUBKEY(info, &der);
  GBytes *spki = g_bytes_new(der, size > 0 ? (gsize)size : 0);
  OPENSSL_free(der);
  X509_PUBKEY_free(info);
  return spki;
}

GBytes *jwk_spki(const Jwk *jwk) {
  return EVP_PKEY_is_a(jwk->key, "EC") ? spki_ec(jwk->kind, jwk->key) : der_of_public_key(jwk->key);
}

static GBytes *thumbprint_of_key(EVP_PKEY *key) {
  GBytes *thumbprint = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(kinds) && thumbprint == NULL; i++) {
    json_t *source = kinds[i].write(&kinds[i], key);
    if (source == NULL)
      continue;
    g_autofree char *text = canonical(&kinds[i], source);
    thumbprint = thumbprint_of(text);
    json_decref(source);
  }
  return thumbprint;
}

/* What nearly every certificate's key is needs no decoding: a point that is on no curve is no
   account's key either. NULL: another kind. */
static GBytes *thumbprint_of_p256(const guint8 *octets, gsize size) {
  /* RFC 5480: id-ecPublicKey, secp256r1, a BIT STRING, an uncompressed point. */
  static const guint8 begin[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
  if (size != sizeof(begin) + 64 || memcmp(octets, begin, sizeof(begin)) != 0)
    return NULL;
  g_autofree char *x = base64url_encode(octets + sizeof(begin), 32);
  g_autofree char *y = base64url_encode(octets + sizeof(begin) + 32, 32);
  g_autofree char *text =
      g_strconcat("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"", x, "\",\"y\":\"", y, "\"}", NULL);
  return thumbprint_of(text);
}

GBytes *jwk_thumbprint_of_spki(GBytes *spki) {
  gsize size = 0;
  const guint8 *octets = g_bytes_get_data(spki, &size);
  GBytes *known = thumbprint_of_p256(octets, size);
  if (known != NULL)
    return known;
  EVP_PKEY *key = public_key_read(octets, size);
  GBytes *thumbprint = key != NULL ? thumbprint_of_key(key) : NULL;
  EVP_PKEY_free(key);
  ERR_clear_error();
  return thumbprint;
}

/* An INTEGER in DER; returns its end, NULL when the number is zero. */
static guint8 *put_integer(guint8 *to, const guint8 *number, gsize octets) {
  for (; octets > 0 && *number == 0; octets--)
    number++;
  if (octets == 0)
    return NULL;
  gboolean high = *number >= 0x80; /* it would be negative */
  ASN1_put_object(&to, 0, (int)octets + high, V_ASN1_INTEGER, V_ASN1_UNIVERSAL);
  if (high)
    *to++ = 0;
  memcpy(to, number, octets);
  return to + octets;
}

/* r||s of exactly twice the order's octets, neither zero -> DER (RFC 7518 section 3.4); its length,
   0 when it is not so. */
static gsize ecdsa_der(GBytes *signature, gsize octets, guint8 der[DER_MAX_OCTETS]) {
  const guint8 *data = g_bytes_get_data(signature, NULL);
  guint8 numbers[DER_MAX_OCTETS], *to = der;
  if (g_bytes_get_size(signature) != 2 * octets)
    return 0;
  guint8 *end = put_integer(numbers, data, octets);
  end = end != NULL ? put_integer(end, data + octets, octets) : NULL;
  if (end == NULL)
    return 0;
  ASN1_put_object(&to, 1, (int)(end - numbers), V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
  memcpy(to, numbers, (gsize)(end - numbers));
  return (gsize)(to - der) + (gsize)(end - numbers);
}

static gboolean verify(const Jwk *jwk, const char *input, gsize length, const guint8 *signature,
                       gsize size) {
  guint8 digest[EVP_MAX_MD_SIZE];
  guint digest_size = 0;
  gboolean good =
      EVP_Digest(input, length, digest, &digest_size, digest_of(jwk->kind), NULL) == 1 &&
      EVP_PKEY_verify(jwk->verifying, signature, size, digest, digest_size) == 1;
  ERR_clear_error(); /* of a bad signature: not the reason of what fails later */
  return good;
}

/* Of an algorithm that has its digest inside. */
static gboolean verify_whole(const Jwk *jwk, const char *input, gsize length,
                             const guint8 *signature, gsize size) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  gboolean good = EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, jwk->key, NULL) == 1 &&
                  EVP_DigestVerify(context, signature, size, (const guint8 *)input, length) == 1;
  EVP_MD_CTX_free(context);
  ERR_clear_error();
  return good;
}

gboolean jwk_verify(const Jwk *jwk, const char *input, gsize length, GBytes *signature) {
  gsize size = 0;
  const guint8 *octets = g_bytes_get_data(signature, &size);
  guint8 der[DER_MAX_OCTETS];
  if (jwk->kind->digest == NULL)
    return octets != NULL && verify_whole(jwk, input, length, octets, size);
  if (jwk->kind->octets == 0)
    return octets != NULL && verify(jwk, input, length, octets, size);
  gsize der_length = ecdsa_der(signature, jwk->kind->octets, der);
  return der_length > 0 && verify(jwk, input, length, der, der_length);
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
