/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dkim_key.h"
#include "base/public_key.h"
#include "mime/dkim.h"
#include "mime/dkim_tags.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define ED25519_KEY_OCTETS 32
#define MAX_ITEMS 32 /* in h=, s= or t= of a record */
#define RSA_ALGORITHM "rsa-sha256"
#define ED25519_ALGORITHM "ed25519-sha256"

void dkim_key_free(DkimKey *key) {
  if (key == NULL)
    return;
  EVP_PKEY_CTX_free(key->context);
  EVP_PKEY_free(key->key);
  g_free(key);
}

const char *dkim_key_algorithm(EVP_PKEY *key) {
  switch (EVP_PKEY_get_base_id(key)) {
  case EVP_PKEY_RSA:
    return RSA_ALGORITHM;
  case EVP_PKEY_ED25519:
    return ED25519_ALGORITHM;
  default:
    return NULL;
  }
}

/* An exponent of 1 makes every text its own signature; a long one makes a check dear. */
static gboolean exponent_is_fit(EVP_PKEY *key) {
  BIGNUM *exponent = NULL;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1)
    return FALSE;
  gboolean fit = BN_is_odd(exponent) && !BN_is_one(exponent) &&
                 BN_num_bits(exponent) <= DKIM_MAX_EXPONENT_BITS;
  BN_free(exponent);
  return fit;
}

const char *dkim_key_weakness(EVP_PKEY *key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
    return NULL;
  if (EVP_PKEY_get_bits(key) < DKIM_MIN_RSA_BITS)
    return "the key has fewer than 1024 bits";
  if (EVP_PKEY_get_bits(key) > DKIM_MAX_RSA_BITS)
    return "the key has more than 8192 bits";
  if (!exponent_is_fit(key))
    return "the key has an exponent that is not accepted";
  return NULL;
}

/* RFC 6376 says RSAPublicKey, everybody publishes SubjectPublicKeyInfo (its erratum 3017): both are
 * read. */
static EVP_PKEY *read_rsa(const guchar *data, gsize length) {
  const guchar *end = data + length;
  g_autoptr(EVP_PKEY) key = public_key_read(data, length);
  if (key == NULL) {
    end = data;
    key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &end, (long)length);
  }
  if (key == NULL || end != data + length || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
    return NULL;
  return g_steal_pointer(&key);
}

static EVP_PKEY *read_public(const char *algorithm, GBytes *octets) {
  gsize length = 0;
  const guchar *data = g_bytes_get_data(octets, &length);
  ERR_set_mark();
  EVP_PKEY *key = NULL;
  if (strcmp(algorithm, RSA_ALGORITHM) == 0)
    key = read_rsa(data, length);
  else if (length == ED25519_KEY_OCTETS)
    key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, data, length);
  ERR_pop_to_mark();
  return key;
}

/* Whether the colon-separated value holds one of two words. */
static gboolean lists(const char *value, const char *a, const char *b) {
  g_auto(GStrv) items = dkim_tag_list(value, MAX_ITEMS);
  return items != NULL && (g_strv_contains((const char *const *)items, a) ||
                           (b != NULL && g_strv_contains((const char *const *)items, b)));
}

/* "rsa" of "rsa-sha256" */
static gboolean kind_matches(const char *kind, const char *algorithm) {
  gsize length = strlen(kind);
  return strncmp(algorithm, kind, length) == 0 && algorithm[length] == '-';
}

/* Section 6.1.2 steps 5 to 8, in words; NULL when the record is one for this signature. */
static const char *refuse_record(const DkimTags *tags, const char *algorithm) {
  const DkimTag *version = dkim_tags_find(tags, "v");
  const char *kind = dkim_tags_value(tags, "k");
  const char *hashes = dkim_tags_value(tags, "h");
  const char *services = dkim_tags_value(tags, "s");
  const char *flags = dkim_tags_value(tags, "t");
  const char *key = dkim_tags_value(tags, "p");
  if (version != NULL && version != dkim_tags_first(tags))
    return "v= is not the first tag of the key record";
  if (version != NULL && strcmp(version->value, "DKIM1") != 0)
    return "the key record is of another version (v=)";
  if (key == NULL)
    return "the key record has no key (p=)";
  if (*key == '\0')
    return "the key was revoked (p= is empty)";
  if (!kind_matches(kind == NULL ? "rsa" : kind, algorithm))
    return "the key is of another kind (k=) than the signature (a=)";
  if (hashes != NULL && !lists(hashes, "sha256", NULL))
    return "the key record does not allow sha256 (h=)";
  if (services != NULL && !lists(services, "email", "*"))
    return "the key is not for e-mail (s=)";
  if (flags != NULL && lists(flags, "y", NULL))
    return "the domain says that it is testing DKIM only (t=y)";
  return NULL;
}

DkimKey *dkim_key_read(const char *record, const char *algorithm, const char **why) {
  gsize length = strlen(record);
  if (length > DKIM_MAX_RECORD_OCTETS)
    return *why = "the key record is too long", NULL;
  g_autoptr(DkimTags) tags = dkim_tags_parse(record, length);
  if (tags == NULL)
    return *why = "the key record is malformed", NULL;
  *why = refuse_record(tags, algorithm);
  if (*why != NULL)
    return NULL;
  g_autoptr(GBytes) octets = dkim_tag_base64(dkim_tags_value(tags, "p"));
  if (octets == NULL)
    return *why = "the key (p=) is not base64", NULL;
  g_autoptr(DkimKey) key = g_new0(DkimKey, 1);
  key->key = read_public(algorithm, octets);
  if (key->key == NULL)
    return *why = "the key (p=) is no key of its kind (k=)", NULL;
  *why = dkim_key_weakness(key->key);
  if (*why != NULL)
    return NULL;
  key->context = dkim_key_context(key->key, EVP_PKEY_verify_init);
  const char *flags = dkim_tags_value(tags, "t");
  key->strict = flags != NULL && lists(flags, "s", NULL);
  return g_steal_pointer(&key);
}

static gboolean verify_ed25519(EVP_PKEY *key, const guint8 *hash, const guint8 *data,
                               gsize length) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  gboolean good = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                  EVP_DigestVerify(context, data, length, hash, DKIM_HASH_OCTETS) == 1;
  EVP_MD_CTX_free(context);
  return good;
}

EVP_PKEY_CTX *dkim_key_context(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *)) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
    return NULL;
  g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
  if (context == NULL || init(context) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1)
    return NULL;
  return g_steal_pointer(&context);
}

gboolean dkim_key_verify(const DkimKey *key, const guint8 hash[DKIM_HASH_OCTETS],
                         GBytes *signature) {
  gsize length = 0;
  const guint8 *data = g_bytes_get_data(signature, &length);
  ERR_set_mark();
  gboolean good = EVP_PKEY_get_base_id(key->key) == EVP_PKEY_ED25519
                      ? verify_ed25519(key->key, hash, data, length)
                      : key->context != NULL && EVP_PKEY_verify(key->context, data, length, hash,
                                                                DKIM_HASH_OCTETS) == 1;
  ERR_pop_to_mark();
  return good;
}

static gboolean sign_ed25519(EVP_PKEY *key, const guint8 *hash, guint8 *data, gsize *length) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  gboolean done = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                  EVP_DigestSign(context, data, length, hash, DKIM_HASH_OCTETS) == 1;
  EVP_MD_CTX_free(context);
  return done;
}

GBytes *dkim_key_sign(EVP_PKEY *key, EVP_PKEY_CTX *context, const guint8 hash[DKIM_HASH_OCTETS]) {
  gsize length = (gsize)EVP_PKEY_get_size(key);
  g_autofree guint8 *data = g_malloc(length);
  gboolean done =
      EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519
          ? sign_ed25519(key, hash, data, &length)
          : context != NULL && EVP_PKEY_sign(context, data, &length, hash, DKIM_HASH_OCTETS) == 1;
  return done ? g_bytes_new_take(g_steal_pointer(&data), length) : NULL;
}

static char *rsa_record(EVP_PKEY *key) {
  guchar *der = NULL;
  int length = i2d_PUBKEY(key, &der);
  if (length <= 0)
    return NULL;
  g_autofree char *text = g_base64_encode(der, (gsize)length);
  OPENSSL_free(der);
  return g_strconcat("v=DKIM1; k=rsa; p=", text, NULL);
}

static char *ed25519_record(EVP_PKEY *key) {
  guint8 octets[ED25519_KEY_OCTETS];
  gsize length = sizeof octets;
  if (EVP_PKEY_get_raw_public_key(key, octets, &length) != 1)
    return NULL;
  g_autofree char *text = g_base64_encode(octets, length);
  return g_strconcat("v=DKIM1; k=ed25519; p=", text, NULL);
}

char *dkim_key_record(EVP_PKEY *key, GError **error) {
  const char *why = dkim_key_algorithm(key) == NULL ? "the key is neither RSA nor Ed25519"
                                                    : dkim_key_weakness(key);
  char *record = NULL;
  if (why == NULL)
    record = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? ed25519_record(key) : rsa_record(key);
  if (record == NULL)
    g_set_error_literal(error, DKIM_ERROR, DKIM_ERROR_KEY,
                        why != NULL ? why : "the key's public half cannot be had");
  return record;
}
