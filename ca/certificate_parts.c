/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/certificate_parts.h"

#include "ca/certificate_check.h"
#include "ca/certificate_read.h"
#include "ca/der.h"
#include "ca/openssl_auto.h"

#include <string.h>

#define SECOND 1000

void certificate_parts_clear(CertificateParts *parts) {
  g_clear_pointer(&parts->serial, g_bytes_unref);
  g_clear_pointer(&parts->tbs, g_bytes_unref);
  g_clear_pointer(&parts->spki, g_bytes_unref);
  g_clear_pointer(&parts->mailboxes, g_ptr_array_unref);
}

gint64 crl_file_shard(const char *name) {
  char *end = NULL;
  if (!g_str_has_prefix(name, "crl-") || !g_ascii_isdigit(name[4]))
    return 0;
  guint64 number = g_ascii_strtoull(name + 4, &end, 10);
  return strcmp(end, ".crl") == 0 && number <= G_MAXUINT32 ? (gint64)number : 0;
}

static gint64 shard_of(X509 *certificate, const char *base) {
  g_autoptr(CRL_DIST_POINTS) points =
      X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
  const DIST_POINT *first =
      points != NULL && sk_DIST_POINT_num(points) > 0 ? sk_DIST_POINT_value(points, 0) : NULL;
  if (first == NULL || first->distpoint == NULL || first->distpoint->type != 0)
    return 0;
  int type = 0;
  const GENERAL_NAME *name = sk_GENERAL_NAME_value(first->distpoint->name.fullname, 0);
  const ASN1_STRING *url = name != NULL ? GENERAL_NAME_get0_value(name, &type) : NULL;
  if (url == NULL || type != GEN_URI)
    return 0;
  g_autofree char *text =
      g_strndup((const char *)ASN1_STRING_get0_data(url), (gsize)ASN1_STRING_length(url));
  return g_str_has_prefix(text, base) ? crl_file_shard(text + strlen(base)) : 0;
}

static gint64 milliseconds(const ASN1_TIME *time) {
  struct tm parts = {0};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? (gint64)timegm(&parts) * SECOND : 0;
}

gboolean certificate_parts_read(GBytes *der, const char *base, CertificateParts *parts,
                                GError **error) {
  g_autoptr(X509) certificate = der_decode_keyless(der, ASN1_ITEM_rptr(X509));
  guint8 *octets = NULL;
  *parts = (CertificateParts){0};
  if (certificate == NULL)
    return openssl_fail(error, CA_ERROR_PROFILE, "it is no certificate in DER");
  parts->mailboxes = certificate_mailboxes(der, error);
  if (parts->mailboxes == NULL)
    return FALSE;
  parts->serial = certificate_serial_of(der);
  int length = i2d_re_X509_tbs(certificate, &octets);
  parts->tbs = der_take(octets, length);
  octets = NULL;
  length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &octets);
  parts->spki = der_take(octets, length);
  parts->not_before = milliseconds(X509_get0_notBefore(certificate));
  parts->not_after = milliseconds(X509_get0_notAfter(certificate));
  parts->shard = shard_of(certificate, base);
  return TRUE;
}

gint64 crl_number_of(GBytes *der) {
  g_autoptr(X509_CRL) crl = der_decode(der, ASN1_ITEM_rptr(X509_CRL));
  ASN1_INTEGER *number = crl != NULL ? X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL) : NULL;
  gint64 value = 0;
  if (number == NULL || ASN1_INTEGER_get_int64(&value, number) != 1)
    value = 0;
  ASN1_INTEGER_free(number);
  return value;
}
