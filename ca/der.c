/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/der.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static void free_octets(gpointer octets) {
  OPENSSL_free(octets);
}

GBytes *der_take(guint8 *octets, int length) {
  if (length < 0)
    g_error("OpenSSL: cannot encode");
  return g_bytes_new_with_free_func(octets, (gsize)length, free_octets, octets);
}

GBytes *der_encode(gconstpointer value, const ASN1_ITEM *item) {
  guint8 *octets = NULL;
  int length = ASN1_item_i2d(value, &octets, item);
  return der_take(octets, length);
}

gpointer der_decode(GBytes *der, const ASN1_ITEM *item) {
  gsize length;
  const guint8 *octets = g_bytes_get_data(der, &length);
  if (octets == NULL || length > G_MAXINT)
    return NULL;
  ASN1_VALUE *value = ASN1_item_d2i(NULL, &octets, (long)length, item);
  if (value == NULL) {
    ERR_clear_error();
    return NULL;
  }
  g_autoptr(GBytes) again = der_encode(value, item);
  if (g_bytes_equal(again, der))
    return value;
  ASN1_item_free(value, item);
  return NULL;
}
