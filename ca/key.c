/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/key.h"

#include "base/sha256.h"
#include "ca/der.h"
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

/* A BIT STRING of whole octets. */
static GBytes *whole_octets(const ASN1_BIT_STRING *bits) {
  return (bits->flags & 0x07) == 0 ? openssl_string_octets(bits) : NULL;
}

static const Algorithm *find_algorithm(const KeyOctets *octets) {
  g_autoptr(GBytes) identifier = der_encode(octets->algorithm, ASN1_ITEM_rptr(ASN1_ANY));
  return algorithm_of_key(identifier);
}

static gboolean refuse_kind(const Algorithm *algorithm, KeyPurpose purpose, GError **error) {
  if (algorithm != NULL && algorithm->refused != NULL && purpose == KEY_SUBSCRIBER)
    return refuse(error, algorithm->refused);
  g_autofree char *taken = algorithm_list(purpose);
  g_set_error(error, CA_ERROR, CA_ERROR_BAD_KEY, "the key's type is not accepted; %s are", taken);
  return FALSE;
}

gboolean key_check(GBytes *spki, KeyPurpose purpose, const Algorithm **algorithm, GError **error) {
  g_autoptr(KeyOctets) octets = der_decode(spki, ASN1_ITEM_rptr(KeyOctets));
  g_autoptr(GBytes) key = octets != NULL ? whole_octets(octets->key) : NULL;
  if (key == NULL)
    return refuse(error, "the public key is not a DER SubjectPublicKeyInfo");
  const Algorithm *found = find_algorithm(octets);
  if (found == NULL || (found->purposes & purpose) == 0)
    return refuse_kind(found, purpose, error);
  if (algorithm != NULL)
    *algorithm = found;
  return found->check(found, key, error);
}

const Algorithm *key_algorithm(GBytes *spki) {
  g_autoptr(KeyOctets) octets = der_decode(spki, ASN1_ITEM_rptr(KeyOctets));
  return octets != NULL ? find_algorithm(octets) : NULL;
}

static GBytes *sha256(GBytes *data, gsize keep) {
  guint8 digest[SHA256_OCTETS];
  sha256_of(data, digest);
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
