/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about extensions other than the subjectAltName (ca-rules 21 to 25). */
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/key.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"

#include <string.h>

gpointer lint_extension(Lint *lint, int nid, const ASN1_ITEM *item, gboolean quiet) {
  int index = X509_get_ext_by_NID(lint->certificate, nid, -1);
  if (index < 0) {
    if (!quiet)
      lint_add(lint, "it is not there");
    return NULL;
  }
  X509_EXTENSION *extension = X509_get_ext(lint->certificate, index);
  g_autoptr(GBytes) octets = openssl_string_octets(X509_EXTENSION_get_data(extension));
  gpointer value = der_decode(octets, item);
  if (value == NULL && !quiet)
    lint_add(lint, "it is not DER");
  return value;
}

void lint_criticality(Lint *lint, int nid, gboolean critical) {
  int index = X509_get_ext_by_NID(lint->certificate, nid, -1);
  if (index < 0)
    return;
  if ((X509_EXTENSION_get_critical(X509_get_ext(lint->certificate, index)) != 0) != critical)
    lint_add(lint, critical ? "it is not critical" : "it is critical");
}

/* Nothing but what the profile names, each once. */
void lint_extension_set(Lint *lint) {
  static const int known[] = {
      NID_authority_key_identifier,
      NID_subject_key_identifier,
      NID_key_usage,
      NID_certificate_policies,
      NID_subject_alt_name,
      NID_basic_constraints,
      NID_ext_key_usage,
      NID_crl_distribution_points,
      NID_info_access,
  };
  for (int i = 0; i < X509_get_ext_count(lint->certificate); i++) {
    const ASN1_OBJECT *type = X509_EXTENSION_get_object(X509_get_ext(lint->certificate, i));
    char name[80];
    gboolean found = FALSE;
    OBJ_obj2txt(name, sizeof name, type, 0);
    for (gsize k = 0; k < G_N_ELEMENTS(known); k++)
      found = found || OBJ_obj2nid(type) == known[k];
    if (!found)
      lint_add(lint, "%s is not of the profile", name);
    if (X509_get_ext_by_OBJ(lint->certificate, type, i) >= 0)
      lint_add(lint, "%s stands there twice", name);
  }
}

static char *policy_oid(const POLICYINFO *policy) {
  char text[80];
  OBJ_obj2txt(text, sizeof text, policy->policyid, 1);
  return g_strdup(text);
}

/* Exactly one, strict or multipurpose, without qualifiers. */
void lint_policies(Lint *lint) {
  g_autoptr(CERTIFICATEPOLICIES) policies =
      lint_extension(lint, NID_certificate_policies, ASN1_ITEM_rptr(CERTIFICATEPOLICIES), FALSE);
  lint_criticality(lint, NID_certificate_policies, FALSE);
  if (policies == NULL)
    return;
  if (sk_POLICYINFO_num(policies) != 1) {
    lint_add(lint, "%d policies", sk_POLICYINFO_num(policies));
    return;
  }
  const POLICYINFO *policy = sk_POLICYINFO_value(policies, 0);
  g_autofree char *oid = policy_oid(policy);
  if (strcmp(oid, POLICY_STRICT) != 0 && strcmp(oid, POLICY_MULTIPURPOSE) != 0)
    lint_add(lint, "the policy %s", oid);
  if (policy->qualifiers != NULL)
    lint_add(lint, "it has qualifiers");
}

/* The issuing CA's certificate names the policy, anyPolicy, or none at all. */
void lint_policy_issuer(Lint *lint) {
  g_autoptr(CERTIFICATEPOLICIES) policies =
      lint_extension(lint, NID_certificate_policies, ASN1_ITEM_rptr(CERTIFICATEPOLICIES), TRUE);
  g_autoptr(CERTIFICATEPOLICIES) issuer =
      X509_get_ext_d2i(lint->issuer->certificate, NID_certificate_policies, NULL, NULL);
  if (policies == NULL || sk_POLICYINFO_num(policies) == 0 || issuer == NULL)
    return;
  const ASN1_OBJECT *policy = sk_POLICYINFO_value(policies, 0)->policyid;
  for (int i = 0; i < sk_POLICYINFO_num(issuer); i++) {
    const ASN1_OBJECT *allowed = sk_POLICYINFO_value(issuer, i)->policyid;
    if (OBJ_cmp(allowed, policy) == 0 || OBJ_obj2nid(allowed) == NID_any_policy)
      return;
  }
  lint_add(lint, "the policy is not one of the CA certificate's");
}

static gboolean is_http(const GENERAL_NAME *name) {
  int type;
  const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
  if (type != GEN_URI)
    return FALSE;
  g_autofree char *url =
      g_strndup((const char *)ASN1_STRING_get0_data(value), (gsize)ASN1_STRING_length(value));
  return strlen(url) == (gsize)ASN1_STRING_length(value) && extension_is_http_url(url);
}

void lint_crl_distribution_points(Lint *lint) {
  g_autoptr(CRL_DIST_POINTS) points =
      lint_extension(lint, NID_crl_distribution_points, ASN1_ITEM_rptr(CRL_DIST_POINTS), FALSE);
  lint_criticality(lint, NID_crl_distribution_points, FALSE);
  if (points == NULL)
    return;
  if (sk_DIST_POINT_num(points) != 1) {
    lint_add(lint, "%d distribution points", sk_DIST_POINT_num(points));
    return;
  }
  const DIST_POINT *point = sk_DIST_POINT_value(points, 0);
  if (point->reasons != NULL || point->CRLissuer != NULL)
    lint_add(lint, "it has reasons or cRLIssuer");
  if (point->distpoint == NULL || point->distpoint->type != 0 ||
      sk_GENERAL_NAME_num(point->distpoint->name.fullname) != 1 ||
      !is_http(sk_GENERAL_NAME_value(point->distpoint->name.fullname, 0)))
    lint_add(lint, "it is not one http:// URL");
}

void lint_authority_information_access(Lint *lint) {
  g_autoptr(AUTHORITY_INFO_ACCESS) list =
      lint_extension(lint, NID_info_access, ASN1_ITEM_rptr(AUTHORITY_INFO_ACCESS), FALSE);
  lint_criticality(lint, NID_info_access, FALSE);
  if (list == NULL)
    return;
  if (sk_ACCESS_DESCRIPTION_num(list) != 1)
    lint_add(lint, "%d entries", sk_ACCESS_DESCRIPTION_num(list));
  for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(list); i++) {
    const ACCESS_DESCRIPTION *access = sk_ACCESS_DESCRIPTION_value(list, i);
    if (OBJ_obj2nid(access->method) != NID_ad_ca_issuers)
      lint_add(lint, "an entry is not caIssuers");
    if (!is_http(access->location))
      lint_add(lint, "an entry is not an http:// URL");
  }
}

/* Absent, or CA:FALSE without pathLen. */
void lint_basic_constraints(Lint *lint) {
  if (X509_get_ext_by_NID(lint->certificate, NID_basic_constraints, -1) < 0)
    return;
  g_autoptr(BASIC_CONSTRAINTS) constraints =
      lint_extension(lint, NID_basic_constraints, ASN1_ITEM_rptr(BASIC_CONSTRAINTS), FALSE);
  lint_criticality(lint, NID_basic_constraints, FALSE);
  if (constraints != NULL && constraints->ca)
    lint_add(lint, "CA:TRUE");
  if (constraints != NULL && constraints->pathlen != NULL)
    lint_add(lint, "it has a pathLenConstraint");
}

void lint_authority_key_identifier(Lint *lint) {
  g_autoptr(AUTHORITY_KEYID) identifier =
      lint_extension(lint, NID_authority_key_identifier, ASN1_ITEM_rptr(AUTHORITY_KEYID), FALSE);
  lint_criticality(lint, NID_authority_key_identifier, FALSE);
  if (identifier == NULL)
    return;
  const ASN1_OCTET_STRING *wanted = X509_get0_subject_key_id(lint->issuer->certificate);
  if (identifier->keyid == NULL || wanted == NULL ||
      ASN1_OCTET_STRING_cmp(identifier->keyid, wanted) != 0)
    lint_add(lint, "it is not the CA's subjectKeyIdentifier");
  if (identifier->issuer != NULL || identifier->serial != NULL)
    lint_add(lint, "it has authorityCertIssuer or authorityCertSerialNumber");
}

void lint_subject_key_identifier(Lint *lint) {
  g_autoptr(ASN1_OCTET_STRING) found =
      lint_extension(lint, NID_subject_key_identifier, ASN1_ITEM_rptr(ASN1_OCTET_STRING), FALSE);
  lint_criticality(lint, NID_subject_key_identifier, FALSE);
  if (found == NULL)
    return;
  g_autoptr(GBytes) spki =
      der_encode(X509_get_X509_PUBKEY(lint->certificate), ASN1_ITEM_rptr(X509_PUBKEY));
  g_autoptr(GBytes) wanted = key_identifier(spki);
  g_autoptr(GBytes) octets = openssl_string_octets(found);
  if (wanted == NULL || !g_bytes_equal(wanted, octets))
    lint_add(lint, "it is not that of the key (RFC 7093, method 1)");
}

/* X.690 section 11.2.2: DER leaves zero bits at the end of a list of named bits out. */
static gboolean is_named_bit_list(const ASN1_BIT_STRING *list) {
  int length = ASN1_STRING_length(list);
  int unused = (int)(list->flags & 0x07);
  return length > 0 && (ASN1_STRING_get0_data(list)[length - 1] & (1 << unused)) != 0;
}

/* Signing, encryption or both; the encryption bit is that of the key's type; nonRepudiation only
 * with signing. */
void lint_key_usage(Lint *lint) {
  enum { SIGN = 1 << 0, NON_REPUDIATION = 1 << 1, ENCIPHER = 1 << 2, AGREE = 1 << 4 };
  g_autoptr(ASN1_BIT_STRING) usage =
      lint_extension(lint, NID_key_usage, ASN1_ITEM_rptr(ASN1_BIT_STRING), FALSE);
  lint_criticality(lint, NID_key_usage, TRUE);
  if (usage == NULL)
    return;
  guint bits = 0;
  for (int bit = 0; bit < MIN(8 * ASN1_STRING_length(usage), 16); bit++)
    bits |= ASN1_BIT_STRING_get_bit(usage, bit) ? 1u << bit : 0;
  EVP_PKEY *key = X509_get0_pubkey(lint->certificate);
  guint encrypt = key != NULL && EVP_PKEY_is_a(key, "RSA") == 1 ? ENCIPHER : AGREE;
  if ((bits & (SIGN | encrypt)) == 0)
    lint_add(lint, "neither signing nor encryption");
  if ((bits & NON_REPUDIATION) != 0 && (bits & SIGN) == 0)
    lint_add(lint, "nonRepudiation without digitalSignature");
  if ((bits & ~(SIGN | NON_REPUDIATION | encrypt)) != 0)
    lint_add(lint, "bits that a key of this type cannot have");
  if (!is_named_bit_list(usage))
    lint_add(lint, "it has zero bits at its end");
}

void lint_extended_key_usage(Lint *lint) {
  g_autoptr(EXTENDED_KEY_USAGE) purposes =
      lint_extension(lint, NID_ext_key_usage, ASN1_ITEM_rptr(EXTENDED_KEY_USAGE), FALSE);
  lint_criticality(lint, NID_ext_key_usage, FALSE);
  if (purposes == NULL)
    return;
  if (sk_ASN1_OBJECT_num(purposes) != 1 ||
      OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes, 0)) != NID_email_protect)
    lint_add(lint, "it is not emailProtection alone");
}
