/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/certificate_read.h"
#include "ca/openssl_auto.h"

#include <string.h>

static X509 *read_der(GBytes *der) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(der, &size), *end = data;
  X509 *certificate = size <= G_MAXINT ? d2i_X509(NULL, &end, (long)size) : NULL;
  if (certificate != NULL && end != data + size)
    g_clear_pointer(&certificate, X509_free);
  return certificate;
}

GBytes *certificate_serial_of(GBytes *der) {
  X509 *certificate = read_der(der);
  if (certificate == NULL)
    return NULL;
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
  gsize length = (gsize)BN_num_bytes(number);
  guint8 *octets = g_malloc(length + 1);
  BN_bn2bin(number, octets);
  BN_free(number);
  X509_free(certificate);
  return g_bytes_new_take(octets, length);
}

gboolean certificate_is_made_of(GBytes *der, GBytes *tbs) {
  X509 *certificate = read_der(der);
  guint8 *octets = NULL;
  int length = certificate != NULL ? i2d_re_X509_tbs(certificate, &octets) : 0;
  gboolean same = length > 0 && (gsize)length == g_bytes_get_size(tbs) &&
                  memcmp(octets, g_bytes_get_data(tbs, NULL), (gsize)length) == 0;
  OPENSSL_free(octets);
  X509_free(certificate);
  return same;
}

gboolean issuer_has_key(const Issuer *issuer, GBytes *spki) {
  guint8 *octets = NULL;
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(issuer->certificate), &octets);
  gboolean same = length > 0 && (gsize)length == g_bytes_get_size(spki) &&
                  memcmp(octets, g_bytes_get_data(spki, NULL), (gsize)length) == 0;
  OPENSSL_free(octets);
  return same;
}
