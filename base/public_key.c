/* SPDX-License-Identifier: Apache-2.0 */
#include "base/public_key.h"

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <string.h>

/* --- P-256
 * ------------------------------------------------------------------------------------------------
 */

/* What stands before the point, which is not compressed, in a SubjectPublicKeyInfo (RFC 5480
   section 2); the last octet is the point's first. */
static const guint8 p256_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

#define P256_POINT (sizeof(p256_head) - 1)
#define P256_SIZE (sizeof(p256_head) + 64)

/* A key of that curve without a point. */
static gpointer make_p256(gpointer unused G_GNUC_UNUSED) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"P-256", 0),
      OSSL_PARAM_construct_end()};
  g_assert(EVP_PKEY_fromdata_init(context) == 1 &&
           EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEY_PARAMETERS, parameters) == 1);
  EVP_PKEY_CTX_free(context);
  return key;
}

/* Most keys are of this curve, and a copy takes a quarter of what a decoder does. OpenSSL looks
   whether the point is one of the curve. */
static EVP_PKEY *read_p256(const guint8 *octets) {
  static GOnce once = G_ONCE_INIT;
  EVP_PKEY *key = EVP_PKEY_dup(g_once(&once, make_p256, NULL));
  if (key != NULL &&
      EVP_PKEY_set1_encoded_public_key(key, octets + P256_POINT, P256_SIZE - P256_POINT) == 1)
    return key;
  EVP_PKEY_free(key);
  return NULL;
}

/* --- any kind
 * --------------------------------------------------------------------------------------------- */

static EVP_PKEY *decode(const guint8 *octets, gsize size) {
  /* The decoder puts what it reads where it was told to when it was made. */
  static OSSL_DECODER_CTX *decoder;
  static EVP_PKEY *read;
  G_LOCK_DEFINE_STATIC(decoder);
  G_LOCK(decoder);
  if (decoder == NULL)
    decoder = OSSL_DECODER_CTX_new_for_pkey(&read, "DER", "SubjectPublicKeyInfo", NULL,
                                            EVP_PKEY_PUBLIC_KEY, NULL, NULL);
  if (OSSL_DECODER_from_data(decoder, &octets, &size) != 1 || size > 0)
    g_clear_pointer(&read, EVP_PKEY_free);
  EVP_PKEY *key = g_steal_pointer(&read);
  G_UNLOCK(decoder);
  return key;
}

EVP_PKEY *public_key_read(const guint8 *octets, gsize size) {
  ERR_set_mark();
  EVP_PKEY *key = size == P256_SIZE && memcmp(octets, p256_head, sizeof(p256_head)) == 0
                      ? read_p256(octets)
                      : decode(octets, size);
  ERR_pop_to_mark();
  return key;
}
