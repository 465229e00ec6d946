/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs12.h"

#include "client/failure.h"

#include <openssl/rand.h>

#define PASSWORD_LENGTH 24

GBytes *pkcs12_pack(EVP_PKEY *key, const CertificateStack *chain, const char *name,
                    const char *password, GError **error) {
  /* Only a list: the certificates stay the chain's. */
  CertificateStack *issuers = sk_X509_new_null();
  for (int i = 1; i < sk_X509_num(chain); i++)
    sk_X509_push(issuers, sk_X509_value(chain, i));
  g_autoptr(PKCS12) pack =
      PKCS12_create(password, name, key, sk_X509_value(chain, 0), issuers, NID_aes_256_cbc,
                    NID_aes_256_cbc, PKCS12_ITERATIONS, PKCS12_ITERATIONS, 0);
  sk_X509_free(issuers);
  guint8 *der = NULL;
  int length = pack != NULL ? i2d_PKCS12(pack, &der) : -1;
  if (length <= 0) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the PKCS#12 file could not be made: %s",
                client_openssl_reason());
    return NULL;
  }
  GBytes *bytes = g_bytes_new(der, (gsize)length);
  OPENSSL_free(der);
  return bytes;
}

/* 32 characters that are not mistaken for one another: five bits of an octet choose one. */
char *pkcs12_make_password(void) {
  static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
  G_STATIC_ASSERT(sizeof alphabet == 33);
  guint8 random[PASSWORD_LENGTH];
  char *password = g_malloc0(PASSWORD_LENGTH + 1);
  if (RAND_bytes(random, sizeof random) != 1)
    g_error("no random octets");
  for (gsize i = 0; i < PASSWORD_LENGTH; i++)
    password[i] = alphabet[random[i] % 32];
  return password;
}
