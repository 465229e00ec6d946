/* SPDX-License-Identifier: Apache-2.0 */
#include "base/public_key.h"

#include <openssl/decoder.h>
#include <openssl/err.h>

EVP_PKEY *public_key_read(const guint8 *octets, gsize size) {
  /* The decoder puts what it reads where it was told to when it was made. */
  static OSSL_DECODER_CTX *decoder;
  static EVP_PKEY *read;
  G_LOCK_DEFINE_STATIC(decoder);
  G_LOCK(decoder);
  if (decoder == NULL)
    decoder = OSSL_DECODER_CTX_new_for_pkey(&read, "DER", "SubjectPublicKeyInfo", NULL,
                                            EVP_PKEY_PUBLIC_KEY, NULL, NULL);
  ERR_set_mark();
  if (OSSL_DECODER_from_data(decoder, &octets, &size) != 1 || size > 0)
    g_clear_pointer(&read, EVP_PKEY_free);
  ERR_pop_to_mark();
  EVP_PKEY *key = g_steal_pointer(&read);
  G_UNLOCK(decoder);
  return key;
}
