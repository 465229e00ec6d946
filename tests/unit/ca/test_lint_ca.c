/* SPDX-License-Identifier: Apache-2.0 */
/* The same as test_lint.c for CA certificates (ca-rules 18a, S/MIME BR 7.1.2.1 and 7.1.2.2) and
   revocation lists (ca-rules 31, RFC 5280 section 5, S/MIME BR 7.2). */
#include "ca/crl.h"
#include "ca/pem.h"
#include "tests/unit/ca/mutants.h"

static Issuer *root, *issuing;

#define BR "S/MIME BR "
#define STRICT "300b3009060767810c01050103"

/* --- CA certificates */

typedef struct Mutant Mutant;
struct Mutant {
  const char *section;
  const char *rule;
  const char *what;
  LintCaKind kind;
  void (*change)(X509 *x, const Mutant *mutant);
  int nid;
  const char *text;
  const char *also;
};

static void drop(X509 *x, const Mutant *m) {
  mutant_drop(x, m->nid);
}
static void flip(X509 *x, const Mutant *m) {
  mutant_flip(x, m->nid);
}
static void value(X509 *x, const Mutant *m) {
  mutant_value(x, m->nid, m->text);
}
static void add(X509 *x, const Mutant *m) {
  mutant_add(x, OBJ_nid2obj(m->nid), FALSE, m->text);
}
static void again(X509 *x, const Mutant *m) {
  X509_add_ext(x, X509_get_ext(x, X509_get_ext_by_NID(x, m->nid, -1)), -1);
}
static void attribute(X509 *x, const Mutant *m) {
  mutant_attribute(x, m->nid, V_ASN1_UTF8STRING, m->text, 0);
}
static void nameless(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  mutant_clear_subject(x);
}
static void named_as_root(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  X509_set_subject_name(x, X509_get_subject_name(root->certificate));
}
static void key(X509 *x, const Mutant *m) {
  g_autoptr(EVP_PKEY) fresh = fixture_key(m->text);
  X509_set_pubkey(x, fresh);
}
static void key_of_root(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  X509_set_pubkey(x, root->key);
}
static void until(X509 *x, const Mutant *m) {
  g_autoptr(ASN1_TIME) time = ASN1_STRING_type_new(V_ASN1_UTCTIME);
  ASN1_STRING_set(time, m->text, -1);
  X509_set1_notAfter(x, time);
}
static void serial(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(ASN1_INTEGER) small = ASN1_INTEGER_new();
  ASN1_INTEGER_set(small, 1);
  X509_set_serialNumber(x, small);
}
static void version(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  X509_set_version(x, X509_VERSION_1);
}
static void signature(X509 *x, const Mutant *m) {
  X509_ALGOR_set0((X509_ALGOR *)X509_get0_tbs_sigalg(x), OBJ_nid2obj(m->nid), V_ASN1_UNDEF, NULL);
}
static void issuer_name(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(X509_NAME) name = X509_NAME_new();
  X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING, (const guint8 *)"X", -1, -1,
                             0);
  X509_set_issuer_name(x, name);
}

#define ROOT LINT_CA_ROOT
#define ISSUING LINT_CA_ISSUING
#define CROSS LINT_CA_CROSS
#define PURPOSE "06082b060105050703"
#define EMAIL "300a" PURPOSE "04"

/* clang-format off */
static const Mutant mutants[] = {
    {BR "7.1.2.1 a", "root-basic-constraints", "root: no basicConstraints", ROOT, drop, NID_basic_constraints, NULL, NULL},
    {BR "7.1.2.1 a", "root-basic-constraints", "root: not critical", ROOT, flip, NID_basic_constraints, NULL, NULL},
    {BR "7.1.2.1 a", "root-basic-constraints", "root: CA:FALSE", ROOT, value, NID_basic_constraints, "3000", NULL},
    {BR "7.1.2.1 a", "root-basic-constraints", "root: pathLen", ROOT, value, NID_basic_constraints, "30060101ff020101", NULL},
    {BR "7.1.2.1 b", "root-key-usage", "root: no keyUsage", ROOT, drop, NID_key_usage, NULL, NULL},
    {BR "7.1.2.1 b", "root-key-usage", "root: keyUsage not critical", ROOT, flip, NID_key_usage, NULL, NULL},
    {BR "7.1.2.1 b", "root-key-usage", "root: no cRLSign", ROOT, value, NID_key_usage, "03020204", NULL},
    {BR "7.1.2.1 b", "root-key-usage", "root: a bit that has no name, far behind", ROOT, value, NID_key_usage, "030700060000000001", NULL},
    {BR "7.1.2.1 b", "root-key-usage", "root: no keyCertSign", ROOT, value, NID_key_usage, "03020102", NULL},
    {BR "7.1.2.1 b", "root-key-usage", "root: digitalSignature", ROOT, value, NID_key_usage, "03020186", NULL},
    {BR "7.1.2.1 c", "root-policies", "root: policies", ROOT, add, NID_certificate_policies, STRICT, NULL},
    {BR "7.1.2.1 d", "root-extended-key-usage", "root: extKeyUsage", ROOT, add, NID_ext_key_usage, EMAIL, NULL},
    {BR "7.1.2.1 e", "root-key-identifier", "root: no subjectKeyIdentifier", ROOT, drop, NID_subject_key_identifier, NULL, NULL},
    {BR "7.1.2.1 e", "root-key-identifier", "root: critical subjectKeyIdentifier", ROOT, flip, NID_subject_key_identifier, NULL, NULL},
    {BR "7.1.2.1 e", "root-key-identifier", "root: another identifier", ROOT, value, NID_subject_key_identifier, "040178", NULL},
    {BR "7.1.2.2 a", "ca-policies", "no policies", ISSUING, drop, NID_certificate_policies, NULL, NULL},
    {BR "7.1.2.2 a", "ca-policies", "critical policies", ISSUING, flip, NID_certificate_policies, NULL, NULL},
    {BR "7.1.2.2 a", "ca-policies", "anyPolicy", ISSUING, value, NID_certificate_policies, "300830060604551d2000", NULL},
    {BR "7.1.2.2 a", "ca-policies", "legacy", ISSUING, value, NID_certificate_policies, "300b3009060767810c01050101", NULL},
    {BR "7.1.2.2 a", "ca-policies", "policies without one", ISSUING, value, NID_certificate_policies, "3000", NULL},
    {BR "7.1.2.2 a", "ca-policies", "a policy twice", ISSUING, value, NID_certificate_policies, "30163009060767810c010501033009060767810c01050103", NULL},
    {BR "7.1.2.2 a", "ca-policies", "a user notice", ISSUING, value, NID_certificate_policies, "301e301c060767810c010501033011300f06082b0601050507020230030c0178", NULL},
    {BR "7.1.2.2 a", "ca-policies", "cross: no policies", CROSS, drop, NID_certificate_policies, NULL, NULL},
    {BR "7.1.2.2 b", "ca-crl-distribution-points", "no cRLDistributionPoints", ISSUING, drop, NID_crl_distribution_points, NULL, NULL},
    {BR "7.1.2.2 b", "ca-crl-distribution-points", "critical cRLDistributionPoints", ISSUING, flip, NID_crl_distribution_points, NULL, NULL},
    {BR "7.1.2.2 b", "ca-crl-distribution-points", "a point without a name", ISSUING, value, NID_crl_distribution_points, "30023000", NULL},
    {BR "7.1.2.2 c", "ca-information-access", "no authorityInfoAccess", ISSUING, drop, NID_info_access, NULL, NULL},
    {BR "7.1.2.2 c", "ca-information-access", "critical authorityInfoAccess", ISSUING, flip, NID_info_access, NULL, NULL},
    {BR "7.1.2.2 c", "ca-information-access", "authorityInfoAccess without an entry", ISSUING, value, NID_info_access, "3000", NULL},
    {BR "7.1.2.2 d", "ca-basic-constraints", "no basicConstraints", ISSUING, drop, NID_basic_constraints, NULL, NULL},
    {BR "7.1.2.2 d", "ca-basic-constraints", "basicConstraints not critical", ISSUING, flip, NID_basic_constraints, NULL, NULL},
    {BR "7.1.2.2 d", "ca-basic-constraints", "CA:FALSE", ISSUING, value, NID_basic_constraints, "3000", NULL},
    {BR "7.1.2.2 d", "ca-basic-constraints", "no pathLen", ISSUING, value, NID_basic_constraints, "30030101ff", NULL},
    {BR "7.1.2.2 d", "ca-basic-constraints", "pathLen 1", ISSUING, value, NID_basic_constraints, "30060101ff020101", NULL},
    {BR "7.1.2.2 d", "ca-basic-constraints", "cross: CA:FALSE", CROSS, value, NID_basic_constraints, "3000", NULL},
    {BR "7.1.2.2 e", "ca-key-usage", "no keyUsage", ISSUING, drop, NID_key_usage, NULL, NULL},
    {BR "7.1.2.2 e", "ca-key-usage", "keyUsage not critical", ISSUING, flip, NID_key_usage, NULL, NULL},
    {BR "7.1.2.2 e", "ca-key-usage", "no cRLSign", ISSUING, value, NID_key_usage, "03020204", NULL},
    {BR "7.1.2.2 e", "ca-key-usage", "a bit that has no name, far behind", ISSUING, value, NID_key_usage, "030700060000000001", NULL},
    {BR "7.1.2.2 e", "ca-key-usage", "keyEncipherment", ISSUING, value, NID_key_usage, "03020126", NULL},
    {BR "7.1.2.2 g", "ca-extended-key-usage", "no extKeyUsage", ISSUING, drop, NID_ext_key_usage, NULL, NULL},
    {BR "7.1.2.2 g", "ca-extended-key-usage", "critical extKeyUsage", ISSUING, flip, NID_ext_key_usage, NULL, NULL},
    {BR "7.1.2.2 g", "ca-extended-key-usage", "serverAuth", ISSUING, value, NID_ext_key_usage, "3014" PURPOSE "04" PURPOSE "01", NULL},
    {BR "7.1.2.2 g", "ca-extended-key-usage", "codeSigning", ISSUING, value, NID_ext_key_usage, "3014" PURPOSE "04" PURPOSE "03", NULL},
    {BR "7.1.2.2 g", "ca-extended-key-usage", "timeStamping", ISSUING, value, NID_ext_key_usage, "3014" PURPOSE "04" PURPOSE "08", NULL},
    {BR "7.1.2.2 g", "ca-extended-key-usage", "anyExtendedKeyUsage", ISSUING, value, NID_ext_key_usage, "30060604551d2500", NULL},
    {BR "7.1.2.2 g", "ca-extended-key-usage", "cross: anyExtendedKeyUsage", CROSS, value, NID_ext_key_usage, "30060604551d2500", NULL},
    {BR "7.1.2.2 h", "ca-authority-key-identifier", "no authorityKeyIdentifier", ISSUING, drop, NID_authority_key_identifier, NULL, NULL},
    {BR "7.1.2.2 h", "ca-authority-key-identifier", "critical authorityKeyIdentifier", ISSUING, flip, NID_authority_key_identifier, NULL, NULL},
    {BR "7.1.2.2 h", "ca-authority-key-identifier", "another keyIdentifier", ISSUING, value, NID_authority_key_identifier, "3003800178", NULL},
    {BR "7.1.2.2 i", "ca-subject-key-identifier", "no subjectKeyIdentifier", ISSUING, drop, NID_subject_key_identifier, NULL, NULL},
    {BR "7.1.2.2 i", "ca-subject-key-identifier", "critical subjectKeyIdentifier", ISSUING, flip, NID_subject_key_identifier, NULL, NULL},
    {BR "7.1.2.4", "extension-set", "a subjectAltName", ISSUING, add, NID_subject_alt_name, "3000", NULL},
    {BR "7.1.2.4", "extension-set", "nameConstraints", ISSUING, add, NID_name_constraints, "3000", NULL},
    {BR "7.1.2.4", "extension-set", "root: authorityInfoAccess", ROOT, add, NID_info_access, "3000", NULL},
    {"RFC 5280 4.2", "extension-once", "extKeyUsage twice", ISSUING, again, NID_ext_key_usage, NULL, NULL},
    {BR "6.1.5 (SMC017v2)", "ca-key", "RSA of 2048 bit", ISSUING, key, 0, "RSA", "ca-subject-key-identifier"},
    {BR "6.1.5 (SMC017v2)", "ca-key", "RSA of 3072 bit", ISSUING, key, 0, "RSA-3072", "ca-subject-key-identifier"},
    {BR "6.1.5 (SMC017v2)", "ca-key", "P-521", ISSUING, key, 0, "P-521", "ca-subject-key-identifier"},
    {BR "6.1.5 (SMC017v2)", "ca-key", "Ed25519", ISSUING, key, 0, "ED25519", "ca-subject-key-identifier"},
    {"ca-rules 15", "own-key", "the root's key", ISSUING, key_of_root, 0, NULL, "ca-subject-key-identifier"},
    {BR "7.1.4.3.1", "ca-subject", "no CN", ISSUING, nameless, 0, NULL, NULL},
    {BR "7.1.4.1", "issuer-name", "the root's name", ISSUING, named_as_root, 0, NULL, NULL},
    {BR "7.1.4.1", "issuer-name", "another issuer", ISSUING, issuer_name, 0, NULL, NULL},
    {BR "7.1.4.1", "issuer-name", "root: issued by another", ROOT, issuer_name, 0, NULL, NULL},
    {BR "7.1.4.2", "subject-meaning", "O of blanks", ISSUING, attribute, NID_organizationName, "  ", NULL},
    {"RFC 5280 A.1", "subject-form", "C as UTF8String", ISSUING, attribute, NID_countryName, "NO", NULL},
    {BR "6.3.2", "validity", "it ends before it begins", ISSUING, until, 0, "260228000000Z", NULL},
    {BR "6.3.2", "validity-issuer", "it outlives the root", ISSUING, until, 0, "460301000000Z", NULL},
    {"RFC 5280 4.1.2.5", "time-form", "no seconds", ISSUING, until, 0, "3603010000Z", NULL},
    {BR "7.1", "serial", "serial 1", ISSUING, serial, 0, NULL, NULL},
    {BR "7.1.1", "version", "X.509 v1", ISSUING, version, 0, NULL, NULL},
    {BR "7.1.3.2", "signature-algorithm", "SHA-1", ISSUING, signature, NID_ecdsa_with_SHA1, NULL, NULL},
    {BR "7.1.3.2", "signature-algorithm", "root: SHA-1", ROOT, signature, NID_ecdsa_with_SHA1, NULL, NULL},
};
/* clang-format on */

static GPtrArray *lint(GBytes *tbs, LintCaKind kind, gboolean public_ca) {
  return lint_ca_tbs(tbs, kind, kind == LINT_CA_ROOT ? NULL : root, public_ca);
}

/* A cross certificate is made of the issuing CA's: no pathLen, as a root has none. */
static GBytes *good(LintCaKind kind) {
  g_autoptr(X509) x = X509_dup(kind == LINT_CA_ROOT ? root->certificate : issuing->certificate);
  if (kind == LINT_CA_CROSS)
    mutant_value(x, NID_basic_constraints, "30030101ff");
  return mutant_tbs(x);
}

static void test_ca(void) {
  g_autoptr(GHashTable) fired = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; i < G_N_ELEMENTS(mutants); i++) {
    const Mutant *mutant = &mutants[i];
    g_autoptr(GBytes) tbs = good(mutant->kind);
    g_autoptr(X509) certificate = mutant_certificate(tbs);
    mutant->change(certificate, mutant);
    g_autoptr(GBytes) changed = mutant_tbs(certificate);
    g_autoptr(GPtrArray) findings = lint(changed, mutant->kind, FALSE);
    g_test_message("ca-rules 18a, %s: %s", mutant->section, mutant->what);
    mutant_assert(findings, mutant->rule, mutant->section, mutant->also, mutant->what);
    g_hash_table_add(fired, (gpointer)mutant->rule);
  }
  g_test_message("%" G_GSIZE_FORMAT " mutants", G_N_ELEMENTS(mutants));
  static const char *const elsewhere[] = {"encoding", "unique-identifiers", "key-usage-form"};
  for (gsize i = 0; i < G_N_ELEMENTS(elsewhere); i++) /* test_lint.c */
    g_hash_table_add(fired, (gpointer)elsewhere[i]);
  mutant_assert_all(LINT_ROOT | LINT_ISSUING | LINT_CROSS, fired);
}

static void assert_none(LintCaKind kind, GBytes *tbs, gboolean public_ca) {
  g_autoptr(GPtrArray) findings = lint(tbs, kind, public_ca);
  g_autofree char *summary = lint_summary(findings);
  g_assert_cmpstr(summary, ==, "");
}

/* S/MIME BR 7.1.4.3.1: a public CA has O and C as well. */
static void test_public_subject(void) {
  static const LintCaKind kinds[] = {LINT_CA_ROOT, LINT_CA_ISSUING, LINT_CA_CROSS};
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autoptr(GBytes) tbs = good(kinds[i]);
    assert_none(kinds[i], tbs, FALSE);
    g_autoptr(GPtrArray) findings = lint(tbs, kinds[i], TRUE);
    mutant_assert(findings, "ca-subject", BR "7.1.4.3.1", NULL, "no C");
  }
  CeremonyPlan plan = {.organization = "Example Org",
                       .country = "NO",
                       .public_ca = TRUE,
                       .root_name = "R",
                       .issuing_name = "I",
                       .url = FIXTURE_BASE,
                       .now = FIXTURE_NOW};
  g_autoptr(CeremonyResult) made = ceremony_run(&plan, NULL);
  g_assert_nonnull(made);
  plan.country = NULL;
  g_autoptr(GError) error = NULL;
  g_assert_null(ceremony_run(&plan, &error));
  g_assert_nonnull(strstr(error->message, "ca-subject (S/MIME BR 7.1.4.3.1)"));
  plan.country = "no";
  g_assert_null(ceremony_run(&plan, NULL));
}

/* --- revocation lists */

typedef struct CrlMutant CrlMutant;
struct CrlMutant {
  const char *section;
  const char *rule;
  const char *what;
  gboolean of_root;
  void (*change)(X509_CRL *crl, const CrlMutant *mutant);
  int nid;
  const char *text;
  const char *also;
};

static X509_EXTENSION *find(X509_CRL *crl, int nid) {
  return X509_CRL_get_ext(crl, X509_CRL_get_ext_by_NID(crl, nid, -1));
}
static X509_REVOKED *entry(X509_CRL *crl, int n) {
  return sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), n);
}
static void crl_drop(X509_CRL *crl, const CrlMutant *m) {
  X509_EXTENSION_free(X509_CRL_delete_ext(crl, X509_CRL_get_ext_by_NID(crl, m->nid, -1)));
}
static void crl_flip(X509_CRL *crl, const CrlMutant *m) {
  X509_EXTENSION *extension = find(crl, m->nid);
  X509_EXTENSION_set_critical(extension, !X509_EXTENSION_get_critical(extension));
}
static void crl_value(X509_CRL *crl, const CrlMutant *m) {
  g_autoptr(ASN1_OCTET_STRING) data = mutant_octets(m->text);
  X509_EXTENSION_set_data(find(crl, m->nid), data);
}
static void crl_add(X509_CRL *crl, const CrlMutant *m) {
  g_autoptr(ASN1_OCTET_STRING) data = mutant_octets(m->text);
  g_autoptr(X509_EXTENSION) extension = X509_EXTENSION_create_by_NID(NULL, m->nid, 0, data);
  X509_CRL_add_ext(crl, extension, -1);
}
static void crl_again(X509_CRL *crl, const CrlMutant *m) {
  X509_CRL_add_ext(crl, find(crl, m->nid), -1);
}
static void crl_version(X509_CRL *crl, const CrlMutant *m G_GNUC_UNUSED) {
  X509_CRL_set_version(crl, X509_CRL_VERSION_1);
}
static void crl_issuer(X509_CRL *crl, const CrlMutant *m G_GNUC_UNUSED) {
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(root->certificate));
}
static ASN1_TIME *time_of(const CrlMutant *m) {
  ASN1_TIME *time =
      ASN1_STRING_type_new(strlen(m->text) == 15 ? V_ASN1_GENERALIZEDTIME : V_ASN1_UTCTIME);
  ASN1_STRING_set(time, m->text, -1);
  return time;
}
static void crl_from(X509_CRL *crl, const CrlMutant *m) {
  g_autoptr(ASN1_TIME) time = time_of(m);
  X509_CRL_set1_lastUpdate(crl, time);
}
static void crl_next(X509_CRL *crl, const CrlMutant *m) {
  g_autoptr(ASN1_TIME) time = time_of(m);
  X509_CRL_set1_nextUpdate(crl, time);
}
static void entry_time(X509_CRL *crl, const CrlMutant *m) {
  g_autoptr(ASN1_TIME) time = time_of(m);
  X509_REVOKED_set_revocationDate(entry(crl, 0), time);
}
static void entry_serial(X509_CRL *crl, const CrlMutant *m) {
  BIGNUM *read = NULL;
  BN_hex2bn(&read, m->text);
  g_autoptr(BIGNUM) wanted = read;
  g_autoptr(ASN1_INTEGER) integer = BN_to_ASN1_INTEGER(wanted, NULL);
  X509_REVOKED_set_serialNumber(entry(crl, 0), integer);
}
static void entry_twice(X509_CRL *crl, const CrlMutant *m G_GNUC_UNUSED) {
  X509_REVOKED_set_serialNumber(entry(crl, 0),
                                (ASN1_INTEGER *)X509_REVOKED_get0_serialNumber(entry(crl, 1)));
}
static void entries_none(X509_CRL *crl, const CrlMutant *m G_GNUC_UNUSED) {
  while (sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)) > 0)
    X509_REVOKED_free(sk_X509_REVOKED_pop(X509_CRL_get_REVOKED(crl)));
}
static void entry_value(X509_CRL *crl, const CrlMutant *m) {
  g_autoptr(ASN1_OCTET_STRING) data = mutant_octets(m->text);
  X509_EXTENSION_set_data(X509_REVOKED_get_ext(entry(crl, 0), 0), data);
}
static void entry_critical(X509_CRL *crl, const CrlMutant *m G_GNUC_UNUSED) {
  X509_EXTENSION_set_critical(X509_REVOKED_get_ext(entry(crl, 0), 0), 1);
}
static void entry_add(X509_CRL *crl, const CrlMutant *m) {
  g_autoptr(ASN1_OCTET_STRING) data = mutant_octets(m->text);
  g_autoptr(X509_EXTENSION) extension = X509_EXTENSION_create_by_NID(NULL, m->nid, 0, data);
  X509_REVOKED_add_ext(entry(crl, 0), extension, -1);
}
static void entry_no_reason(X509_CRL *crl, const CrlMutant *m G_GNUC_UNUSED) {
  X509_REVOKED *first = entry(crl, 0);
  X509_EXTENSION_free(X509_REVOKED_delete_ext(first, 0));
}

#define CRL_AKI NID_authority_key_identifier
#define NUMBER NID_crl_number
#define IDP NID_issuing_distribution_point
#define URL "a00ca00a8608687474703a2f2f61" /* distributionPoint: http://a */

/* clang-format off */
static const CrlMutant crl_mutants[] = {
    {"RFC 5280 5.1.2.1", "crl-version", "v1", FALSE, crl_version, 0, NULL, NULL},
    {BR "7.1.4.1", "issuer-name", "another issuer", FALSE, crl_issuer, 0, NULL, NULL},
    {"RFC 5280 5.1.2.4", "crl-time-form", "thisUpdate as GeneralizedTime", FALSE, crl_from, 0, "20260301000000Z", NULL},
    {"RFC 5280 5.1.2.4", "crl-time-form", "nextUpdate without seconds", FALSE, crl_next, 0, "2603080000Z", NULL},
    {"RFC 5280 5.1.2.4", "crl-time-form", "revocationDate with an offset", FALSE, entry_time, 0, "260301000000+0000", NULL},
    {"RFC 5280 5.1.2.4", "crl-time-form", "revocationDate as GeneralizedTime", FALSE, entry_time, 0, "20260301000000Z", NULL},
    {BR "4.9.7", "crl-next-update", "nextUpdate as thisUpdate", FALSE, crl_next, 0, "260301000000Z", NULL},
    {BR "4.9.7", "crl-next-update", "nextUpdate after 10 days and a second", FALSE, crl_next, 0, "260311000001Z", NULL},
    {BR "4.9.7", "crl-next-update", "root: nextUpdate after 12 months and a second", TRUE, crl_next, 0, "270301000001Z", NULL},
    {"RFC 5280 5.1.2.6", "crl-entries", "a list without entries", FALSE, entries_none, 0, NULL, NULL},
    {"RFC 5280 5.1.2.6", "crl-entries", "a negative serial number", FALSE, entry_serial, 0, "-5", NULL},
    {"RFC 5280 5.1.2.6", "crl-entries", "a serial number of 21 octets", FALSE, entry_serial, 0, "010000000000000000000000000000000000000000", NULL},
    {"RFC 5280 5.1.2.6", "crl-entries", "a serial number twice", FALSE, entry_twice, 0, NULL, NULL},
    {"RFC 5280 5.2", "crl-extension-set", "deltaCRLIndicator", FALSE, crl_add, NID_delta_crl, "020101", NULL},
    {"RFC 5280 5.2", "crl-extension-set", "freshestCRL", FALSE, crl_add, NID_freshest_crl, "3000", NULL},
    {"RFC 5280 5.2", "crl-extension-set", "authorityInfoAccess", FALSE, crl_add, NID_info_access, "3000", NULL},
    {"RFC 5280 5.2", "crl-extension-once", "cRLNumber twice", FALSE, crl_again, NUMBER, NULL, NULL},
    {"RFC 5280 5.2.1", "crl-authority-key-identifier", "no authorityKeyIdentifier", FALSE, crl_drop, CRL_AKI, NULL, NULL},
    {"RFC 5280 5.2.1", "crl-authority-key-identifier", "critical authorityKeyIdentifier", FALSE, crl_flip, CRL_AKI, NULL, NULL},
    {"RFC 5280 5.2.1", "crl-authority-key-identifier", "another keyIdentifier", FALSE, crl_value, CRL_AKI, "3003800178", NULL},
    {"RFC 5280 5.2.3", "crl-number", "no cRLNumber", FALSE, crl_drop, NUMBER, NULL, NULL},
    {"RFC 5280 5.2.3", "crl-number", "critical cRLNumber", FALSE, crl_flip, NUMBER, NULL, NULL},
    {"RFC 5280 5.2.3", "crl-number", "a negative cRLNumber", FALSE, crl_value, NUMBER, "0201ff", NULL},
    {"RFC 5280 5.2.3", "crl-number", "cRLNumber of 21 octets", FALSE, crl_value, NUMBER, "0215010000000000000000000000000000000000000000", NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "issuingDistributionPoint not critical", FALSE, crl_flip, IDP, NULL, NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "issuingDistributionPoint that says nothing", FALSE, crl_value, IDP, "3000", NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "for all certificates", FALSE, crl_value, IDP, "300e" URL, NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "for subscribers' and for CA certificates", FALSE, crl_value, IDP, "3014" URL "8101ff8201ff", NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "indirectCRL", FALSE, crl_value, IDP, "3014" URL "8101ff8401ff", NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "onlyContainsAttributeCerts", FALSE, crl_value, IDP, "3014" URL "8101ff8501ff", NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "onlySomeReasons", FALSE, crl_value, IDP, "3015" URL "8101ff83020640", NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "no URL", FALSE, crl_value, IDP, "30038101ff", NULL},
    {"RFC 5280 5.2.5", "crl-issuing-point", "an https URL", FALSE, crl_value, IDP, "3012a00da00b860968747470733a2f2f618101ff", NULL},
    {"RFC 5280 5.3", "crl-entry-extensions", "invalidityDate", FALSE, entry_add, NID_invalidity_date, "180f32303236303330313030303030305a", NULL},
    {"RFC 5280 5.3", "crl-entry-extensions", "certificateIssuer", FALSE, entry_add, NID_certificate_issuer, "3000", NULL},
    {BR "7.2.2", "crl-reason", "critical reasonCode", FALSE, entry_critical, 0, NULL, NULL},
    {BR "7.2.2", "crl-reason", "unspecified", FALSE, entry_value, 0, "0a0100", NULL},
    {BR "7.2.2", "crl-reason", "certificateHold", FALSE, entry_value, 0, "0a0106", NULL},
    {BR "7.2.2", "crl-reason", "the reason 7", FALSE, entry_value, 0, "0a0107", NULL},
    {BR "7.2.2", "crl-reason", "removeFromCRL", FALSE, entry_value, 0, "0a0108", NULL},
    {BR "7.2.2", "crl-reason", "the reason 11", FALSE, entry_value, 0, "0a010b", NULL},
    {BR "7.2.2", "crl-reason", "a reasonCode that is no ENUMERATED", FALSE, entry_value, 0, "020101", NULL},
    {BR "7.2.2", "crl-ca-reason", "root: an entry without reasonCode", TRUE, entry_no_reason, 0, NULL, NULL},
};
/* clang-format on */

static GBytes *good_crl(gboolean of_root) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  for (guint8 i = 0; i < 2; i++) {
    CrlEntry *made = g_new0(CrlEntry, 1);
    made->serial = fixture_serial(i);
    made->revoked_at = FIXTURE_NOW;
    made->reason = 4;
    g_ptr_array_add(entries, made);
  }
  const CrlFields fields = {.number = 5,
                            .this_update = FIXTURE_NOW,
                            .next_update = FIXTURE_NOW + 7 * CLOCK_DAY,
                            .url = of_root ? NULL : FIXTURE_BASE "1.crl",
                            .entries = entries};
  GBytes *tbs = crl_build(of_root ? root : issuing, &fields, &error);
  g_assert_no_error(error);
  return tbs;
}

static void test_crl(void) {
  g_autoptr(GHashTable) fired = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; i < G_N_ELEMENTS(crl_mutants); i++) {
    const CrlMutant *mutant = &crl_mutants[i];
    g_autoptr(GBytes) tbs = good_crl(mutant->of_root);
    g_autoptr(X509_CRL) crl = mutant_wrap(tbs, ASN1_ITEM_rptr(X509_CRL));
    mutant->change(crl, mutant);
    guint8 *octets = NULL;
    int length = i2d_re_X509_CRL_tbs(crl, &octets);
    g_autoptr(GBytes) changed = der_take(octets, length);
    g_autoptr(GPtrArray) findings = lint_crl_tbs(changed, mutant->of_root ? root : issuing);
    g_test_message("ca-rules 31, %s: %s", mutant->section, mutant->what);
    mutant_assert(findings, mutant->rule, mutant->section, mutant->also, mutant->what);
    g_hash_table_add(fired, (gpointer)mutant->rule);
  }
  g_test_message("%" G_GSIZE_FORMAT " mutants", G_N_ELEMENTS(crl_mutants));
  g_hash_table_add(fired, (gpointer) "signature-algorithm"); /* test_crl_encoding */
  g_hash_table_add(fired, (gpointer) "crl-encoding");
  mutant_assert_all(LINT_CRL, fired);
}

static void test_crl_encoding(void) {
  g_autoptr(GBytes) tbs = good_crl(FALSE);
  g_autoptr(GBytes) weaker = mutant_patch(tbs, "2a8648ce3d040302", "2a8648ce3d040303");
  g_autoptr(GBytes) ber = mutant_patch(tbs, "0101ff", "010101");
  gsize length;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  g_autoptr(GBytes) cut = g_bytes_new(octets, length - 1);
  g_autoptr(GPtrArray) none = lint_crl_tbs(tbs, issuing);
  g_assert_cmpuint(none->len, ==, 0);
  g_autoptr(GPtrArray) algorithm = lint_crl_tbs(weaker, issuing);
  mutant_assert(algorithm, "signature-algorithm", BR "7.1.3.2", NULL, "SHA-384");
  g_autoptr(GPtrArray) encoding = lint_crl_tbs(ber, issuing);
  mutant_assert(encoding, "crl-encoding", "RFC 5280 5.1", NULL, "TRUE as 01");
  g_autoptr(GPtrArray) short_one = lint_crl_tbs(cut, issuing);
  mutant_assert(short_one, "crl-encoding", "RFC 5280 5.1", NULL, "cut");
}

/* OpenSSL takes no nextUpdate away: the second of the two times is cut out of the octets. */
static void test_no_next_update(void) {
  g_autoptr(GBytes) tbs = good_crl(FALSE);
  GByteArray *octets = g_byte_array_new();
  g_byte_array_append(octets, g_bytes_get_data(tbs, NULL), (guint)g_bytes_get_size(tbs));
  const guint8 *next = memmem(octets->data, octets->len,
                              "\x17\x0d"
                              "260308",
                              8);
  g_assert_true(next != NULL && octets->data[1] == 0x82);
  g_byte_array_remove_range(octets, (guint)(next - octets->data), 15);
  octets->data[2] = (guint8)((octets->len - 4) >> 8);
  octets->data[3] = (guint8)(octets->len - 4);
  g_autoptr(GBytes) changed = g_byte_array_free_to_bytes(octets);
  g_autoptr(GPtrArray) findings = lint_crl_tbs(changed, issuing);
  mutant_assert(findings, "crl-next-update", BR "4.9.7", NULL, "no nextUpdate");
}

/* The signer lints what crl_build has let through. */
static void test_crl_sign_refuses(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  CrlEntry *unexplained = g_new0(CrlEntry, 1);
  unexplained->serial = fixture_serial(1);
  unexplained->revoked_at = FIXTURE_NOW;
  g_ptr_array_add(entries, unexplained);
  const CrlFields fields = {.number = 5,
                            .this_update = FIXTURE_NOW,
                            .next_update = FIXTURE_NOW + CLOCK_DAY,
                            .entries = entries};
  g_assert_null(crl_sign(root, &fields, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  g_assert_nonnull(strstr(error->message, "crl-ca-reason (S/MIME BR 7.2.2)"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_autoptr(CeremonyResult) made = fixture_ceremony("P-256");
  root = fixture_load(made->root_certificate, made->root_key, NULL);
  issuing = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
  g_test_add_func("/lint-ca/mutants", test_ca);
  g_test_add_func("/lint-ca/public-subject", test_public_subject);
  g_test_add_func("/lint-crl/mutants", test_crl);
  g_test_add_func("/lint-crl/encoding", test_crl_encoding);
  g_test_add_func("/lint-crl/no-next-update", test_no_next_update);
  g_test_add_func("/lint-crl/sign-refuses", test_crl_sign_refuses);
  int failed = g_test_run();
  issuer_free(root);
  issuer_free(issuing);
  return failed;
}
