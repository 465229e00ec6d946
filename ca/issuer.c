/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/issuer.h"

#include "ca/lint.h"
#include "ca/openssl_auto.h"
#include "ca/signature.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

G_DEFINE_QUARK(signet - ca - error, ca_error)

static BIO *open_bytes(GBytes *bytes) {
  gsize length;
  const void *data = g_bytes_get_data(bytes, &length);
  return openssl_must(BIO_new_mem_buf(data != NULL ? data : "", (int)MIN(length, G_MAXINT)));
}

static X509 *read_certificate(GBytes *pem, GError **error) {
  g_autoptr(BIO) bio = open_bytes(pem);
  g_autoptr(X509) certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  if (certificate == NULL)
    return openssl_fail(error, CA_ERROR_FILE, "the file holds no PEM certificate"), NULL;
  g_autoptr(X509) second = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  if (second != NULL)
    return openssl_fail(error, CA_ERROR_FILE, "the file holds more than one certificate"), NULL;
  ERR_clear_error();
  return g_steal_pointer(&certificate);
}

/* OpenSSL's own default would ask at the terminal. */
static int give_passphrase(char *buffer, int size, int writing G_GNUC_UNUSED, void *user) {
  const char *passphrase = user;
  if (passphrase == NULL || strlen(passphrase) > (gsize)size)
    return -1;
  memcpy(buffer, passphrase, strlen(passphrase));
  return (int)strlen(passphrase);
}

EVP_PKEY *issuer_read_key(GBytes *pem, const char *passphrase, GError **error) {
  g_autoptr(BIO) bio = open_bytes(pem);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)passphrase);
  if (key == NULL)
    openssl_fail(error, CA_ERROR_FILE, "the private key cannot be read; is the passphrase right?");
  return key;
}

static gboolean check_certificate(X509 *certificate, GError **error) {
  const char *why = NULL;
  guint32 usage = X509_get_key_usage(certificate);
  if (X509_get0_pubkey(certificate) == NULL ||
      algorithm_of_ca(X509_get0_pubkey(certificate)) == NULL)
    why = "the CA certificate's key is not P-256, P-384 or RSA of 2048 bit or more";
  else if (X509_check_ca(certificate) != 1)
    why = "the certificate is not that of a CA (basicConstraints, keyUsage)";
  else if ((usage & KU_KEY_CERT_SIGN) == 0 || (usage & KU_CRL_SIGN) == 0)
    why = "the CA certificate's keyUsage lacks keyCertSign or cRLSign";
  else if (X509_get0_subject_key_id(certificate) == NULL)
    why = "the CA certificate has no subjectKeyIdentifier";
  else if (ASN1_TIME_check(X509_get0_notBefore(certificate)) != 1 ||
           ASN1_TIME_check(X509_get0_notAfter(certificate)) != 1)
    why = "the CA certificate's validity cannot be read";
  return why == NULL ? TRUE : openssl_fail(error, CA_ERROR_MISMATCH, why);
}

Issuer *issuer_new(GBytes *certificate_pem, GBytes *key_pem, const char *passphrase,
                   GError **error) {
  g_autoptr(Issuer) issuer = g_new0(Issuer, 1);
  issuer->certificate = read_certificate(certificate_pem, error);
  if (issuer->certificate == NULL || !check_certificate(issuer->certificate, error))
    return NULL;
  if (key_pem == NULL)
    return g_steal_pointer(&issuer);
  EVP_PKEY *key = issuer_read_key(key_pem, passphrase, error);
  return key != NULL && issuer_take_key(issuer, key, error) ? g_steal_pointer(&issuer) : NULL;
}

gboolean issuer_take_key(Issuer *issuer, EVP_PKEY *key, GError **error) {
  if (X509_check_private_key(issuer->certificate, key) != 1) {
    EVP_PKEY_free(key);
    return openssl_fail(error, CA_ERROR_MISMATCH, "the private key is not the CA certificate's");
  }
  issuer->key = key;
  issuer->signatory = signatory_new(key, X509_get0_pubkey(issuer->certificate), error);
  issuer->linted = lint_memory_new();
  return issuer->signatory != NULL;
}

void issuer_free(Issuer *issuer) {
  if (issuer == NULL)
    return;
  X509_free(issuer->certificate);
  EVP_PKEY_free(issuer->key);
  signatory_free(issuer->signatory);
  lint_memory_free(issuer->linted);
  g_free(issuer);
}

static gint64 milliseconds(const ASN1_TIME *time) {
  struct tm parts = {0};
  openssl_check(ASN1_TIME_to_tm(time, &parts) == 1);
  return (gint64)timegm(&parts) * 1000;
}

gint64 issuer_not_before(const Issuer *issuer) {
  return milliseconds(X509_get0_notBefore(issuer->certificate));
}

gint64 issuer_not_after(const Issuer *issuer) {
  return milliseconds(X509_get0_notAfter(issuer->certificate));
}
