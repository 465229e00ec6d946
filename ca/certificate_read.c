/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/certificate_read.h"
#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "ca/pem.h"
#include "ca/san.h"

#include <openssl/asn1t.h>
#include <string.h>

/* RFC 5280 section 4.1 Certificate, with the part that is signed as octets. */
typedef struct {
  ASN1_TYPE *tbs;
  X509_ALGOR *algorithm;
  ASN1_BIT_STRING *signature;
} SignedPart;

ASN1_SEQUENCE(SignedPart) =
    {
        ASN1_SIMPLE(SignedPart, tbs, ASN1_ANY),
        ASN1_SIMPLE(SignedPart, algorithm, X509_ALGOR),
        ASN1_SIMPLE(SignedPart, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(SignedPart)

        static void signed_part_free(SignedPart * part) {
  ASN1_item_free((ASN1_VALUE *)part, ASN1_ITEM_rptr(SignedPart));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SignedPart, signed_part_free)

static X509 *read_der(GBytes *der) {
  return der_decode_keyless(der, ASN1_ITEM_rptr(X509));
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

static gboolean names_mailbox(const GENERAL_NAME *name) {
  return name->type == GEN_EMAIL ||
         (name->type == GEN_OTHERNAME &&
          OBJ_obj2nid(name->d.otherName->type_id) == NID_id_on_SmtpUTF8Mailbox);
}

static void mailbox_unref(gpointer mailbox) {
  mailbox_free(mailbox);
}

static gboolean add_mailbox(GPtrArray *mailboxes, const GENERAL_NAME *name, GError **error) {
  g_autofree char *why = NULL;
  g_autoptr(Mailbox) mailbox = san_mailbox(name, &why);
  if (mailbox == NULL) {
    g_set_error(error, CA_ERROR, CA_ERROR_PROFILE, "it names no usable mail address: %s", why);
    return FALSE;
  }
  for (guint i = 0; i < mailboxes->len; i++)
    if (mailbox_equal(mailboxes->pdata[i], mailbox, FALSE))
      return TRUE;
  g_ptr_array_add(mailboxes, g_steal_pointer(&mailbox));
  return TRUE;
}

GPtrArray *certificate_mailboxes(GBytes *der, GError **error) {
  g_autoptr(GPtrArray) mailboxes = g_ptr_array_new_with_free_func(mailbox_unref);
  X509 *certificate = read_der(der);
  g_autoptr(GENERAL_NAMES) names =
      certificate != NULL ? X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL) : NULL;
  X509_free(certificate);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (names_mailbox(name) && !add_mailbox(mailboxes, name, error))
      return NULL;
  }
  if (mailboxes->len > 0)
    return g_steal_pointer(&mailboxes);
  return openssl_fail(error, CA_ERROR_PROFILE, "it names no mail address"), NULL;
}

/* Whoever linted the part that is signed has looked into it. */
gboolean certificate_is_made_of(GBytes *der, GBytes *tbs) {
  g_autoptr(SignedPart) certificate = der_decode(der, ASN1_ITEM_rptr(SignedPart));
  if (certificate == NULL || certificate->tbs->type != V_ASN1_SEQUENCE)
    return FALSE;
  g_autoptr(GBytes) part = openssl_string_octets(certificate->tbs->value.sequence);
  return g_bytes_equal(part, tbs);
}

static GBytes *identifier_octets(const ASN1_OCTET_STRING *identifier) {
  return identifier != NULL ? openssl_string_octets(identifier) : NULL;
}

GBytes *certificate_authority(GBytes *der) {
  g_autoptr(X509) certificate = read_der(der);
  return certificate != NULL ? identifier_octets(X509_get0_authority_key_id(certificate)) : NULL;
}

GBytes *crl_authority(GBytes *der) {
  g_autoptr(X509_CRL) crl = der_decode(der, ASN1_ITEM_rptr(X509_CRL));
  g_autoptr(AUTHORITY_KEYID) authority =
      crl != NULL ? X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL) : NULL;
  return authority != NULL ? identifier_octets(authority->keyid) : NULL;
}

GBytes *issuer_identifier(const Issuer *issuer) {
  return identifier_octets(X509_get0_subject_key_id(issuer->certificate));
}

GBytes *issuer_der(const Issuer *issuer) {
  return der_encode(issuer->certificate, ASN1_ITEM_rptr(X509));
}

static char *file_below(const GENERAL_NAME *name, const char *base) {
  int type = 0;
  const ASN1_STRING *url = name != NULL ? GENERAL_NAME_get0_value(name, &type) : NULL;
  if (type != GEN_URI)
    return NULL;
  g_autofree char *text =
      g_strndup((const char *)ASN1_STRING_get0_data(url), (gsize)ASN1_STRING_length(url));
  return g_str_has_prefix(text, base) ? g_strdup(text + strlen(base)) : NULL;
}

char *issuer_crl_file(const Issuer *issuer, const char *base) {
  g_autoptr(CRL_DIST_POINTS) points =
      X509_get_ext_d2i(issuer->certificate, NID_crl_distribution_points, NULL, NULL);
  const DIST_POINT *first =
      points != NULL && sk_DIST_POINT_num(points) > 0 ? sk_DIST_POINT_value(points, 0) : NULL;
  if (first == NULL || first->distpoint == NULL || first->distpoint->type != 0)
    return NULL;
  return file_below(sk_GENERAL_NAME_value(first->distpoint->name.fullname, 0), base);
}

char *issuer_root_file(const Issuer *issuer, const char *base) {
  g_autoptr(AUTHORITY_INFO_ACCESS) list =
      X509_get_ext_d2i(issuer->certificate, NID_info_access, NULL, NULL);
  for (int i = 0; list != NULL && i < sk_ACCESS_DESCRIPTION_num(list); i++) {
    const ACCESS_DESCRIPTION *access = sk_ACCESS_DESCRIPTION_value(list, i);
    if (OBJ_obj2nid(access->method) == NID_ad_ca_issuers)
      return file_below(access->location, base);
  }
  return NULL;
}

GBytes *issuer_spki(const Issuer *issuer) {
  guint8 *octets = NULL;
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(issuer->certificate), &octets);
  GBytes *spki = g_bytes_new(octets, (gsize)MAX(length, 0));
  OPENSSL_free(octets);
  return spki;
}

gboolean issuer_has_key(const Issuer *issuer, GBytes *spki) {
  g_autoptr(GBytes) own = issuer_spki(issuer);
  return g_bytes_equal(own, spki);
}

char *issuer_pem(const Issuer *issuer) {
  g_autoptr(GBytes) der = issuer_der(issuer);
  return pem_certificate(der);
}
