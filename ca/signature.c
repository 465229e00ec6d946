/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signature.h"

#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "ca/tbs.h"

#include <openssl/err.h>
#include <string.h>

GBytes *signature_wrap(GBytes *tbs, GBytes *identifier, GBytes *signature) {
  g_autoptr(ASN1_BIT_STRING) bits = openssl_must(ASN1_BIT_STRING_new());
  gsize length;
  const guint8 *octets = g_bytes_get_data(signature, &length);
  openssl_check(ASN1_BIT_STRING_set(bits, (guint8 *)octets, (int)length) == 1);
  /* Without this the zero bits at a signature's end would be cut off. */
  bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
  g_autoptr(GBytes) last = der_encode(bits, ASN1_ITEM_rptr(ASN1_BIT_STRING));
  return der_is_sequence(tbs) && der_is_sequence(identifier)
             ? der_sequence((GBytes *[]){tbs, identifier, last, NULL})
             : NULL;
}

static GBytes *make(EVP_PKEY *key, const Algorithm *algorithm, GBytes *tbs) {
  g_autoptr(EVP_MD_CTX) context = openssl_must(EVP_MD_CTX_new());
  gsize length, size = (gsize)MAX(EVP_PKEY_get_size(key), 0);
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  g_autofree guint8 *signature = g_malloc(size + 1);
  if (EVP_DigestSignInit_ex(context, NULL, algorithm->digest, NULL, NULL, key, NULL) != 1 ||
      EVP_DigestSign(context, signature, &size, octets, length) != 1)
    return NULL;
  return g_bytes_new_take(g_steal_pointer(&signature), size);
}

static gboolean verify(EVP_PKEY *key, const Algorithm *algorithm, GBytes *tbs, GBytes *signature) {
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
  const Algorithm *algorithm = algorithm_of_ca(public_key);
  if (algorithm == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key's type cannot sign"), NULL;
  g_autoptr(GBytes) expected = algorithm_signature_octets(algorithm);
  if (named == NULL || !g_bytes_equal(named, expected))
    return openssl_fail(error, CA_ERROR_SIGN,
                        "what is to be signed does not name the CA key's signature algorithm"),
           NULL;
  g_autoptr(GBytes) signature = make(key, algorithm, tbs);
  if (signature == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key cannot sign"), NULL;
  if (!verify(public_key, algorithm, tbs, signature))
    return openssl_fail(error, CA_ERROR_SIGN, "the CA's own signature does not verify"), NULL;
  return signature_wrap(tbs, expected, signature);
}

GBytes *signature_certificate(EVP_PKEY *key, EVP_PKEY *public_key, GBytes *tbs, GError **error) {
  g_autoptr(GBytes) named = tbs_signature_algorithm(tbs);
  return sign(key, public_key, tbs, named, error);
}

GBytes *signature_crl(EVP_PKEY *key, EVP_PKEY *public_key, GBytes *tbs, GError **error) {
  g_autoptr(GBytes) named = tbs_crl_signature_algorithm(tbs);
  return sign(key, public_key, tbs, named, error);
}
