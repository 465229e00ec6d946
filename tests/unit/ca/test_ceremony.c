/* SPDX-License-Identifier: Apache-2.0 */
/* ca-rules 18a. With "--write DIRECTORY" it writes what tests/oracle/test_certificate_oracle.py
 * examines. */
#include "ca/ceremony.h"

#include "ca/crl.h"
#include "tests/unit/ca/fixture.h"

#include <openssl/pem.h>

#define URL FIXTURE_BASE "1.crl"

static X509 *parse(const char *pem) {
  g_autoptr(BIO) bio = BIO_new_mem_buf(pem, -1);
  X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  g_assert_nonnull(certificate);
  return certificate;
}

static GBytes *make_leaf(const Issuer *issuer, const CertificateFields *fields) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = certificate_build(issuer, fields, &error);
  g_assert_no_error(error);
  GBytes *der = certificate_sign(issuer, tbs, &error);
  g_assert_no_error(error);
  return der;
}

static X509_CRL *decode_crl(GBytes *der) {
  return der_decode(der, ASN1_ITEM_rptr(X509_CRL));
}

/* The chain with both CRLs, at a time within all of them. */
static int verify(const CeremonyResult *made, X509 *leaf, GBytes *issuing_crl, gint64 now) {
  g_autoptr(X509) root = parse(made->root_certificate);
  g_autoptr(X509) issuing = parse(made->issuing_certificate);
  g_autoptr(X509_CRL) top = decode_crl(made->root_crl);
  g_autoptr(X509_CRL) below = decode_crl(issuing_crl);
  X509_STORE *store = X509_STORE_new();
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  STACK_OF(X509) *chain = sk_X509_new_null();
  X509_STORE_add_cert(store, root);
  X509_STORE_add_crl(store, top);
  X509_STORE_add_crl(store, below);
  sk_X509_push(chain, issuing);
  X509_STORE_CTX_init(context, store, leaf, chain);
  X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_time(parameters, now / 1000);
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                                              X509_V_FLAG_X509_STRICT |
                                              X509_V_FLAG_EXTENDED_CRL_SUPPORT);
  X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SMIME_SIGN);
  X509_verify_cert(context);
  int result = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  sk_X509_free(chain);
  return result;
}

/* url NULL: for all certificates of the issuer. */
static GBytes *issuing_crl(const Issuer *issuer, GBytes *revoked, const char *url) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  if (revoked != NULL) {
    CrlEntry *entry = g_new0(CrlEntry, 1);
    entry->serial = g_bytes_ref(revoked);
    entry->revoked_at = FIXTURE_NOW;
    entry->reason = 4;
    g_ptr_array_add(entries, entry);
  }
  const CrlFields fields = {.number = 1,
                            .this_update = FIXTURE_NOW,
                            .next_update = FIXTURE_NOW + 7 * CLOCK_DAY,
                            .url = url,
                            .entries = entries};
  GBytes *crl = crl_sign(issuer, &fields, &error);
  g_assert_no_error(error);
  return crl;
}

static void test_chain(void) {
  static const char *const keys[] = {"P-256", "P-384", "RSA-4096"};
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(CeremonyResult) made = fixture_ceremony(keys[i]);
    g_autoptr(Issuer) issuer = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
    g_autoptr(EVP_PKEY) key = fixture_key("P-256");
    g_autoptr(GBytes) spki = fixture_spki(key);
    g_autoptr(GBytes) serial = fixture_serial(3);
    g_autoptr(GBytes) other = fixture_serial(4);
    const CertificateFields fields = fixture_fields(serial, spki);
    g_autoptr(GBytes) der = make_leaf(issuer, &fields);
    g_autoptr(X509) leaf = der_decode(der, ASN1_ITEM_rptr(X509));
    g_autoptr(GBytes) none = issuing_crl(issuer, NULL, URL);
    g_autoptr(GBytes) foreign = issuing_crl(issuer, other, URL);
    g_autoptr(GBytes) revoked = issuing_crl(issuer, serial, URL);
    gint64 now = FIXTURE_NOW + CLOCK_DAY;
    g_assert_cmpint(verify(made, leaf, none, now), ==, X509_V_OK);
    g_assert_cmpint(verify(made, leaf, foreign, now), ==, X509_V_OK);
    g_assert_cmpint(verify(made, leaf, revoked, now), ==, X509_V_ERR_CERT_REVOKED);
    g_assert_cmpint(verify(made, leaf, none, now + 7 * CLOCK_DAY), ==, X509_V_ERR_CRL_HAS_EXPIRED);
  }
}

static void assert_extensions(X509 *certificate, const int *nids, gsize count,
                              const int *critical) {
  g_assert_cmpint(X509_get_ext_count(certificate), ==, (int)count);
  for (gsize i = 0; i < count; i++) {
    int index = X509_get_ext_by_NID(certificate, nids[i], -1);
    g_assert_cmpint(index, >=, 0);
    g_assert_cmpint(X509_EXTENSION_get_critical(X509_get_ext(certificate, index)), ==, critical[i]);
  }
}

static void test_profile(void) {
  static const int root_nids[] = {NID_basic_constraints, NID_key_usage, NID_subject_key_identifier};
  static const int root_critical[] = {1, 1, 0};
  static const int nids[] = {NID_basic_constraints,       NID_key_usage,
                             NID_subject_key_identifier,  NID_authority_key_identifier,
                             NID_ext_key_usage,           NID_certificate_policies,
                             NID_crl_distribution_points, NID_info_access};
  static const int critical[] = {1, 1, 0, 0, 0, 0, 0, 0};
  g_autoptr(CeremonyResult) made = fixture_ceremony(NULL);
  g_autoptr(X509) root = parse(made->root_certificate);
  g_autoptr(X509) issuing = parse(made->issuing_certificate);
  assert_extensions(root, root_nids, G_N_ELEMENTS(root_nids), root_critical);
  assert_extensions(issuing, nids, G_N_ELEMENTS(nids), critical);
  g_assert_cmpuint(X509_get_key_usage(root), ==, KU_KEY_CERT_SIGN | KU_CRL_SIGN);
  g_assert_cmpuint(X509_get_key_usage(issuing), ==, KU_KEY_CERT_SIGN | KU_CRL_SIGN);
  g_assert_cmpuint(X509_get_extended_key_usage(issuing), ==, XKU_SMIME);
  g_assert_cmpint((int)X509_get_pathlen(root), ==, -1);
  g_assert_cmpint((int)X509_get_pathlen(issuing), ==, 0);
  g_assert_cmpint(X509_get_version(root), ==, X509_VERSION_3);
  g_assert_cmpint(ASN1_INTEGER_cmp(X509_get0_serialNumber(root), X509_get0_serialNumber(issuing)),
                  !=, 0);
}

static void test_years(void) {
  g_autoptr(CeremonyResult) made = fixture_ceremony(NULL);
  g_autoptr(Issuer) root = fixture_load(made->root_certificate, made->root_key, NULL);
  g_autoptr(Issuer) issuing = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
  g_autofree char *root_end = clock_rfc3339(issuer_not_after(root));
  g_autofree char *issuing_end = clock_rfc3339(issuer_not_after(issuing));
  g_assert_cmpint(issuer_not_before(root), ==, FIXTURE_NOW);
  g_assert_cmpstr(root_end, ==, "2046-02-28T23:59:59Z");
  g_assert_cmpstr(issuing_end, ==, "2036-02-29T23:59:59Z");
}

static void test_passphrase(void) {
  g_autoptr(GError) error = NULL;
  const CeremonyPlan plan = {.root_name = "R",
                             .issuing_name = "I",
                             .url = FIXTURE_BASE,
                             .now = FIXTURE_NOW,
                             .passphrase = "correct horse"};
  g_autoptr(CeremonyResult) made = ceremony_run(&plan, &error);
  g_assert_no_error(error);
  g_assert_true(g_str_has_prefix(made->root_key, "-----BEGIN ENCRYPTED PRIVATE KEY-----"));
  g_assert_true(g_str_has_prefix(made->issuing_key, "-----BEGIN ENCRYPTED PRIVATE KEY-----"));
  g_autoptr(Issuer) issuer =
      fixture_load(made->issuing_certificate, made->issuing_key, "correct horse");
  static const char *const wrong[] = {NULL, "", "wrong horse"};
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GBytes) certificate =
        g_bytes_new(made->root_certificate, strlen(made->root_certificate));
    g_autoptr(GBytes) key = g_bytes_new(made->root_key, strlen(made->root_key));
    g_clear_error(&error);
    g_assert_null(issuer_new(certificate, key, wrong[i], &error));
    g_assert_error(error, CA_ERROR, CA_ERROR_FILE);
  }
}

static void test_refused(void) {
  const CeremonyPlan good = {
      .root_name = "R", .issuing_name = "I", .url = FIXTURE_BASE, .now = FIXTURE_NOW};
  CeremonyPlan bad[] = {good, good, good, good, good, good, good, good, good, good};
  static const char longer[] =
      "a name of more than sixty-four characters, as X.520 has never allowed";
  bad[0].root_name = NULL;
  bad[1].issuing_name = "R";
  bad[2].url = "https://pki.example.org/";
  bad[3].url = "http://pki.example.org";
  bad[4].key_type = "RSA-2048";
  bad[5].passphrase = "";
  bad[6].root_years = 5, bad[6].issuing_years = 6;
  bad[7].issuing_name = longer;
  bad[8].organization = "";
  bad[9].root_years = 51;
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(ceremony_run(&bad[i], &error));
    g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  }
}

static void test_root_crl(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(CeremonyResult) made = fixture_ceremony(NULL);
  g_autoptr(Issuer) root = fixture_load(made->root_certificate, made->root_key, NULL);
  g_assert_true(crl_verify(made->root_crl, root, FIXTURE_NOW / 1000, &error));
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  CrlEntry *entry = g_new0(CrlEntry, 1);
  entry->serial = fixture_serial(1);
  entry->revoked_at = FIXTURE_NOW;
  g_ptr_array_add(entries, entry);
  CeremonyList list = {.now = FIXTURE_NOW, .days = 364, .entries = entries};
  g_assert_null(ceremony_root_crl(root, &list, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  g_clear_error(&error);
  entry->reason = 4;
  list.previous = FIXTURE_NOW / 1000;
  g_autoptr(GBytes) crl = ceremony_root_crl(root, &list, &error);
  g_assert_no_error(error);
  g_assert_true(crl_verify(crl, root, FIXTURE_NOW / 1000 + 1, &error));
}

/* A plan for a certificate below root, of a new key. */
typedef struct {
  Issuer *root, *issuing;
  EVP_PKEY *key;
  GBytes *subject;
  CeremonyCertificate plan;
} Below;

static Below below_new(CeremonyKind kind) {
  g_autoptr(CeremonyResult) made = fixture_ceremony(NULL);
  Below below = {.root = fixture_load(made->root_certificate, made->root_key, NULL),
                 .issuing = fixture_load(made->issuing_certificate, made->issuing_key, NULL),
                 .key = fixture_key("P-384"),
                 .subject = ceremony_name("DE", "Other Org", "Other", NULL)};
  below.plan = (CeremonyCertificate){.kind = kind,
                                     .subject = below.subject,
                                     .key = below.key,
                                     .root = below.root,
                                     .url = FIXTURE_BASE,
                                     .now = FIXTURE_NOW};
  return below;
}

static void below_clear(Below *below) {
  issuer_free(below->root);
  issuer_free(below->issuing);
  EVP_PKEY_free(below->key);
  g_bytes_unref(below->subject);
}

static void assert_not_built(const CeremonyCertificate *plan, const char *words) {
  g_autoptr(GError) error = NULL;
  g_assert_null(ceremony_build(plan, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  if (strstr(error->message, words) == NULL)
    g_error("%s", error->message);
}

static void test_below(void) {
  Below below = below_new(CEREMONY_ISSUING);
  g_autoptr(GBytes) root_name = openssl_name_octets(X509_get_subject_name(below.root->certificate));
  g_autoptr(EVP_PKEY) small = fixture_key("RSA-3072");
  CeremonyCertificate plan = below.plan;
  plan.root = below.issuing;
  assert_not_built(&plan, "is no root");
  plan = below.plan, plan.key = below.root->key;
  assert_not_built(&plan, "the root's own");
  plan = below.plan, plan.key = small;
  assert_not_built(&plan, "RSA of 4096 bit");
  plan = below.plan, plan.subject = root_name;
  assert_not_built(&plan, "one name");
  plan = below.plan, plan.years = CEREMONY_ROOT_YEARS + 1;
  assert_not_built(&plan, "longer than the root");
  plan = below.plan, plan.now = FIXTURE_NOW - CLOCK_SECOND;
  assert_not_built(&plan, "is the clock right");
  plan = below.plan, plan.url = "https://pki.example.org/";
  assert_not_built(&plan, "http://");
  g_autoptr(GBytes) nameless = ceremony_name(NULL, NULL, "Other", NULL);
  plan = below.plan, plan.subject = nameless, plan.public_ca = TRUE;
  assert_not_built(&plan, "ca-subject");
  /* Ten years before its end, less a day, the root's end is the CA's. */
  plan = below.plan, plan.now = issuer_not_after(below.root) - 3650 * CLOCK_DAY;
  g_autoptr(GBytes) last = ceremony_build(&plan, NULL);
  g_autofree char *text = ceremony_text(last);
  g_assert_nonnull(strstr(text, "Not After : Feb 28 23:59:59 2046 GMT"));
  below_clear(&below);
}

static void test_cross(void) {
  g_autoptr(GError) error = NULL;
  Below below = below_new(CEREMONY_CROSS);
  g_autoptr(ASN1_OCTET_STRING) identifier = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(identifier, (const guint8 *)"an identifier", 13);
  below.plan.identifier = identifier;
  g_autoptr(GBytes) tbs = ceremony_build(&below.plan, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) der = ceremony_sign(&below.plan, tbs, &error);
  g_assert_no_error(error);
  g_autoptr(X509) cross = der_decode(der, ASN1_ITEM_rptr(X509));
  g_assert_cmpint(X509_get_pathlen(cross), ==, -1);
  g_assert_cmpint(ASN1_OCTET_STRING_cmp(X509_get0_subject_key_id(cross), identifier), ==, 0);
  g_assert_cmpint(EVP_PKEY_eq(X509_get0_pubkey(cross), below.key), ==, 1);
  g_assert_cmpint(X509_verify(cross, X509_get0_pubkey(below.root->certificate)), ==, 1);
  below_clear(&below);
}

/* ca-rules 18: a root signs CA certificates and its list, and nothing else; others sign no CAs. */
static void test_root_signs_cas(void) {
  g_autoptr(GError) error = NULL;
  Below below = below_new(CEREMONY_ISSUING);
  g_autoptr(GBytes) spki = fixture_spki(below.key);
  g_autoptr(GBytes) serial = fixture_serial(1);
  CertificateFields fields = fixture_fields(serial, spki);
  g_autoptr(GBytes) leaf = certificate_build(below.issuing, &fields, &error);
  g_assert_no_error(error);
  g_assert_null(ceremony_sign(&below.plan, leaf, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  g_clear_error(&error);
  g_autoptr(GBytes) direct = certificate_build(below.root, &fields, &error);
  g_assert_true(direct == NULL || certificate_sign(below.root, direct, &error) == NULL);
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  g_clear_error(&error);
  CeremonyList list = {.now = FIXTURE_NOW, .days = 30};
  g_assert_null(ceremony_root_crl(below.issuing, &list, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  g_clear_error(&error);
  list.days = 366;
  g_assert_null(ceremony_root_crl(below.root, &list, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  below_clear(&below);
}

static void write_text(const char *directory, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void write_octets(const char *directory, const char *name, GBytes *octets) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_assert_true(g_file_set_contents(path, g_bytes_get_data(octets, NULL),
                                    (gssize)g_bytes_get_size(octets), NULL));
}

/* One leaf of each kind; the second is revoked. */
static void write_leaves(const char *directory, const Issuer *issuer) {
  static const char *const utf8[] = {"ж@xn--bcher-kva.example", "alice@example.org", NULL};
  static const char *const longer[] = {
      "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff@example.org", NULL};
  static const struct {
    const char *file, *key;
    const char *const *names;
    gboolean sign, encrypt;
    CertificateProfile profile;
  } leaves[] = {{"leaf.der", "P-256", fixture_names, TRUE, TRUE, PROFILE_STRICT},
                {"revoked.der", "RSA", fixture_names, TRUE, TRUE, PROFILE_STRICT},
                {"utf8.der", "P-384", utf8, TRUE, FALSE, PROFILE_MULTIPURPOSE},
                {"anonymous.der", "RSA", longer, FALSE, TRUE, PROFILE_STRICT}};
  for (guint8 i = 0; i < G_N_ELEMENTS(leaves); i++) {
    g_autoptr(EVP_PKEY) key = fixture_key(leaves[i].key);
    g_autoptr(GBytes) spki = fixture_spki(key);
    g_autoptr(GBytes) serial = fixture_serial(i);
    CertificateFields fields = fixture_fields(serial, spki);
    fields.names = leaves[i].names;
    fields.sign = leaves[i].sign;
    fields.encrypt = leaves[i].encrypt;
    fields.profile = leaves[i].profile;
    g_autoptr(GBytes) der = make_leaf(issuer, &fields);
    write_octets(directory, leaves[i].file, der);
  }
}

static int write_all(const char *directory, const char *key_type) {
  g_autoptr(CeremonyResult) made = fixture_ceremony(key_type);
  g_autoptr(Issuer) issuer = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
  g_autoptr(GBytes) revoked = fixture_serial(1);
  g_autoptr(GBytes) crl = issuing_crl(issuer, revoked, URL);
  g_autoptr(GBytes) complete = issuing_crl(issuer, revoked, NULL);
  write_text(directory, "root.pem", made->root_certificate);
  write_text(directory, "issuing.pem", made->issuing_certificate);
  write_text(directory, "root.key", made->root_key);
  write_text(directory, "issuing.key", made->issuing_key);
  write_octets(directory, "root.crl", made->root_crl);
  write_octets(directory, "issuing.crl", crl);
  write_octets(directory, "complete.crl", complete);
  write_leaves(directory, issuer);
  return 0;
}

int main(int argc, char **argv) {
  if (argc >= 3 && strcmp(argv[1], "--write") == 0)
    return write_all(argv[2], argc > 3 ? argv[3] : NULL);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ceremony/chain", test_chain);
  g_test_add_func("/ceremony/profile", test_profile);
  g_test_add_func("/ceremony/years", test_years);
  g_test_add_func("/ceremony/passphrase", test_passphrase);
  g_test_add_func("/ceremony/refused", test_refused);
  g_test_add_func("/ceremony/root-crl", test_root_crl);
  g_test_add_func("/ceremony/below", test_below);
  g_test_add_func("/ceremony/cross", test_cross);
  g_test_add_func("/ceremony/root-signs-cas", test_root_signs_cas);
  return g_test_run();
}
