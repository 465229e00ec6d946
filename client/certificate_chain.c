/* SPDX-License-Identifier: Apache-2.0 */
#include "client/certificate_chain.h"

#include "base/base64url.h"
#include "base/mailbox.h"
#include "ca/certificate_read.h"
#include "client/failure.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

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

/* RFC 8555 section 11.4: programs that read the file later could take a key in it for theirs. */
static gboolean holds_only_certificates(const char *pem, gsize length) {
  static const char begin[] = "-----BEGIN", certificate[] = "-----BEGIN CERTIFICATE-----";
  const char *end = pem + length;
  if (memchr(pem, '\0', length) != NULL)
    return FALSE;
  for (const char *at = pem; (at = g_strstr_len(at, end - at, begin)) != NULL; at++)
    if ((gsize)(end - at) < strlen(certificate) ||
        strncmp(at, certificate, strlen(certificate)) != 0)
      return FALSE;
  return TRUE;
}

CertificateStack *certificate_chain_read(const void *pem, gsize length, GError **error) {
  g_autoptr(CertificateStack) chain = sk_X509_new_null();
  g_autoptr(BIO) bio = BIO_new_mem_buf(pem, (int)MIN(length, (gsize)G_MAXINT));
  X509 *certificate = NULL;
  while (sk_X509_num(chain) <= CERTIFICATE_CHAIN_MAX &&
         (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
    sk_X509_push(chain, certificate);
  const char *fault =
      holds_only_certificates(pem, length) ? find_fault(chain) : "it holds more than certificates";
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

GBytes *certificate_chain_leaf(const CertificateStack *chain) {
  guint8 *der = NULL;
  int length = i2d_X509(sk_X509_value(chain, 0), &der);
  GBytes *leaf = g_bytes_new(der, (gsize)MAX(length, 0));
  OPENSSL_free(der);
  return leaf;
}

char **certificate_chain_addresses(const CertificateStack *chain, GError **error) {
  g_autoptr(GError) reason = NULL;
  g_autoptr(GBytes) leaf = certificate_chain_leaf(chain);
  g_autoptr(GPtrArray) mailboxes = certificate_mailboxes(leaf, &reason);
  if (mailboxes == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "nobody can prove a mailbox of the certificate: %s", reason->message);
    return NULL;
  }
  char **addresses = g_new0(char *, mailboxes->len + 1);
  for (guint i = 0; i < mailboxes->len; i++)
    addresses[i] = g_strdup(((const Mailbox *)mailboxes->pdata[i])->address);
  return addresses;
}

char *certificate_chain_serial(const CertificateStack *chain) {
  g_autoptr(BIGNUM) number =
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(sk_X509_value(chain, 0)), NULL);
  char *digits = BN_bn2hex(number);
  char *serial = g_ascii_strdown(digits, -1);
  OPENSSL_free(digits);
  return serial;
}

/* DER of a short INTEGER: tag, one octet of length, octets. */
char *certificate_chain_renewal_id(const CertificateStack *chain) {
  X509 *leaf = sk_X509_value(chain, 0);
  const ASN1_OCTET_STRING *key = X509_get0_authority_key_id(leaf);
  guint8 *der = NULL;
  int length = i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), &der);
  char *identifier = NULL;
  if (key != NULL && length > 2 && der[1] < 0x80) {
    g_autofree char *left =
        base64url_encode(ASN1_STRING_get0_data(key), (gsize)ASN1_STRING_length(key));
    g_autofree char *right = base64url_encode(der + 2, (gsize)length - 2);
    identifier = g_strconcat(left, ".", right, NULL);
  }
  OPENSSL_free(der);
  return identifier;
}

static gint64 seconds_of(const ASN1_TIME *time) {
  struct tm parts = {0};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? (gint64)timegm(&parts) : 0;
}

void certificate_chain_validity(const CertificateStack *chain, gint64 *from, gint64 *to) {
  const X509 *leaf = sk_X509_value(chain, 0);
  *from = seconds_of(X509_get0_notBefore(leaf));
  *to = seconds_of(X509_get0_notAfter(leaf));
}

char *certificate_chain_expiry(const CertificateStack *chain) {
  struct tm end = {0};
  ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, 0)), &end);
  return g_strdup_printf("%04d-%02d-%02d", end.tm_year + 1900, end.tm_mon + 1, end.tm_mday);
}
