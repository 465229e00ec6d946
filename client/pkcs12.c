/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs12.h"

#include "client/failure.h"

#include <openssl/provider.h>
#include <openssl/rand.h>

#define PASSWORD_LENGTH 24

const char *const pkcs12_forms[] = {[PKCS12_MODERN] = "modern", [PKCS12_LEGACY] = "legacy", NULL};

static PKCS12 *pack_modern(EVP_PKEY *key, X509 *leaf, CertificateStack *issuers, const char *name,
                           const char *password) {
  return PKCS12_create(password, name, key, leaf, issuers, NID_aes_256_cbc, NID_aes_256_cbc,
                       PKCS12_ITERATIONS, PKCS12_ITERATIONS, 0);
}

static PKCS12 *pack_in(OSSL_LIB_CTX *library, EVP_PKEY *key, X509 *leaf, CertificateStack *issuers,
                       const char *name, const char *password) {
  g_autoptr(PKCS12) pack = PKCS12_create_ex(
      password, name, key, leaf, issuers, NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
      NID_pbe_WithSHA1And40BitRC2_CBC, PKCS12_LEGACY_ITERATIONS, -1, 0, library, NULL);
  if (pack == NULL ||
      PKCS12_set_mac(pack, password, -1, NULL, 0, PKCS12_LEGACY_ITERATIONS, EVP_sha1()) != 1)
    return NULL;
  return g_steal_pointer(&pack);
}

/* RC2 is in OpenSSL's legacy provider: loaded for this alone, so that nothing else comes to use
   what it offers. */
static PKCS12 *pack_legacy(EVP_PKEY *key, X509 *leaf, CertificateStack *issuers, const char *name,
                           const char *password) {
  OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
  OSSL_PROVIDER *usual = OSSL_PROVIDER_load(library, "default");
  OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(library, "legacy");
  PKCS12 *pack =
      usual != NULL && legacy != NULL ? pack_in(library, key, leaf, issuers, name, password) : NULL;
  if (legacy != NULL)
    OSSL_PROVIDER_unload(legacy);
  if (usual != NULL)
    OSSL_PROVIDER_unload(usual);
  OSSL_LIB_CTX_free(library);
  return pack;
}

GBytes *pkcs12_pack(EVP_PKEY *key, const CertificateStack *chain, const char *name,
                    const char *password, Pkcs12Form form, GError **error) {
  static PKCS12 *(*const packers[])(EVP_PKEY *, X509 *, CertificateStack *, const char *,
                                    const char *) = {
      [PKCS12_MODERN] = pack_modern,
      [PKCS12_LEGACY] = pack_legacy,
  };
  /* Only a list: the certificates stay the chain's. */
  CertificateStack *issuers = sk_X509_new_null();
  for (int i = 1; i < sk_X509_num(chain); i++)
    sk_X509_push(issuers, sk_X509_value(chain, i));
  g_autoptr(PKCS12) pack = packers[form](key, sk_X509_value(chain, 0), issuers, name, password);
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
