/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/key.h"

#include "ca/der.h"
#include "ca/key_rsa.h"
#include "ca/openssl_auto.h"

#include <openssl/asn1t.h>
#include <string.h>

/* SubjectPublicKeyInfo with the AlgorithmIdentifier as octets. */
typedef struct {
  ASN1_TYPE *algorithm;
  ASN1_BIT_STRING *key;
} KeyOctets;

ASN1_SEQUENCE(KeyOctets) =
    {
        ASN1_SIMPLE(KeyOctets, algorithm, ASN1_ANY),
        ASN1_SIMPLE(KeyOctets, key, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(KeyOctets)

        static void key_octets_free(KeyOctets * octets) {
  ASN1_item_free((ASN1_VALUE *)octets, ASN1_ITEM_rptr(KeyOctets));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeyOctets, key_octets_free)

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_BAD_KEY, why);
  return FALSE;
}

static gboolean check_rsa(int curve G_GNUC_UNUSED, GBytes *key, GError **error) {
  return key_rsa_check(key, error);
}

/* Full validation but for the order, which is the group's own (SP 800-56A section 5.6.2.3.2): the
   curves have cofactor 1, so that a point on the curve other than infinity is in the group. */
static gboolean check_ec(int curve, GBytes *key, GError **error) {
  g_autoptr(EC_GROUP) group = openssl_must(EC_GROUP_new_by_curve_name(curve));
  g_autoptr(EC_POINT) point = openssl_must(EC_POINT_new(group));
  gsize length;
  const guint8 *octets = g_bytes_get_data(key, &length);
  gsize field = ((gsize)EC_GROUP_get_degree(group) + 7) / 8;
  if (length != 1 + 2 * field || octets[0] != POINT_CONVERSION_UNCOMPRESSED)
    return refuse(error, "the key's point is not in uncompressed form");
  if (EC_POINT_oct2point(group, point, octets, length, NULL) != 1)
    return openssl_fail(error, CA_ERROR_BAD_KEY, "the key is not a point of its curve");
  return TRUE;
}

/* RFC 8032 section 5.1.5: any 32 octets; those that are no point verify nothing. */
static gboolean check_ed25519(int curve G_GNUC_UNUSED, GBytes *key, GError **error) {
  return g_bytes_get_size(key) == 32 ? TRUE
                                     : refuse(error, "the Ed25519 key does not have 32 octets");
}

/* S/MIME BR 7.1.3.1 and RFC 8410 section 3: the AlgorithmIdentifier, octet for octet. */
typedef struct {
  const char *kind;
  KeyType type;
  guint purposes; /* of KeyPurpose */
  guint8 octets[24];
  gsize length;
  gboolean (*check)(int curve, GBytes *key, GError **error);
  int curve;
} KeyForm;

static const KeyForm forms[] = {
    {"rsa",
     KEY_RSA,
     KEY_SUBSCRIBER | KEY_ACCOUNT,
     {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00},
     15,
     check_rsa,
     0},
    {"p256",
     KEY_P256,
     KEY_SUBSCRIBER | KEY_ACCOUNT,
     {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
      0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
     21,
     check_ec,
     NID_X9_62_prime256v1},
    {"p384",
     KEY_P384,
     KEY_SUBSCRIBER | KEY_ACCOUNT,
     {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
      0x04, 0x00, 0x22},
     18,
     check_ec,
     NID_secp384r1},
    {"p521",
     KEY_P521,
     KEY_ACCOUNT,
     {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
      0x04, 0x00, 0x23},
     18,
     check_ec,
     NID_secp521r1},
    {"ed25519",
     KEY_ED25519,
     KEY_ACCOUNT,
     {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70},
     7,
     check_ed25519,
     0},
};

/* A BIT STRING of whole octets. */
static GBytes *whole_octets(const ASN1_BIT_STRING *bits) {
  return (bits->flags & 0x07) == 0 ? openssl_string_octets(bits) : NULL;
}

static const KeyForm *find_form(const KeyOctets *octets) {
  g_autoptr(GBytes) algorithm = der_encode(octets->algorithm, ASN1_ITEM_rptr(ASN1_ANY));
  for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
    g_autoptr(GBytes) form = g_bytes_new_static(forms[i].octets, forms[i].length);
    if (g_bytes_equal(algorithm, form))
      return &forms[i];
  }
  return NULL;
}

gboolean key_check(GBytes *spki, KeyPurpose purpose, KeyType *type, GError **error) {
  g_autoptr(KeyOctets) octets = der_decode(spki, ASN1_ITEM_rptr(KeyOctets));
  g_autoptr(GBytes) key = octets != NULL ? whole_octets(octets->key) : NULL;
  if (key == NULL)
    return refuse(error, "the public key is not a DER SubjectPublicKeyInfo");
  const KeyForm *form = find_form(octets);
  if (form == NULL || (form->purposes & purpose) == 0)
    return refuse(error, purpose == KEY_ACCOUNT
                             ? "the key's type is not accepted; RSA (2048 to 4096 bit), P-256, "
                               "P-384, P-521 and Ed25519 are"
                             : "the key's type is not accepted; RSA (2048 to 4096 bit), P-256 "
                               "and P-384 are");
  if (type != NULL)
    *type = form->type;
  return form->check(form->curve, key, error);
}

const char *key_kind(GBytes *spki) {
  g_autoptr(KeyOctets) octets = der_decode(spki, ASN1_ITEM_rptr(KeyOctets));
  const KeyForm *form = octets != NULL ? find_form(octets) : NULL;
  return form != NULL ? form->kind : NULL;
}

static GBytes *sha256(GBytes *data, gsize keep) {
  guint8 digest[EVP_MAX_MD_SIZE];
  gsize length;
  const guint8 *octets = g_bytes_get_data(data, &length);
  openssl_check(EVP_Digest(octets, length, digest, NULL, EVP_sha256(), NULL) == 1);
  return g_bytes_new(digest, keep);
}

GBytes *key_digest(GBytes *spki) {
  return sha256(spki, 32);
}

GBytes *key_identifier(GBytes *spki) {
  g_autoptr(KeyOctets) octets = der_decode(spki, ASN1_ITEM_rptr(KeyOctets));
  g_autoptr(GBytes) key = octets != NULL ? whole_octets(octets->key) : NULL;
  return key != NULL ? sha256(key, 20) : NULL;
}
