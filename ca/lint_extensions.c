/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about extensions other than subjectAltName and policies (ca-rules 22 to 25). */
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/key.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"

#include <string.h>

const STACK_OF(X509_EXTENSION) * lint_extensions(const Lint *lint) {
  return lint->crl != NULL ? X509_CRL_get0_extensions(lint->crl)
                           : X509_get0_extensions(lint->certificate);
}

static X509_EXTENSION *find(const Lint *lint, int nid) {
  const STACK_OF(X509_EXTENSION) *list = lint_extensions(lint);
  int index = X509v3_get_ext_by_NID(list, nid, -1);
  return index >= 0 ? X509v3_get_ext(list, index) : NULL;
}

/* What an extension was decoded to. */
typedef struct {
  const X509_EXTENSION *extension;
  const ASN1_ITEM *item;
  gpointer value; /* NULL: it is not DER */
} Value;

static void clear_value(gpointer data) {
  Value *value = data;
  ASN1_item_free(value->value, value->item);
}

GArray *lint_values_new(void) {
  GArray *values = g_array_new(FALSE, FALSE, sizeof(Value));
  g_array_set_clear_func(values, clear_value);
  return values;
}

static gpointer value_of(Lint *lint, X509_EXTENSION *extension, const ASN1_ITEM *item) {
  for (guint i = 0; i < lint->values->len; i++) {
    const Value *known = &g_array_index(lint->values, Value, i);
    if (known->extension == extension && known->item == item)
      return known->value;
  }
  g_autoptr(GBytes) octets = openssl_string_octets(X509_EXTENSION_get_data(extension));
  Value value = {extension, item, der_decode(octets, item)};
  g_array_append_val(lint->values, value);
  return value.value;
}

gpointer lint_extension(Lint *lint, int nid, const ASN1_ITEM *item, gboolean quiet) {
  X509_EXTENSION *extension = find(lint, nid);
  if (extension == NULL) {
    if (!quiet)
      lint_add(lint, "it is not there");
    return NULL;
  }
  gpointer value = value_of(lint, extension, item);
  if (value == NULL && !quiet)
    lint_add(lint, "it is not DER");
  return value;
}

void lint_criticality(Lint *lint, int nid, gboolean critical) {
  const X509_EXTENSION *extension = find(lint, nid);
  if (extension != NULL && (X509_EXTENSION_get_critical(extension) != 0) != critical)
    lint_add(lint, critical ? "it is not critical" : "it is critical");
}

/* The extensions of each profile; those that another rule forbids a root are left to it. */
static const struct {
  int nid;
  guint subjects;
} profile[] = {
    {NID_authority_key_identifier, LINT_SUBSCRIBER | LINT_ISSUING | LINT_CROSS | LINT_CRL},
    {NID_subject_key_identifier, LINT_SUBSCRIBER | LINT_ROOT | LINT_ISSUING | LINT_CROSS},
    {NID_key_usage, LINT_SUBSCRIBER | LINT_ROOT | LINT_ISSUING | LINT_CROSS},
    {NID_certificate_policies, LINT_SUBSCRIBER | LINT_ROOT | LINT_ISSUING | LINT_CROSS},
    {NID_subject_alt_name, LINT_SUBSCRIBER},
    {NID_basic_constraints, LINT_SUBSCRIBER | LINT_ROOT | LINT_ISSUING | LINT_CROSS},
    {NID_ext_key_usage, LINT_SUBSCRIBER | LINT_ROOT | LINT_ISSUING | LINT_CROSS},
    {NID_crl_distribution_points, LINT_SUBSCRIBER | LINT_ISSUING | LINT_CROSS},
    {NID_info_access, LINT_SUBSCRIBER | LINT_ISSUING | LINT_CROSS},
    {NID_crl_number, LINT_CRL},
    {NID_issuing_distribution_point, LINT_CRL},
};

static gboolean is_of_profile(const Lint *lint, const ASN1_OBJECT *type) {
  for (gsize i = 0; i < G_N_ELEMENTS(profile); i++)
    if (OBJ_obj2nid(type) == profile[i].nid)
      return (profile[i].subjects & lint->subject) != 0;
  return FALSE;
}

static void add_about(Lint *lint, const ASN1_OBJECT *type, const char *what) {
  char name[80];
  OBJ_obj2txt(name, sizeof name, type, 0);
  lint_add(lint, "%s %s", name, what);
}

/* Nothing but what the profile names. */
void lint_extension_set(Lint *lint) {
  const STACK_OF(X509_EXTENSION) *list = lint_extensions(lint);
  for (int i = 0; i < X509v3_get_ext_count(list); i++) {
    const ASN1_OBJECT *type = X509_EXTENSION_get_object(X509v3_get_ext(list, i));
    if (!is_of_profile(lint, type))
      add_about(lint, type, "is not of the profile");
  }
}

void lint_extension_once(Lint *lint) {
  const STACK_OF(X509_EXTENSION) *list = lint_extensions(lint);
  for (int i = 0; i < X509v3_get_ext_count(list); i++) {
    const ASN1_OBJECT *type = X509_EXTENSION_get_object(X509v3_get_ext(list, i));
    if (X509v3_get_ext_by_OBJ(list, type, i) >= 0)
      add_about(lint, type, "stands there twice");
  }
}

gboolean lint_is_http(const GENERAL_NAME *name) {
  int type;
  const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
  if (type != GEN_URI)
    return FALSE;
  g_autofree char *url =
      g_strndup((const char *)ASN1_STRING_get0_data(value), (gsize)ASN1_STRING_length(value));
  return strlen(url) == (gsize)ASN1_STRING_length(value) && extension_is_http_url(url);
}

void lint_crl_distribution_points(Lint *lint) {
  const CRL_DIST_POINTS *points =
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
      !lint_is_http(sk_GENERAL_NAME_value(point->distpoint->name.fullname, 0)))
    lint_add(lint, "it is not one http:// URL");
}

void lint_authority_information_access(Lint *lint) {
  const AUTHORITY_INFO_ACCESS *list =
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
    if (!lint_is_http(access->location))
      lint_add(lint, "an entry is not an http:// URL");
  }
}

/* Absent, or CA:FALSE without pathLen. */
void lint_basic_constraints(Lint *lint) {
  if (find(lint, NID_basic_constraints) == NULL)
    return;
  const BASIC_CONSTRAINTS *constraints =
      lint_extension(lint, NID_basic_constraints, ASN1_ITEM_rptr(BASIC_CONSTRAINTS), FALSE);
  lint_criticality(lint, NID_basic_constraints, FALSE);
  if (constraints != NULL && constraints->ca)
    lint_add(lint, "CA:TRUE");
  if (constraints != NULL && constraints->pathlen != NULL)
    lint_add(lint, "it has a pathLenConstraint");
}

void lint_authority_key_identifier(Lint *lint) {
  const AUTHORITY_KEYID *identifier =
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
  const ASN1_OCTET_STRING *found =
      lint_extension(lint, NID_subject_key_identifier, ASN1_ITEM_rptr(ASN1_OCTET_STRING), FALSE);
  lint_criticality(lint, NID_subject_key_identifier, FALSE);
  /* Another CA's own, which stands in what it has issued, however it was made. */
  if (found == NULL || lint->subject == LINT_CROSS)
    return;
  g_autoptr(GBytes) wanted = key_identifier(lint->spki);
  g_autoptr(GBytes) octets = openssl_string_octets(found);
  if (wanted == NULL || !g_bytes_equal(wanted, octets))
    lint_add(lint, "it is not that of the key (RFC 7093, method 1)");
}

/* Bits have names up to 8; one far behind counts as the last here. */
guint lint_key_usage_bits(const ASN1_BIT_STRING *usage) {
  guint bits = 0;
  for (int bit = 0; usage != NULL && bit < 8 * ASN1_STRING_length(usage); bit++)
    bits |= ASN1_BIT_STRING_get_bit(usage, bit) ? 1u << MIN(bit, 31) : 0;
  return bits;
}

/* Signing, encryption or both; the encryption bit is that of the key's type; nonRepudiation only
 * with signing. */
void lint_key_usage(Lint *lint) {
  const ASN1_BIT_STRING *usage =
      lint_extension(lint, NID_key_usage, ASN1_ITEM_rptr(ASN1_BIT_STRING), FALSE);
  lint_criticality(lint, NID_key_usage, TRUE);
  if (usage == NULL)
    return;
  guint bits = lint_key_usage_bits(usage);
  const Algorithm *algorithm = key_algorithm(lint->spki);
  /* What an unknown key could do nobody can say; that it is unknown is for another rule. */
  guint use = algorithm != NULL ? algorithm->sign | algorithm->encrypt
                                : KEY_USAGE_SIGN | KEY_USAGE_ENCIPHER | KEY_USAGE_AGREE;
  if ((bits & use) == 0)
    lint_add(lint, "neither signing nor encryption");
  if ((bits & KEY_USAGE_NON_REPUDIATION) != 0 && (bits & KEY_USAGE_SIGN) == 0)
    lint_add(lint, "nonRepudiation without digitalSignature");
  if ((bits & ~(use | KEY_USAGE_NON_REPUDIATION)) != 0)
    lint_add(lint, "bits that a key of this type cannot have");
}

/* At least one bit is set, and zero bits at the end of a list of named bits are left out (X.690
   section 11.2.2). */
void lint_key_usage_form(Lint *lint) {
  const ASN1_BIT_STRING *usage =
      lint_extension(lint, NID_key_usage, ASN1_ITEM_rptr(ASN1_BIT_STRING), TRUE);
  if (usage == NULL)
    return;
  int length = ASN1_STRING_length(usage);
  int unused = (int)(usage->flags & 0x07);
  if (length == 0)
    lint_add(lint, "no bit is set");
  else if ((ASN1_STRING_get0_data(usage)[length - 1] & (1 << unused)) == 0)
    lint_add(lint, "it has zero bits at its end");
}

void lint_email_protection_alone(Lint *lint) {
  const EXTENDED_KEY_USAGE *purposes =
      lint_extension(lint, NID_ext_key_usage, ASN1_ITEM_rptr(EXTENDED_KEY_USAGE), FALSE);
  lint_criticality(lint, NID_ext_key_usage, FALSE);
  if (purposes == NULL)
    return;
  if (sk_ASN1_OBJECT_num(purposes) != 1 ||
      OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes, 0)) != NID_email_protect)
    lint_add(lint, "it is not emailProtection alone");
}

void lint_extended_key_usage(Lint *lint) {
  lint_email_protection_alone(lint);
}
