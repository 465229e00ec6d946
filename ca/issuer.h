/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate authority: its certificate, what it publishes, and (in the signer alone) its key.
 */
#ifndef SIGNET_CA_ISSUER_H
#define SIGNET_CA_ISSUER_H

#include <glib.h>
#include <openssl/x509.h>

#define CA_ERROR (ca_error_quark())
GQuark ca_error_quark(void);
typedef enum {
  CA_ERROR_FILE,     /* a key or certificate file cannot be read */
  CA_ERROR_MISMATCH, /* key and certificate, or issuer and certificate, do not belong together */
  CA_ERROR_BAD_CSR,  /* RFC 8555 badCSR */
  CA_ERROR_BAD_KEY,  /* RFC 8555 badPublicKey */
  CA_ERROR_PROFILE,  /* the asked-for certificate is outside the profile */
  CA_ERROR_SIGN,     /* signing or verifying the own signature failed */
  CA_ERROR_LOG,      /* the signer's log cannot be read or written */
  CA_ERROR_MODULE,   /* a PKCS#11 module cannot be used */
  CA_ERROR_TOKEN,    /* a token or the key in it is not there */
  CA_ERROR_PIN       /* a token refused the PIN */
} CaError;

/* What the lint found nothing in, of late: for lint.c alone. */
typedef struct LintMemory LintMemory;

/* A pair of keys made ready to sign: for signature.c. */
typedef struct Signatory Signatory;

/* key, signatory and linted are NULL outside the signer. */
typedef struct {
  X509 *certificate;
  EVP_PKEY *key;
  Signatory *signatory;
  LintMemory *linted;
} Issuer;

/* Reads one PEM certificate and, when key_pem is given, its private key (passphrase may be NULL).
   The certificate must be a CA's with keyCertSign, cRLSign and subjectKeyIdentifier and a P-256,
   P-384 or RSA key. */
Issuer *issuer_new(GBytes *certificate_pem, GBytes *key_pem, const char *passphrase,
                   GError **error);
/* Reads a private key in PEM; CA_ERROR_FILE. The caller frees it. */
EVP_PKEY *issuer_read_key(GBytes *pem, const char *passphrase, GError **error);
/* Gives issuer its key, which is taken; CA_ERROR_MISMATCH when it is not the certificate's. */
gboolean issuer_take_key(Issuer *issuer, EVP_PKEY *key, GError **error);
void issuer_free(Issuer *issuer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Issuer, issuer_free)

/* Milliseconds since 1970. */
gint64 issuer_not_before(const Issuer *issuer);
gint64 issuer_not_after(const Issuer *issuer);

#endif
