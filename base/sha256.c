/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"
#include "base/audit_record.h"

#include <openssl/evp.h>

struct Sha256 {
  EVP_MD_CTX *context;
};

/* Looked up once. */
static const EVP_MD *algorithm(void) {
  static gsize found;
  if (g_once_init_enter(&found))
    g_once_init_leave(&found, (gsize)EVP_MD_fetch(NULL, "SHA256", NULL));
  return (const EVP_MD *)found;
}

static void begin(Sha256 *sum) {
  g_assert(EVP_DigestInit_ex2(sum->context, algorithm(), NULL) == 1);
}

Sha256 *sha256_new(void) {
  Sha256 *sum = g_new(Sha256, 1);
  sum->context = EVP_MD_CTX_new();
  begin(sum);
  return sum;
}

void sha256_free(Sha256 *sum) {
  EVP_MD_CTX_free(sum->context);
  g_free(sum);
}

void sha256_add(Sha256 *sum, const void *octets, gsize size) {
  EVP_DigestUpdate(sum->context, octets, size);
}

void sha256_end(Sha256 *sum, guint8 digest[SHA256_OCTETS]) {
  EVP_DigestFinal_ex(sum->context, digest, NULL);
  begin(sum);
}

char *sha256_end_hex(Sha256 *sum) {
  guint8 digest[SHA256_OCTETS];
  sha256_end(sum, digest);
  return audit_hex(digest, sizeof(digest));
}

void sha256_of(GBytes *octets, guint8 digest[SHA256_OCTETS]) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(octets, &size);
  g_assert(EVP_Digest(data, size, digest, NULL, algorithm(), NULL) == 1);
}

char *sha256_hex(GBytes *octets) {
  guint8 digest[SHA256_OCTETS];
  sha256_of(octets, digest);
  return audit_hex(digest, sizeof(digest));
}
