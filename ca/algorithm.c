/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/algorithm.h"

#include "ca/key_rsa.h"
#include "ca/openssl_auto.h"

#include <openssl/err.h>
#include <string.h>

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_BAD_KEY, why);
  return FALSE;
}

static gboolean check_rsa(const Algorithm *algorithm G_GNUC_UNUSED, GBytes *key, GError **error) {
  return key_rsa_check(key, error);
}

/* To make one takes longer than to check a point. */
static const EC_GROUP *curve(const char *name) {
  static GHashTable *curves; /* name -> EC_GROUP, for the life of the process */
  G_LOCK_DEFINE_STATIC(curves);
  G_LOCK(curves);
  if (curves == NULL)
    curves = g_hash_table_new(g_str_hash, g_str_equal);
  EC_GROUP *group = g_hash_table_lookup(curves, name);
  if (group == NULL) {
    group = openssl_must(EC_GROUP_new_by_curve_name(OBJ_sn2nid(name)));
    g_hash_table_insert(curves, (gpointer)name, group);
  }
  G_UNLOCK(curves);
  return group;
}

/* Full validation but for the order, which is the group's own (SP 800-56A section 5.6.2.3.2): the
   curves have cofactor 1, so that a point on the curve other than infinity is in the group. */
static gboolean check_ec(const Algorithm *algorithm, GBytes *key, GError **error) {
  const EC_GROUP *group = curve(algorithm->group);
  g_autoptr(EC_POINT) point = openssl_must(EC_POINT_new(group));
  gsize length;
  const guint8 *octets = g_bytes_get_data(key, &length);
  if (length != algorithm->length || octets[0] != POINT_CONVERSION_UNCOMPRESSED)
    return refuse(error, "the key's point is not in uncompressed form");
  if (EC_POINT_oct2point(group, point, octets, length, NULL) != 1)
    return openssl_fail(error, CA_ERROR_BAD_KEY, "the key is not a point of its curve");
  return TRUE;
}

/* RFC 8032 section 5.1.5: any octets of that number; those that are no point verify nothing. */
static gboolean check_length(const Algorithm *algorithm, GBytes *key, GError **error) {
  if (g_bytes_get_size(key) == algorithm->length)
    return TRUE;
  g_set_error(error, CA_ERROR, CA_ERROR_BAD_KEY,
              "the %s key does not have %" G_GSIZE_FORMAT " octets", algorithm->title,
              algorithm->length);
  return FALSE;
}

#define NOT_YET(family)                                                                            \
  family " keys are not taken: the cryptographic library of this server does not have them yet"
#define ROOT_PROGRAMS(title) title " keys are not taken: root programs do not allow them"

/* AlgorithmIdentifiers of RFC 9881 and RFC 9935: an OID below 2.16.840.1.101.3.4, no parameters. */
#define ML(arc, number)                                                                            \
  { 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, arc, number }
#define ML_DSA(title_text, name_text, number)                                                      \
  {                                                                                                \
    .name = (name_text), .title = (title_text), .key = ML(3, number), .sign = KEY_USAGE_SIGN,      \
    .refused = NOT_YET("ML-DSA")                                                                   \
  }
#define ML_KEM(title_text, name_text, number)                                                      \
  {                                                                                                \
    .name = (name_text), .title = (title_text), .key = ML(4, number),                              \
    .encrypt = KEY_USAGE_ENCIPHER, .refused = NOT_YET("ML-KEM")                                    \
  }

static const Algorithm algorithms[] = {
    {.name = "rsa",
     .title = "RSA (2048 to 4096 bit)",
     .type = "RSA",
     .key = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
             0x00},
     .signature = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b,
                   0x05, 0x00},
     .digest = "SHA256",
     .new_ca_key = "RSA-4096",
     .purposes = KEY_SUBSCRIBER | KEY_ACCOUNT | KEY_CA,
     .sign = KEY_USAGE_SIGN,
     .encrypt = KEY_USAGE_ENCIPHER,
     .check = check_rsa},
    {.name = "p256",
     .title = "P-256",
     .type = "EC",
     .group = "prime256v1",
     .key = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
             0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
     .signature = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02},
     .digest = "SHA256",
     .new_ca_key = "P-256",
     .purposes = KEY_SUBSCRIBER | KEY_ACCOUNT | KEY_CA,
     .sign = KEY_USAGE_SIGN,
     .encrypt = KEY_USAGE_AGREE,
     .check = check_ec,
     .length = 65},
    {.name = "p384",
     .title = "P-384",
     .type = "EC",
     .group = "secp384r1",
     .key = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
             0x81, 0x04, 0x00, 0x22},
     .signature = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03},
     .digest = "SHA384",
     .new_ca_key = "P-384",
     .purposes = KEY_SUBSCRIBER | KEY_ACCOUNT | KEY_CA,
     .sign = KEY_USAGE_SIGN,
     .encrypt = KEY_USAGE_AGREE,
     .check = check_ec,
     .length = 97},
    {.name = "p521",
     .title = "P-521",
     .type = "EC",
     .group = "secp521r1",
     .key = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
             0x81, 0x04, 0x00, 0x23},
     .purposes = KEY_ACCOUNT,
     .sign = KEY_USAGE_SIGN,
     .encrypt = KEY_USAGE_AGREE,
     .refused = "P-521 keys are not taken: a widely used linter rejects their certificates",
     .check = check_ec,
     .length = 133},
    {.name = "ed25519",
     .title = "Ed25519",
     .type = "ED25519",
     .key = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70},
     .purposes = KEY_ACCOUNT,
     .sign = KEY_USAGE_SIGN,
     .refused = ROOT_PROGRAMS("Ed25519"),
     .check = check_length,
     .length = 32},
    {.name = "ed448",
     .title = "Ed448",
     .type = "ED448",
     .key = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71},
     .sign = KEY_USAGE_SIGN,
     .refused = ROOT_PROGRAMS("Ed448"),
     .check = check_length,
     .length = 57},
    ML_DSA("ML-DSA-44", "ml-dsa-44", 17),
    ML_DSA("ML-DSA-65", "ml-dsa-65", 18),
    ML_DSA("ML-DSA-87", "ml-dsa-87", 19),
    ML_KEM("ML-KEM-512", "ml-kem-512", 1),
    ML_KEM("ML-KEM-768", "ml-kem-768", 2),
    ML_KEM("ML-KEM-1024", "ml-kem-1024", 3),
};

const Algorithm *algorithm_at(gsize n) {
  return n < G_N_ELEMENTS(algorithms) ? &algorithms[n] : NULL;
}

static GBytes *octets(const guint8 *identifier) {
  return g_bytes_new_static(identifier, 2 + (gsize)identifier[1]);
}

GBytes *algorithm_key_octets(const Algorithm *algorithm) {
  return octets(algorithm->key);
}

GBytes *algorithm_signature_octets(const Algorithm *algorithm) {
  return octets(algorithm->signature);
}

const Algorithm *algorithm_of_key(GBytes *identifier) {
  for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
    g_autoptr(GBytes) known = algorithm_key_octets(&algorithms[i]);
    if (g_bytes_equal(identifier, known))
      return &algorithms[i];
  }
  return NULL;
}

const Algorithm *algorithm_of_ca(EVP_PKEY *key) {
  char group[64] = "";
  gboolean rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  if (!rsa && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1) {
    ERR_clear_error();
    return NULL;
  }
  if (rsa && EVP_PKEY_get_bits(key) < ALGORITHM_RSA_CA_MIN_BITS)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
    const Algorithm *row = &algorithms[i];
    if ((row->purposes & KEY_CA) != 0 &&
        (rsa ? row->group == NULL : g_strcmp0(row->group, group) == 0))
      return row;
  }
  return NULL;
}

const Algorithm *algorithm_new_ca_key(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++)
    if (g_strcmp0(algorithms[i].new_ca_key, name) == 0)
      return &algorithms[i];
  return NULL;
}

EVP_PKEY *algorithm_make_ca_key(const Algorithm *algorithm, GError **error) {
  EVP_PKEY *key =
      algorithm->group != NULL
          ? EVP_PKEY_Q_keygen(NULL, NULL, algorithm->type, algorithm->group)
          : EVP_PKEY_Q_keygen(NULL, NULL, algorithm->type, (size_t)ALGORITHM_RSA_NEW_CA_BITS);
  if (key == NULL)
    openssl_fail(error, CA_ERROR_SIGN, "a key cannot be made");
  return key;
}

gboolean algorithm_ca_key_is_over(EVP_PKEY *key, gint64 seconds) {
  return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) < ALGORITHM_RSA_CA_LATER_BITS &&
         seconds >= ALGORITHM_RSA_CA_LATER;
}

char *algorithm_list(KeyPurpose purpose) {
  GString *text = g_string_new(NULL);
  const char *last = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
    if ((algorithms[i].purposes & purpose) == 0)
      continue;
    if (last != NULL)
      g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", last);
    last = algorithms[i].title;
  }
  g_string_append_printf(text, "%s%s", text->len > 0 ? " and " : "", last);
  return g_string_free(text, FALSE);
}
