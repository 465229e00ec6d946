/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule fires on a certificate that breaks it, and only rules that the change breaks do. */
#include "ca/lint.h"

#include "ca/extension.h"
#include "ca/key.h"
#include "ca/signature.h"
#include "tests/unit/ca/fixture.h"

static X509 *wrap(GBytes *tbs, const Issuer *issuer) {
  g_autoptr(GBytes) signature = g_bytes_new_static("", 1);
  const SignatureAlgorithm *algorithm = signature_algorithm(X509_get0_pubkey(issuer->certificate));
  g_autoptr(GBytes) der = signature_wrap(tbs, algorithm, signature);
  return der_decode(der, ASN1_ITEM_rptr(X509));
}

static GBytes *unwrap(X509 *certificate) {
  guint8 *octets = NULL;
  int length = i2d_re_X509_tbs(certificate, &octets);
  return der_take(octets, length);
}

static void drop(X509 *x, int nid) {
  X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, nid, -1)));
}

static void set(X509 *x, int nid, void *value, int critical) {
  drop(x, nid);
  g_assert_cmpint(X509_add1_ext_i2d(x, nid, value, critical, X509V3_ADD_APPEND), ==, 1);
}

static void raw(X509 *x, int nid, const char *octets, int length) {
  g_autoptr(ASN1_OCTET_STRING) data = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(data, (const guint8 *)octets, length);
  g_autoptr(X509_EXTENSION) extension = X509_EXTENSION_create_by_NID(NULL, nid, 0, data);
  drop(x, nid);
  X509_add_ext(x, extension, -1);
}

static void flip(X509 *x, int nid) {
  X509_EXTENSION *extension = X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1));
  X509_EXTENSION_set_critical(extension, !X509_EXTENSION_get_critical(extension));
}

/* The extensions of list instead of those of the same type. */
static void replace(X509 *x, X509_EXTENSIONS *list) {
  for (int i = 0; i < sk_X509_EXTENSION_num(list); i++) {
    X509_EXTENSION *extension = sk_X509_EXTENSION_value(list, i);
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    if (X509_get_ext_by_NID(x, nid, -1) >= 0)
      drop(x, nid);
    X509_add_ext(x, extension, -1);
  }
  x509_extensions_free(list);
}

static void version_1(X509 *x) {
  X509_set_version(x, 0);
}
static void version_2(X509 *x) {
  X509_set_version(x, 1);
}

static void serial_word(X509 *x, long value) {
  g_autoptr(ASN1_INTEGER) serial = ASN1_INTEGER_new();
  ASN1_INTEGER_set(serial, value);
  X509_set_serialNumber(x, serial);
}
static void serial_zero(X509 *x) {
  serial_word(x, 0);
}
static void serial_negative(X509 *x) {
  serial_word(x, -5);
}
static void serial_short(X509 *x) {
  serial_word(x, 123456789);
}
static void serial_long(X509 *x) {
  g_autoptr(BIGNUM) number = BN_new();
  g_autoptr(ASN1_INTEGER) serial = NULL;
  BN_set_bit(number, 159);
  serial = BN_to_ASN1_INTEGER(number, NULL);
  X509_set_serialNumber(x, serial);
}

static void time_string(X509 *x, int type, const char *text, gboolean after) {
  g_autoptr(ASN1_TIME) time = ASN1_STRING_type_new(type);
  ASN1_STRING_set(time, text, -1);
  if (after)
    X509_set1_notAfter(x, time);
  else
    X509_set1_notBefore(x, time);
}
static void time_generalized(X509 *x) {
  time_string(x, V_ASN1_GENERALIZEDTIME, "20260301000000Z", FALSE);
}
static void time_no_seconds(X509 *x) {
  time_string(x, V_ASN1_UTCTIME, "2603010000Z", FALSE);
}
static void time_offset(X509 *x) {
  time_string(x, V_ASN1_UTCTIME, "260301000000+0000", FALSE);
}
static void time_second_more(X509 *x) {
  time_string(x, V_ASN1_UTCTIME, "280603000000Z", TRUE);
}
static void time_backwards(X509 *x) {
  time_string(x, V_ASN1_UTCTIME, "260228235959Z", TRUE);
}
static void time_826_days(X509 *x) {
  time_string(x, V_ASN1_UTCTIME, "280603235959Z", TRUE);
}
static void time_early(X509 *x) {
  time_string(x, V_ASN1_UTCTIME, "260228000000Z", FALSE);
}
static void time_late(X509 *x) {
  time_string(x, V_ASN1_UTCTIME, "360101000000Z", FALSE);
  time_string(x, V_ASN1_UTCTIME, "361230235959Z", TRUE);
}

static void policies(X509 *x, const char *first, const char *second) {
  const char *oids[] = {first, second, NULL};
  X509_EXTENSIONS *list = extension_list_new();
  extension_add_policies(list, oids);
  replace(x, list);
}
static void policy_none(X509 *x) {
  drop(x, NID_certificate_policies);
}
static void policy_legacy(X509 *x) {
  policies(x, "2.23.140.1.5.1.1", NULL);
}
static void policy_both(X509 *x) {
  policies(x, POLICY_STRICT, POLICY_MULTIPURPOSE);
}
static void policy_other(X509 *x) {
  policies(x, "2.23.140.1.5.2.3", NULL);
}
static void policy_any(X509 *x) {
  policies(x, "2.5.29.32.0", NULL);
}
static void policy_critical(X509 *x) {
  flip(x, NID_certificate_policies);
}
static void policy_junk(X509 *x) {
  raw(x, NID_certificate_policies, "\x30\x03\x30\x01", 4);
}
static void policy_qualifier(X509 *x) {
  g_autoptr(CERTIFICATEPOLICIES) value = X509_get_ext_d2i(x, NID_certificate_policies, NULL, NULL);
  POLICYINFO *policy = sk_POLICYINFO_value(value, 0);
  POLICYQUALINFO *qualifier = POLICYQUALINFO_new();
  qualifier->pqualid = OBJ_nid2obj(NID_id_qt_cps);
  qualifier->d.cpsuri = ASN1_IA5STRING_new();
  ASN1_STRING_set(qualifier->d.cpsuri, "http://example.org/", -1);
  policy->qualifiers = sk_POLICYQUALINFO_new_null();
  sk_POLICYQUALINFO_push(policy->qualifiers, qualifier);
  set(x, NID_certificate_policies, value, 0);
}

static void crl_none(X509 *x) {
  drop(x, NID_crl_distribution_points);
}
static void crl_critical(X509 *x) {
  flip(x, NID_crl_distribution_points);
}
static void crl_url(X509 *x, const char *url) {
  X509_EXTENSIONS *list = extension_list_new();
  extension_add_crl(list, url);
  replace(x, list);
}
static void crl_https(X509 *x) {
  crl_url(x, "https://pki.example.org/1.crl");
}
static void crl_ldap(X509 *x) {
  crl_url(x, "ldap://pki.example.org/");
}
static void crl_blank(X509 *x) {
  crl_url(x, "http://pki.example.org/a b");
}
static void crl_change(X509 *x, gboolean two) {
  g_autoptr(CRL_DIST_POINTS) points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
  DIST_POINT *point = sk_DIST_POINT_value(points, 0);
  if (two) {
    DIST_POINT *second = DIST_POINT_new();
    second->distpoint = extension_point_name("http://pki.example.org/2.crl");
    sk_DIST_POINT_push(points, second);
  } else {
    point->reasons = ASN1_BIT_STRING_new();
    ASN1_BIT_STRING_set_bit(point->reasons, 1, 1);
  }
  set(x, NID_crl_distribution_points, points, 0);
}
static void crl_two(X509 *x) {
  crl_change(x, TRUE);
}
static void crl_reasons(X509 *x) {
  crl_change(x, FALSE);
}

static void aia_none(X509 *x) {
  drop(x, NID_info_access);
}
static void aia_critical(X509 *x) {
  flip(x, NID_info_access);
}
static void aia_https(X509 *x) {
  X509_EXTENSIONS *list = extension_list_new();
  extension_add_issuer_url(list, "https://pki.example.org/i.der");
  replace(x, list);
}
static void aia_ocsp(X509 *x) {
  g_autoptr(AUTHORITY_INFO_ACCESS) list = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);
  sk_ACCESS_DESCRIPTION_value(list, 0)->method = OBJ_nid2obj(NID_ad_OCSP);
  set(x, NID_info_access, list, 0);
}
static void aia_empty(X509 *x) {
  raw(x, NID_info_access, "\x30\x00", 2);
}

static void constraints(X509 *x, int ca, int path_length, int critical) {
  g_autoptr(BASIC_CONSTRAINTS) value = BASIC_CONSTRAINTS_new();
  value->ca = ca;
  if (path_length >= 0) {
    value->pathlen = ASN1_INTEGER_new();
    ASN1_INTEGER_set(value->pathlen, path_length);
  }
  set(x, NID_basic_constraints, value, critical);
}
static void bc_ca(X509 *x) {
  constraints(x, 0xff, -1, 0);
}
static void bc_path(X509 *x) {
  constraints(x, 0, 0, 0);
}
static void bc_critical(X509 *x) {
  constraints(x, 0, -1, 1);
}
static void bc_not_der(X509 *x) {
  raw(x, NID_basic_constraints, "\x30\x03\x01\x01\x00", 5);
}

static void usage(X509 *x, guint bits) {
  X509_EXTENSIONS *list = extension_list_new();
  extension_add_key_usage(list, bits);
  replace(x, list);
}
static void usage_none(X509 *x) {
  drop(x, NID_key_usage);
}
static void usage_flip(X509 *x) {
  flip(x, NID_key_usage);
}
static void usage_cert_sign(X509 *x) {
  usage(x, 1 | 32);
}
static void usage_encipher(X509 *x) {
  usage(x, 1 | 4);
}
static void usage_data(X509 *x) {
  usage(x, 1 | 8);
}
static void usage_nr_alone(X509 *x) {
  usage(x, 2 | 16);
}
static void usage_encipher_only(X509 *x) {
  usage(x, 16 | 128);
}
static void usage_decipher_only(X509 *x) {
  usage(x, 16 | 256);
}
static void usage_empty(X509 *x) {
  usage(x, 0);
}
static void usage_zero_bits(X509 *x) {
  raw(x, NID_key_usage, "\x03\x02\x00\x80", 4);
}

static void purposes(X509 *x, int first, int second) {
  g_autoptr(EXTENDED_KEY_USAGE) value = sk_ASN1_OBJECT_new_null();
  if (first != 0)
    sk_ASN1_OBJECT_push(value, OBJ_nid2obj(first));
  if (second != 0)
    sk_ASN1_OBJECT_push(value, OBJ_nid2obj(second));
  set(x, NID_ext_key_usage, value, 0);
}
static void eku_none(X509 *x) {
  drop(x, NID_ext_key_usage);
}
static void eku_critical(X509 *x) {
  flip(x, NID_ext_key_usage);
}
static void eku_server(X509 *x) {
  purposes(x, NID_server_auth, 0);
}
static void eku_both(X509 *x) {
  purposes(x, NID_email_protect, NID_client_auth);
}
static void eku_any(X509 *x) {
  purposes(x, NID_email_protect, NID_anyExtendedKeyUsage);
}
static void eku_empty(X509 *x) {
  purposes(x, 0, 0);
}

static void aki_none(X509 *x) {
  drop(x, NID_authority_key_identifier);
}
static void aki_critical(X509 *x) {
  flip(x, NID_authority_key_identifier);
}
static void aki_change(X509 *x, gboolean serial) {
  g_autoptr(AUTHORITY_KEYID) value = X509_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
  if (serial) {
    value->serial = ASN1_INTEGER_new();
    ASN1_INTEGER_set(value->serial, 5);
    value->issuer = sk_GENERAL_NAME_new_null();
  } else {
    ASN1_OCTET_STRING_set(value->keyid, (const guint8 *)"x", 1);
  }
  set(x, NID_authority_key_identifier, value, 0);
}
static void aki_other(X509 *x) {
  aki_change(x, FALSE);
}
static void aki_serial(X509 *x) {
  aki_change(x, TRUE);
}

static void ski_none(X509 *x) {
  drop(x, NID_subject_key_identifier);
}
static void ski_critical(X509 *x) {
  flip(x, NID_subject_key_identifier);
}
static void ski_other(X509 *x) {
  raw(x, NID_subject_key_identifier, "\x04\x01x", 3);
}

static void names(X509 *x, const char *spec, int critical) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, NID_subject_alt_name, spec);
  g_assert_nonnull(extension);
  X509_EXTENSION_set_critical(extension, critical);
  drop(x, NID_subject_alt_name);
  X509_add_ext(x, extension, -1);
  X509_EXTENSION_free(extension);
}
static void san_none(X509 *x) {
  drop(x, NID_subject_alt_name);
}
static void san_empty(X509 *x) {
  raw(x, NID_subject_alt_name, "\x30\x00", 2);
}
static void san_dns(X509 *x) {
  names(x, "email:alice@example.org,DNS:example.org", 0);
}
static void san_uri(X509 *x) {
  names(x, "email:alice@example.org,URI:mailto:a@b.example", 0);
}
static void san_upn(X509 *x) {
  names(x, "email:alice@example.org,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a@b.example", 0);
}
static void san_capitals(X509 *x) {
  names(x, "email:alice@example.org,email:b@EXAMPLE.org", 0);
}
static void san_twice(X509 *x) {
  names(x, "email:alice@example.org,email:Alice@example.org", 0);
}
static void san_utf8_ascii(X509 *x) {
  names(x, "email:alice@example.org,otherName:1.3.6.1.5.5.7.8.9;UTF8:b@example.org", 0);
}
static void san_u_label(X509 *x) {
  names(x, "email:alice@example.org,otherName:1.3.6.1.5.5.7.8.9;UTF8:ж@bücher.example", 0);
}
static void san_critical(X509 *x) {
  flip(x, NID_subject_alt_name);
}
static void subject_clear(X509 *x) {
  X509_NAME_ENTRY_free(X509_NAME_delete_entry(X509_get_subject_name(x), 0));
}

static void attribute(X509 *x, int nid, int type, const char *text, int set_number) {
  X509_NAME *subject = X509_get_subject_name(x);
  g_assert_cmpint(
      X509_NAME_add_entry_by_NID(subject, nid, type, (const guint8 *)text, -1, -1, set_number), ==,
      1);
}
static void cn_other(X509 *x) {
  subject_clear(x);
  attribute(x, NID_commonName, V_ASN1_UTF8STRING, "bob@example.org", 0);
}
static void cn_name(X509 *x) {
  subject_clear(x);
  attribute(x, NID_commonName, V_ASN1_UTF8STRING, "Alice", 0);
}
static void cn_type(X509 *x) {
  subject_clear(x);
  attribute(x, NID_commonName, V_ASN1_T61STRING, "alice@example.org", 0);
}
static void cn_twice(X509 *x) {
  attribute(x, NID_commonName, V_ASN1_UTF8STRING, "alice@example.org", 0);
}
static void cn_dots(X509 *x) {
  subject_clear(x);
  attribute(x, NID_commonName, V_ASN1_UTF8STRING, ".- ", 0);
}
static void cn_long(X509 *x) {
  static const char longer[] =
      "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff@example.org";
  subject_clear(x);
  attribute(x, NID_commonName, V_ASN1_UTF8STRING, longer, 0);
  names(x, "email:aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff@example.org", 0);
}
static void subject_organization(X509 *x) {
  attribute(x, NID_organizationName, V_ASN1_UTF8STRING, "Example", 0);
}
static void subject_email_other(X509 *x) {
  attribute(x, NID_pkcs9_emailAddress, V_ASN1_IA5STRING, "bob@example.org", 0);
}
static void subject_multi(X509 *x) {
  attribute(x, NID_pkcs9_emailAddress, V_ASN1_IA5STRING, "alice@example.org", -1);
}

static void extension_unknown(X509 *x) {
  g_autoptr(ASN1_INTEGER) value = ASN1_INTEGER_new();
  X509_add1_ext_i2d(x, NID_inhibit_any_policy, value, 0, X509V3_ADD_APPEND);
}
static void extension_twice(X509 *x) {
  X509_add_ext(x, X509_get_ext(x, X509_get_ext_by_NID(x, NID_ext_key_usage, -1)), -1);
}

static void put_key(X509 *x, const char *type) {
  g_autoptr(EVP_PKEY) key = fixture_key(type);
  X509_set_pubkey(x, key);
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) identifier = key_identifier(spki);
  X509_EXTENSIONS *list = extension_list_new();
  extension_add_subject_key(list, identifier);
  extension_add_key_usage(list, 1);
  replace(x, list);
}
static void key_small(X509 *x) {
  put_key(x, "RSA-1024");
}
static void key_p521(X509 *x) {
  put_key(x, "P-521");
}
static void key_ed25519(X509 *x) {
  put_key(x, "ED25519");
}
static void rsa_agree(X509 *x) {
  put_key(x, "RSA");
  usage(x, 1 | 16);
}

static void issuer_other(X509 *x) {
  g_autoptr(X509_NAME) name = X509_NAME_new();
  X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING, (const guint8 *)"X", -1, -1,
                             0);
  X509_set_issuer_name(x, name);
}
/* The same name in another string type: equal by RFC 5280 section 7.1, not octet for octet. */
static void issuer_type(X509 *x) {
  g_autoptr(X509_NAME) name = X509_NAME_dup(X509_get_issuer_name(x));
  X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, 1);
  X509_NAME_ENTRY_set_data(entry, V_ASN1_PRINTABLESTRING, (const guint8 *)"Example Issuing", -1);
  g_autoptr(X509_NAME) fresh = X509_NAME_new();
  for (int i = 0; i < 2; i++)
    X509_NAME_add_entry(fresh, X509_NAME_get_entry(name, i), -1, 0);
  X509_set_issuer_name(x, fresh);
}

static const struct {
  const char *rule;
  void (*change)(X509 *x);
  const char *also; /* another rule that the change breaks by nature */
} mutations[] = {
    {"version", version_1, NULL},
    {"version", version_2, NULL},
    {"serial", serial_zero, NULL},
    {"serial", serial_negative, NULL},
    {"serial", serial_short, NULL},
    {"serial", serial_long, NULL},
    {"validity", time_generalized, NULL},
    {"validity", time_no_seconds, NULL},
    {"validity", time_offset, NULL},
    {"validity", time_second_more, NULL},
    {"validity", time_backwards, NULL},
    {"validity", time_826_days, NULL},
    {"validity-issuer", time_early, NULL},
    {"validity-issuer", time_late, NULL},
    {"policies", policy_none, NULL},
    {"policies", policy_legacy, "policy-issuer"},
    {"policies", policy_both, NULL},
    {"policies", policy_other, "policy-issuer"},
    {"policies", policy_any, "policy-issuer"},
    {"policies", policy_critical, NULL},
    {"policies", policy_qualifier, NULL},
    {"policies", policy_junk, NULL},
    {"policy-issuer", policy_legacy, "policies"},
    {"crl-distribution-points", crl_none, NULL},
    {"crl-distribution-points", crl_critical, NULL},
    {"crl-distribution-points", crl_https, NULL},
    {"crl-distribution-points", crl_ldap, NULL},
    {"crl-distribution-points", crl_blank, NULL},
    {"crl-distribution-points", crl_two, NULL},
    {"crl-distribution-points", crl_reasons, NULL},
    {"authority-information-access", aia_none, NULL},
    {"authority-information-access", aia_critical, NULL},
    {"authority-information-access", aia_https, NULL},
    {"authority-information-access", aia_ocsp, NULL},
    {"authority-information-access", aia_empty, NULL},
    {"basic-constraints", bc_ca, NULL},
    {"basic-constraints", bc_path, NULL},
    {"basic-constraints", bc_critical, NULL},
    {"basic-constraints", bc_not_der, NULL},
    {"key-usage", usage_none, NULL},
    {"key-usage", usage_flip, NULL},
    {"key-usage", usage_cert_sign, NULL},
    {"key-usage", usage_encipher, NULL},
    {"key-usage", usage_data, NULL},
    {"key-usage", usage_nr_alone, NULL},
    {"key-usage", usage_encipher_only, NULL},
    {"key-usage", usage_decipher_only, NULL},
    {"key-usage", usage_empty, NULL},
    {"key-usage", usage_zero_bits, NULL},
    {"key-usage", rsa_agree, NULL},
    {"extended-key-usage", eku_none, NULL},
    {"extended-key-usage", eku_critical, NULL},
    {"extended-key-usage", eku_server, NULL},
    {"extended-key-usage", eku_both, NULL},
    {"extended-key-usage", eku_any, NULL},
    {"extended-key-usage", eku_empty, NULL},
    {"authority-key-identifier", aki_none, NULL},
    {"authority-key-identifier", aki_critical, NULL},
    {"authority-key-identifier", aki_other, NULL},
    {"authority-key-identifier", aki_serial, NULL},
    {"subject-key-identifier", ski_none, NULL},
    {"subject-key-identifier", ski_critical, NULL},
    {"subject-key-identifier", ski_other, NULL},
    {"names", san_none, "subject-mailbox"},
    {"names", san_empty, "subject-mailbox"},
    {"names", san_dns, NULL},
    {"names", san_uri, NULL},
    {"names", san_upn, NULL},
    {"names", san_capitals, NULL},
    {"names", san_twice, NULL},
    {"names", san_utf8_ascii, NULL},
    {"names", san_u_label, NULL},
    {"names-critical", san_critical, NULL},
    {"names-critical", subject_clear, NULL},
    {"subject-mailbox", cn_other, NULL},
    {"subject-mailbox", cn_name, NULL},
    {"subject-mailbox", subject_email_other, NULL},
    {"subject", cn_type, NULL},
    {"subject", cn_twice, NULL},
    {"subject", cn_dots, "subject-mailbox"},
    {"subject", cn_long, NULL},
    {"subject", subject_organization, NULL},
    {"subject", subject_multi, NULL},
    {"extension-set", extension_unknown, NULL},
    {"extension-set", extension_twice, NULL},
    {"public-key", key_small, NULL},
    {"public-key", key_p521, NULL},
    {"public-key", key_ed25519, NULL},
    {"issuer-name", issuer_other, NULL},
    {"issuer-name", issuer_type, NULL},
};

static GBytes *good_tbs(const Issuer *issuer) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) serial = fixture_serial(9);
  CertificateFields fields = fixture_fields(serial, spki);
  GBytes *tbs = certificate_build(issuer, &fields, &error);
  g_assert_no_error(error);
  return tbs;
}

/* Fires, and nothing but it and also does. */
static void assert_fires(GBytes *tbs, const Issuer *issuer, const char *rule, const char *also,
                         GHashTable *fired) {
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, issuer);
  g_autofree char *summary = lint_summary(findings);
  gboolean found = FALSE;
  for (guint i = 0; i < findings->len; i++) {
    const LintFinding *finding = findings->pdata[i];
    found = found || strcmp(finding->rule, rule) == 0;
    if (strcmp(finding->rule, rule) != 0 && g_strcmp0(finding->rule, also) != 0)
      g_error("%s fired too: %s", finding->rule, summary);
    g_hash_table_add(fired, (gpointer)finding->rule);
  }
  if (!found)
    g_error("%s did not fire: %s", rule, summary);
}

static void mutate_all(const Issuer *issuer, GHashTable *fired) {
  g_autoptr(GBytes) tbs = good_tbs(issuer);
  for (gsize i = 0; i < G_N_ELEMENTS(mutations); i++) {
    g_autoptr(X509) certificate = wrap(tbs, issuer);
    mutations[i].change(certificate);
    g_autoptr(GBytes) changed = unwrap(certificate);
    g_test_message("%s %" G_GSIZE_FORMAT, mutations[i].rule, i);
    assert_fires(changed, issuer, mutations[i].rule, mutations[i].also, fired);
  }
}

/* old, where it first stands in octets, replaced by fresh of the same length. */
static GBytes *patch(GBytes *octets, const char *old, const char *fresh, gsize length) {
  GByteArray *copy = g_byte_array_new();
  g_byte_array_append(copy, g_bytes_get_data(octets, NULL), (guint)g_bytes_get_size(octets));
  guint8 *place = memmem(copy->data, copy->len, old, length);
  g_assert_nonnull(place);
  memcpy(place, fresh, length);
  return g_byte_array_free_to_bytes(copy);
}

static void patch_all(const Issuer *issuer, GHashTable *fired) {
  g_autoptr(GBytes) tbs = good_tbs(issuer);
  static const char sha256[] = "\x2a\x86\x48\xce\x3d\x04\x03\x02";
  static const char sha384[] = "\x2a\x86\x48\xce\x3d\x04\x03\x03";
  static const char sha1[] = "\x2a\x86\x48\xce\x3d\x04\x01\x00";
  g_autoptr(GBytes) stronger = patch(tbs, sha256, sha384, 8);
  g_autoptr(GBytes) weaker = patch(tbs, sha256, sha1, 8);
  assert_fires(stronger, issuer, "signature-algorithm", NULL, fired);
  assert_fires(weaker, issuer, "signature-algorithm", NULL, fired);
  /* critical TRUE as 01 instead of ff: BER, not DER */
  g_autoptr(GBytes) ber = patch(tbs, "\x01\x01\xff", "\x01\x01\x01", 3);
  assert_fires(ber, issuer, "encoding", NULL, fired);
  gsize length;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  g_autoptr(GBytes) cut = g_bytes_new(octets, length - 1);
  g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
  assert_fires(cut, issuer, "encoding", NULL, fired);
  assert_fires(none, issuer, "encoding", NULL, fired);
}

/* The CA's own key as a subscriber's, and an RSA CA of 2048 bit after 2027-09-15. */
static void test_issuer_keys(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(GHashTable) fired = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GBytes) serial = fixture_serial(9);
  g_autoptr(GBytes) own = fixture_spki(issuer->key);
  CertificateFields fields = fixture_fields(serial, own);
  g_autoptr(GBytes) tbs = certificate_build(issuer, &fields, NULL);
  assert_fires(tbs, issuer, "public-key", NULL, fired);

  g_autoptr(EVP_PKEY) small = fixture_key("RSA-2048");
  g_autoptr(X509) certificate = X509_dup(issuer->certificate);
  X509_set_pubkey(certificate, small);
  Issuer weak = {certificate, small};
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  fields = fixture_fields(serial, spki);
  fields.not_before = G_GINT64_CONSTANT(1820966399) * 1000;
  fields.not_after = certificate_not_after(fields.not_before, 365);
  g_autoptr(GBytes) before = certificate_build(&weak, &fields, NULL);
  g_autoptr(GPtrArray) findings = lint_tbs(before, &weak);
  g_assert_cmpuint(findings->len, ==, 0);
  fields.not_before += CLOCK_SECOND;
  g_autoptr(GBytes) after = certificate_build(&weak, &fields, NULL);
  assert_fires(after, &weak, "issuer-key", NULL, fired);
}

static void test_every_rule(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(GHashTable) fired = g_hash_table_new(g_str_hash, g_str_equal);
  mutate_all(issuer, fired);
  patch_all(issuer, fired);
  g_hash_table_add(fired, (gpointer) "issuer-key"); /* test_issuer_keys */
  for (gsize i = 0; lint_rule_name(i) != NULL; i++)
    if (!g_hash_table_contains(fired, lint_rule_name(i)))
      g_error("no mutation makes %s fire", lint_rule_name(i));
}

static void test_allowed(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(GBytes) tbs = good_tbs(issuer);
  g_autoptr(X509) certificate = wrap(tbs, issuer);
  attribute(certificate, NID_pkcs9_emailAddress, V_ASN1_IA5STRING, "alice@example.org", 0);
  attribute(certificate, NID_serialNumber, V_ASN1_PRINTABLESTRING, "A-1", 0);
  drop(certificate, NID_basic_constraints);
  g_autoptr(GBytes) changed = unwrap(certificate);
  g_autoptr(GPtrArray) findings = lint_tbs(changed, issuer);
  g_autofree char *summary = lint_summary(findings);
  g_assert_cmpstr(summary, ==, "");
}

/* Every octet changed or cut: a verdict, never a crash. */
static void test_every_octet(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(GBytes) tbs = good_tbs(issuer);
  gsize length;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  for (gsize i = 0; i < length; i++) {
    g_autofree guint8 *copy = g_memdup2(octets, length);
    copy[i] ^= 0x20;
    g_autoptr(GBytes) changed = g_bytes_new(copy, length);
    g_autoptr(GPtrArray) findings = lint_tbs(changed, issuer);
    g_assert_nonnull(findings);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/lint/every-rule", test_every_rule);
  g_test_add_func("/lint/issuer-keys", test_issuer_keys);
  g_test_add_func("/lint/allowed", test_allowed);
  g_test_add_func("/lint/every-octet", test_every_octet);
  return g_test_run();
}
