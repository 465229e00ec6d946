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

struct Signatory {
  const Algorithm *algorithm;
  EVP_MD *digest;
  EVP_PKEY_CTX *sign, *verify;
};

static EVP_PKEY_CTX *make_ready(EVP_PKEY *key, int (*begin)(EVP_PKEY_CTX *), const EVP_MD *digest) {
  g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
  return context != NULL && begin(context) == 1 &&
                 EVP_PKEY_CTX_set_signature_md(context, digest) == 1
             ? g_steal_pointer(&context)
             : NULL;
}

Signatory *signatory_new(EVP_PKEY *key, EVP_PKEY *public_key, GError **error) {
  g_autoptr(Signatory) signatory = g_new0(Signatory, 1);
  signatory->algorithm = algorithm_of_ca(public_key);
  if (signatory->algorithm == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key's type cannot sign"), NULL;
  signatory->digest = openssl_must(EVP_MD_fetch(NULL, signatory->algorithm->digest, NULL));
  signatory->sign = make_ready(key, EVP_PKEY_sign_init, signatory->digest);
  signatory->verify = make_ready(public_key, EVP_PKEY_verify_init, signatory->digest);
  if (signatory->sign == NULL || signatory->verify == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key cannot sign"), NULL;
  return g_steal_pointer(&signatory);
}

void signatory_free(Signatory *signatory) {
  if (signatory == NULL)
    return;
  EVP_MD_free(signatory->digest);
  EVP_PKEY_CTX_free(signatory->sign);
  EVP_PKEY_CTX_free(signatory->verify);
  g_free(signatory);
}

static gsize hash(const Signatory *signatory, GBytes *tbs, guint8 digest[EVP_MAX_MD_SIZE]) {
  gsize length;
  guint size = 0;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  openssl_check(EVP_Digest(octets, length, digest, &size, signatory->digest, NULL) == 1);
  return size;
}

static GBytes *make(const Signatory *signatory, GBytes *tbs) {
  guint8 digest[EVP_MAX_MD_SIZE];
  gsize length = hash(signatory, tbs, digest);
  gsize size = (gsize)MAX(EVP_PKEY_get_size(EVP_PKEY_CTX_get0_pkey(signatory->sign)), 0);
  g_autofree guint8 *signature = g_malloc(size + 1);
  if (EVP_PKEY_sign(signatory->sign, signature, &size, digest, length) != 1)
    return NULL;
  return g_bytes_new_take(g_steal_pointer(&signature), size);
}

static gboolean verify(const Signatory *signatory, GBytes *tbs, GBytes *signature) {
  guint8 digest[EVP_MAX_MD_SIZE];
  gsize length = hash(signatory, tbs, digest), size;
  const guint8 *data = g_bytes_get_data(signature, &size);
  return EVP_PKEY_verify(signatory->verify, data, size, digest, length) == 1;
}

/* named: the AlgorithmIdentifier inside tbs. */
static GBytes *sign(const Signatory *signatory, GBytes *tbs, GBytes *named, GError **error) {
  g_autoptr(GBytes) expected = algorithm_signature_octets(signatory->algorithm);
  if (named == NULL || !g_bytes_equal(named, expected))
    return openssl_fail(error, CA_ERROR_SIGN,
                        "what is to be signed does not name the CA key's signature algorithm"),
           NULL;
  g_autoptr(GBytes) signature = make(signatory, tbs);
  if (signature == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key cannot sign"), NULL;
  if (!verify(signatory, tbs, signature))
    return openssl_fail(error, CA_ERROR_SIGN, "the CA's own signature does not verify"), NULL;
  return signature_wrap(tbs, expected, signature);
}

GBytes *signature_certificate(const Signatory *signatory, GBytes *tbs, GError **error) {
  g_autoptr(GBytes) named = tbs_signature_algorithm(tbs);
  return sign(signatory, tbs, named, error);
}

GBytes *signature_crl(const Signatory *signatory, GBytes *tbs, GError **error) {
  g_autoptr(GBytes) named = tbs_crl_signature_algorithm(tbs);
  return sign(signatory, tbs, named, error);
}
