/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/extension.h"

#include "ca/openssl_auto.h"

#include <string.h>

X509_EXTENSIONS *extension_list_new(void) {
  return openssl_must(sk_X509_EXTENSION_new_null());
}

static void add(X509_EXTENSIONS *list, int nid, gboolean critical, gconstpointer value) {
  X509_EXTENSION *extension = openssl_must(X509V3_EXT_i2d(nid, critical, (void *)value));
  openssl_check(sk_X509_EXTENSION_push(list, extension) > 0);
}

void extension_add_authority_key(X509_EXTENSIONS *list, const ASN1_OCTET_STRING *key_identifier) {
  g_autoptr(AUTHORITY_KEYID) value = openssl_must(AUTHORITY_KEYID_new());
  value->keyid = openssl_must(ASN1_OCTET_STRING_dup(key_identifier));
  add(list, NID_authority_key_identifier, FALSE, value);
}

void extension_add_subject_key(X509_EXTENSIONS *list, GBytes *key_identifier) {
  g_autoptr(ASN1_OCTET_STRING) value = openssl_must(ASN1_OCTET_STRING_new());
  gsize length;
  const guint8 *octets = g_bytes_get_data(key_identifier, &length);
  openssl_check(ASN1_OCTET_STRING_set(value, octets, (int)length) == 1);
  add(list, NID_subject_key_identifier, FALSE, value);
}

void extension_add_key_usage(X509_EXTENSIONS *list, guint bits) {
  g_autoptr(ASN1_BIT_STRING) value = openssl_must(ASN1_BIT_STRING_new());
  for (int bit = 0; bit <= 8; bit++)
    if ((bits & (1u << bit)) != 0)
      openssl_check(ASN1_BIT_STRING_set_bit(value, bit, 1) == 1);
  add(list, NID_key_usage, TRUE, value);
}

void extension_add_policies(X509_EXTENSIONS *list, const char *const *oids) {
  g_autoptr(CERTIFICATEPOLICIES) value = openssl_must(sk_POLICYINFO_new_null());
  for (gsize i = 0; oids[i] != NULL; i++) {
    POLICYINFO *policy = openssl_must(POLICYINFO_new());
    ASN1_OBJECT_free(policy->policyid);
    policy->policyid = openssl_must(OBJ_txt2obj(oids[i], 1));
    openssl_check(sk_POLICYINFO_push(value, policy) > 0);
  }
  add(list, NID_certificate_policies, FALSE, value);
}

void extension_add_issued_policies(X509_EXTENSIONS *list) {
  static const char *const policies[] = {POLICY_STRICT, POLICY_MULTIPURPOSE, NULL};
  extension_add_policies(list, policies);
}

void extension_add_names(X509_EXTENSIONS *list, const GENERAL_NAMES *names, gboolean critical) {
  add(list, NID_subject_alt_name, critical, names);
}

void extension_add_basic_constraints(X509_EXTENSIONS *list, gboolean ca, int path_length) {
  g_autoptr(BASIC_CONSTRAINTS) value = openssl_must(BASIC_CONSTRAINTS_new());
  value->ca = ca ? 0xff : 0;
  if (path_length >= 0) {
    value->pathlen = openssl_must(ASN1_INTEGER_new());
    openssl_check(ASN1_INTEGER_set(value->pathlen, path_length) == 1);
  }
  add(list, NID_basic_constraints, ca, value);
}

void extension_add_email_protection(X509_EXTENSIONS *list) {
  g_autoptr(EXTENDED_KEY_USAGE) value = openssl_must(sk_ASN1_OBJECT_new_null());
  openssl_check(sk_ASN1_OBJECT_push(value, OBJ_nid2obj(NID_email_protect)) > 0);
  add(list, NID_ext_key_usage, FALSE, value);
}

static GENERAL_NAME *uri(const char *url) {
  GENERAL_NAME *name = openssl_must(GENERAL_NAME_new());
  ASN1_IA5STRING *text = openssl_must(ASN1_IA5STRING_new());
  openssl_check(ASN1_STRING_set(text, url, (int)strlen(url)) == 1);
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  return name;
}

DIST_POINT_NAME *extension_point_name(const char *url) {
  DIST_POINT_NAME *point = openssl_must(DIST_POINT_NAME_new());
  point->type = 0;
  point->name.fullname = openssl_must(sk_GENERAL_NAME_new_null());
  openssl_check(sk_GENERAL_NAME_push(point->name.fullname, uri(url)) > 0);
  return point;
}

void extension_add_crl(X509_EXTENSIONS *list, const char *url) {
  g_autoptr(CRL_DIST_POINTS) value = openssl_must(sk_DIST_POINT_new_null());
  DIST_POINT *point = openssl_must(DIST_POINT_new());
  point->distpoint = extension_point_name(url);
  openssl_check(sk_DIST_POINT_push(value, point) > 0);
  add(list, NID_crl_distribution_points, FALSE, value);
}

void extension_add_issuer_url(X509_EXTENSIONS *list, const char *url) {
  g_autoptr(AUTHORITY_INFO_ACCESS) value = openssl_must(sk_ACCESS_DESCRIPTION_new_null());
  ACCESS_DESCRIPTION *access = openssl_must(ACCESS_DESCRIPTION_new());
  ASN1_OBJECT_free(access->method);
  access->method = OBJ_nid2obj(NID_ad_ca_issuers);
  GENERAL_NAME_free(access->location);
  access->location = uri(url);
  openssl_check(sk_ACCESS_DESCRIPTION_push(value, access) > 0);
  add(list, NID_info_access, FALSE, value);
}

void extension_add_crl_number(X509_EXTENSIONS *list, gint64 number) {
  g_autoptr(ASN1_INTEGER) value = openssl_must(ASN1_INTEGER_new());
  openssl_check(ASN1_INTEGER_set_int64(value, number) == 1);
  add(list, NID_crl_number, FALSE, value);
}

void extension_add_issuing_point(X509_EXTENSIONS *list, const char *url, gboolean ca_only) {
  g_autoptr(ISSUING_DIST_POINT) value = openssl_must(ISSUING_DIST_POINT_new());
  value->distpoint = extension_point_name(url);
  value->onlyCA = ca_only ? 0xff : 0;
  value->onlyuser = ca_only ? 0 : 0xff;
  add(list, NID_issuing_distribution_point, TRUE, value);
}

gboolean extension_is_http_url(const char *url) {
  if (url == NULL || !g_str_has_prefix(url, "http://") || url[strlen("http://")] == '\0' ||
      url[strlen("http://")] == '/')
    return FALSE;
  for (const char *p = url; *p != '\0'; p++)
    if (!g_ascii_isgraph(*p))
      return FALSE;
  return TRUE;
}
