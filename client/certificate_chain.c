/* SPDX-License-Identifier: Apache-2.0 */
#include "client/certificate_chain.h"

#include "client/failure.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static const char *find_fault(const CertificateStack *chain) {
  int count = sk_X509_num(chain);
  if (count == 0)
    return "it holds no certificate";
  if (count > CERTIFICATE_CHAIN_MAX)
    return "it holds too many certificates";
  for (int i = 0; i + 1 < count; i++)
    if (X509_verify(sk_X509_value(chain, i), X509_get0_pubkey(sk_X509_value(chain, i + 1))) != 1)
      return "a certificate is not signed by the one after it";
  return NULL;
}

CertificateStack *certificate_chain_read(const void *pem, gsize length, GError **error) {
  g_autoptr(CertificateStack) chain = sk_X509_new_null();
  g_autoptr(BIO) bio = BIO_new_mem_buf(pem, (int)MIN(length, (gsize)G_MAXINT));
  X509 *certificate = NULL;
  while (sk_X509_num(chain) <= CERTIFICATE_CHAIN_MAX &&
         (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
    sk_X509_push(chain, certificate);
  const char *fault = find_fault(chain);
  ERR_clear_error();
  if (fault == NULL)
    return g_steal_pointer(&chain);
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the certificate chain is unusable: %s", fault);
  return NULL;
}

gboolean certificate_chain_is_for(const CertificateStack *chain, EVP_PKEY *key) {
  gboolean same = EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(chain, 0)), key) == 1;
  ERR_clear_error();
  return same;
}

GBytes *certificate_chain_pem(const CertificateStack *chain) {
  g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
  for (int i = 0; i < sk_X509_num(chain); i++)
    PEM_write_bio_X509(bio, sk_X509_value(chain, i));
  char *data = NULL;
  long length = BIO_get_mem_data(bio, &data);
  return g_bytes_new(data, (gsize)length);
}

char *certificate_chain_expiry(const CertificateStack *chain) {
  struct tm end = {0};
  ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, 0)), &end);
  return g_strdup_printf("%04d-%02d-%02d", end.tm_year + 1900, end.tm_mon + 1, end.tm_mday);
}
