/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/tbs.h"

#include "ca/der.h"
#include "ca/openssl_auto.h"

#include <openssl/asn1t.h>

typedef struct {
  ASN1_INTEGER *version;
  ASN1_TYPE *algorithm;
  ASN1_TYPE *issuer;
  ASN1_TIME *this_update;
  ASN1_TIME *next_update;
  STACK_OF(X509_REVOKED) * entries;
  X509_EXTENSIONS *extensions;
} CrlOctets;

ASN1_SEQUENCE(CrlOctets) =
    {
        ASN1_OPT(CrlOctets, version, ASN1_INTEGER),
        ASN1_SIMPLE(CrlOctets, algorithm, ASN1_ANY),
        ASN1_SIMPLE(CrlOctets, issuer, ASN1_ANY),
        ASN1_SIMPLE(CrlOctets, this_update, ASN1_TIME),
        ASN1_OPT(CrlOctets, next_update, ASN1_TIME),
        ASN1_SEQUENCE_OF_OPT(CrlOctets, entries, X509_REVOKED),
        ASN1_EXP_SEQUENCE_OF_OPT(CrlOctets, extensions, X509_EXTENSION, 0),
} static_ASN1_SEQUENCE_END(CrlOctets)

        static void crl_octets_free(CrlOctets * crl) {
  ASN1_item_free((ASN1_VALUE *)crl, ASN1_ITEM_rptr(CrlOctets));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CrlOctets, crl_octets_free)

ASN1_INTEGER *tbs_integer(GBytes *big_endian) {
  gsize length;
  const guint8 *octets = g_bytes_get_data(big_endian, &length);
  g_autoptr(BIGNUM) number = openssl_must(BN_bin2bn(octets, (int)length, NULL));
  return openssl_must(BN_to_ASN1_INTEGER(number, NULL));
}

ASN1_TIME *tbs_time(gint64 milliseconds) {
  return openssl_must(ASN1_TIME_set(NULL, (time_t)(milliseconds / 1000)));
}

static gboolean put_sequence(ASN1_TYPE **field, GBytes *der) {
  ASN1_TYPE_free(*field);
  *field = der_decode(der, ASN1_ITEM_rptr(ASN1_ANY));
  return *field != NULL && (*field)->type == V_ASN1_SEQUENCE;
}

static void put_extensions(X509_EXTENSIONS *to, const X509_EXTENSIONS *list) {
  for (int i = 0; i < sk_X509_EXTENSION_num(list); i++) {
    X509_EXTENSION *copy = openssl_must(X509_EXTENSION_dup(sk_X509_EXTENSION_value(list, i)));
    openssl_check(sk_X509_EXTENSION_push(to, copy) > 0);
  }
}

static GBytes *integer_octets(GBytes *big_endian) {
  g_autoptr(ASN1_INTEGER) number = tbs_integer(big_endian);
  return der_encode(number, ASN1_ITEM_rptr(ASN1_INTEGER));
}

static GBytes *time_octets(gint64 milliseconds) {
  g_autoptr(ASN1_TIME) time = tbs_time(milliseconds);
  return der_encode(time, ASN1_ITEM_rptr(ASN1_TIME));
}

GBytes *tbs_encode(const TbsParts *parts) {
  static const guint8 v3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
  g_autoptr(GBytes) version = g_bytes_new_static(v3, sizeof v3);
  g_autoptr(GBytes) serial = integer_octets(parts->serial);
  g_autoptr(GBytes) algorithm = algorithm_signature_octets(parts->algorithm);
  g_autoptr(GBytes) not_before = time_octets(parts->not_before);
  g_autoptr(GBytes) not_after = time_octets(parts->not_after);
  g_autoptr(GBytes) validity = der_sequence((GBytes *[]){not_before, not_after, NULL});
  g_autoptr(GBytes) list = der_encode(parts->extensions, ASN1_ITEM_rptr(X509_EXTENSIONS));
  g_autoptr(GBytes) extensions = der_tagged(3, list);
  if (!der_is_sequence(parts->issuer) || !der_is_sequence(parts->subject) ||
      !der_is_sequence(parts->spki))
    return NULL;
  return der_sequence((GBytes *[]){version, serial, algorithm, parts->issuer, validity,
                                   parts->subject, parts->spki, extensions, NULL});
}

GBytes *tbs_signature_algorithm(GBytes *der) {
  return der_element(der, 2); /* behind version and serial number */
}

static void put_entries(CrlOctets *crl, const STACK_OF(X509_REVOKED) * list) {
  if (sk_X509_REVOKED_num(list) > 0)
    crl->entries = openssl_must(sk_X509_REVOKED_new_null());
  for (int i = 0; i < sk_X509_REVOKED_num(list); i++) {
    X509_REVOKED *copy = openssl_must(X509_REVOKED_dup(sk_X509_REVOKED_value(list, i)));
    openssl_check(sk_X509_REVOKED_push(crl->entries, copy) > 0);
  }
}

GBytes *tbs_crl_encode(const TbsCrlParts *parts) {
  g_autoptr(CrlOctets) crl = openssl_must(ASN1_item_new(ASN1_ITEM_rptr(CrlOctets)));
  g_autoptr(GBytes) algorithm = algorithm_signature_octets(parts->algorithm);
  crl->version = openssl_must(ASN1_INTEGER_new());
  openssl_check(ASN1_INTEGER_set(crl->version, X509_CRL_VERSION_2) == 1);
  if (!put_sequence(&crl->algorithm, algorithm) || !put_sequence(&crl->issuer, parts->issuer))
    return NULL;
  ASN1_TIME_free(crl->this_update);
  crl->this_update = tbs_time(parts->this_update);
  crl->next_update = tbs_time(parts->next_update);
  crl->extensions = openssl_must(sk_X509_EXTENSION_new_null());
  put_entries(crl, parts->entries);
  put_extensions(crl->extensions, parts->extensions);
  return der_encode(crl, ASN1_ITEM_rptr(CrlOctets));
}

GBytes *tbs_crl_signature_algorithm(GBytes *der) {
  g_autoptr(CrlOctets) crl = der_decode(der, ASN1_ITEM_rptr(CrlOctets));
  return crl != NULL ? der_encode(crl->algorithm, ASN1_ITEM_rptr(ASN1_ANY)) : NULL;
}
