/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signature.h"

#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "ca/tbs.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <string.h>

/* RFC 5280 section 4.1 Certificate, with everything but the signature as octets. */
typedef struct {
  ASN1_TYPE *tbs;
  ASN1_TYPE *algorithm;
  ASN1_BIT_STRING *signature;
} SignedOctets;

ASN1_SEQUENCE(SignedOctets) =
    {
        ASN1_SIMPLE(SignedOctets, tbs, ASN1_ANY),
        ASN1_SIMPLE(SignedOctets, algorithm, ASN1_ANY),
        ASN1_SIMPLE(SignedOctets, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(SignedOctets)

        static const guint8 ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                              0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const guint8 ecdsa_sha384[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                      0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
static const guint8 rsa_sha256[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                    0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};

static const SignatureAlgorithm algorithms[] = {
    {"EC", "prime256v1", "SHA256", ecdsa_sha256, sizeof ecdsa_sha256},
    {"EC", "secp384r1", "SHA384", ecdsa_sha384, sizeof ecdsa_sha384},
    {"RSA", NULL, "SHA256", rsa_sha256, sizeof rsa_sha256},
};

#define RSA_MIN_BITS 2048

const SignatureAlgorithm *signature_algorithm(EVP_PKEY *key) {
  char group[64] = "";
  gboolean rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  if (!rsa && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1) {
    ERR_clear_error();
    return NULL;
  }
  if (rsa && EVP_PKEY_get_bits(key) < RSA_MIN_BITS)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++)
    if (EVP_PKEY_is_a(key, algorithms[i].key) == 1 &&
        (algorithms[i].group == NULL || strcmp(algorithms[i].group, group) == 0))
      return &algorithms[i];
  return NULL;
}

static ASN1_TYPE *sequence(GBytes *der) {
  ASN1_TYPE *any = der_decode(der, ASN1_ITEM_rptr(ASN1_ANY));
  if (any != NULL && any->type != V_ASN1_SEQUENCE)
    g_clear_pointer(&any, ASN1_TYPE_free);
  return any;
}

GBytes *signature_wrap(GBytes *tbs, const SignatureAlgorithm *algorithm, GBytes *signature) {
  g_autoptr(ASN1_BIT_STRING) bits = openssl_must(ASN1_BIT_STRING_new());
  g_autoptr(GBytes) identifier = g_bytes_new_static(algorithm->octets, algorithm->length);
  gsize length;
  const guint8 *octets = g_bytes_get_data(signature, &length);
  openssl_check(ASN1_BIT_STRING_set(bits, (guint8 *)octets, (int)length) == 1);
  /* Without this the zero bits at a signature's end would be cut off. */
  bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
  SignedOctets whole = {sequence(tbs), sequence(identifier), bits};
  GBytes *der = whole.tbs != NULL ? der_encode(&whole, ASN1_ITEM_rptr(SignedOctets)) : NULL;
  ASN1_TYPE_free(whole.tbs);
  ASN1_TYPE_free(whole.algorithm);
  return der;
}

static GBytes *make(EVP_PKEY *key, const SignatureAlgorithm *algorithm, GBytes *tbs) {
  g_autoptr(EVP_MD_CTX) context = openssl_must(EVP_MD_CTX_new());
  gsize length, size = (gsize)MAX(EVP_PKEY_get_size(key), 0);
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  g_autofree guint8 *signature = g_malloc(size + 1);
  if (EVP_DigestSignInit_ex(context, NULL, algorithm->digest, NULL, NULL, key, NULL) != 1 ||
      EVP_DigestSign(context, signature, &size, octets, length) != 1)
    return NULL;
  return g_bytes_new_take(g_steal_pointer(&signature), size);
}

static gboolean verify(EVP_PKEY *key, const SignatureAlgorithm *algorithm, GBytes *tbs,
                       GBytes *signature) {
  g_autoptr(EVP_MD_CTX) context = openssl_must(EVP_MD_CTX_new());
  gsize length, size;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  const guint8 *data = g_bytes_get_data(signature, &size);
  return EVP_DigestVerifyInit_ex(context, NULL, algorithm->digest, NULL, NULL, key, NULL) == 1 &&
         EVP_DigestVerify(context, data, size, octets, length) == 1;
}

/* named: the AlgorithmIdentifier inside tbs. */
static GBytes *sign(EVP_PKEY *key, EVP_PKEY *public_key, GBytes *tbs, GBytes *named,
                    GError **error) {
  const SignatureAlgorithm *algorithm = signature_algorithm(public_key);
  if (algorithm == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key's type cannot sign"), NULL;
  g_autoptr(GBytes) expected = g_bytes_new_static(algorithm->octets, algorithm->length);
  if (named == NULL || !g_bytes_equal(named, expected))
    return openssl_fail(error, CA_ERROR_SIGN,
                        "what is to be signed does not name the CA key's signature algorithm"),
           NULL;
  g_autoptr(GBytes) signature = make(key, algorithm, tbs);
  if (signature == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key cannot sign"), NULL;
  if (!verify(public_key, algorithm, tbs, signature))
    return openssl_fail(error, CA_ERROR_SIGN, "the CA's own signature does not verify"), NULL;
  return signature_wrap(tbs, algorithm, signature);
}

GBytes *signature_certificate(EVP_PKEY *key, EVP_PKEY *public_key, GBytes *tbs, GError **error) {
  g_autoptr(GBytes) named = tbs_signature_algorithm(tbs);
  return sign(key, public_key, tbs, named, error);
}

GBytes *signature_crl(EVP_PKEY *key, EVP_PKEY *public_key, GBytes *tbs, GError **error) {
  g_autoptr(GBytes) named = tbs_crl_signature_algorithm(tbs);
  return sign(key, public_key, tbs, named, error);
}
