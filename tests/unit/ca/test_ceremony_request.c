/* SPDX-License-Identifier: Apache-2.0 */
/* An issuing CA below somebody else's root: each fault of an answer is found, with its rule. */
#include "ca/ceremony_request.h"
#include "tests/unit/ca/mutants.h"

#include <openssl/pem.h>

typedef struct {
  Issuer *root;
  EVP_PKEY *key;
  X509_REQ *request;
} World;

static World world_new(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(CeremonyResult) made = fixture_ceremony("P-256");
  World world = {.root = fixture_load(made->root_certificate, made->root_key, NULL),
                 .key = fixture_key("P-256")};
  g_autoptr(GBytes) subject = ceremony_name("DE", "Example Org", "Example Sub", &error);
  char *pem = ceremony_request(subject, world.key, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) octets = g_bytes_new_take(pem, strlen(pem));
  world.request = ceremony_read_request(octets, &error);
  g_assert_no_error(error);
  return world;
}

static void world_clear(World *world) {
  issuer_free(world->root);
  EVP_PKEY_free(world->key);
  X509_REQ_free(world->request);
}

/* What a root that does as it is asked answers. */
static X509 *good_answer(const World *world) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) subject = openssl_name_octets(X509_REQ_get_subject_name(world->request));
  const CeremonyCertificate plan = {.kind = CEREMONY_ISSUING,
                                    .subject = subject,
                                    .key = world->key,
                                    .root = world->root,
                                    .url = FIXTURE_BASE,
                                    .now = FIXTURE_NOW};
  g_autoptr(GBytes) tbs = ceremony_build(&plan, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) der = ceremony_sign(&plan, tbs, &error);
  g_assert_no_error(error);
  X509 *answer = ceremony_read_certificate(der, &error);
  g_assert_no_error(error);
  return answer;
}

static void other_key(X509 *x) {
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  X509_set_pubkey(x, key);
}

static void other_subject(X509 *x) {
  mutant_attribute(x, NID_organizationalUnitName, MBSTRING_ASC, "Added", 0);
}

static void small_serial(X509 *x) {
  ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
}

static void begins_later(X509 *x) {
  ASN1_TIME_set(X509_getm_notBefore(x), FIXTURE_NOW / 1000 + 3600);
}

static void has_ended(X509 *x) {
  ASN1_TIME_set(X509_getm_notAfter(x), FIXTURE_NOW / 1000 - 1);
}

static void outlives(X509 *x) {
  ASN1_TIME_set_string(X509_getm_notAfter(x), "20700101000000Z");
}

static void no_constraints(X509 *x) {
  mutant_drop(x, NID_basic_constraints);
}

static void not_critical(X509 *x) {
  mutant_flip(x, NID_basic_constraints);
}

static void no_ca(X509 *x) {
  mutant_value(x, NID_basic_constraints, "3000");
}

static void no_path_length(X509 *x) {
  mutant_value(x, NID_basic_constraints, "30030101ff");
}

static void path_length_1(X509 *x) {
  mutant_value(x, NID_basic_constraints, "30060101ff020101");
}

static void usage_more(X509 *x) {
  mutant_value(x, NID_key_usage, "03020186"); /* digitalSignature too */
}

static void usage_less(X509 *x) {
  mutant_value(x, NID_key_usage, "03020204"); /* keyCertSign alone */
}

static void no_purpose(X509 *x) {
  mutant_drop(x, NID_ext_key_usage);
}

static void purpose_more(X509 *x) { /* serverAuth too */
  mutant_value(x, NID_ext_key_usage, "301406082b0601050507030406082b06010505070301");
}

static void purpose_critical(X509 *x) {
  mutant_flip(x, NID_ext_key_usage);
}

static void no_policies(X509 *x) {
  mutant_drop(x, NID_certificate_policies);
}

static void any_policy(X509 *x) {
  mutant_value(x, NID_certificate_policies, "3006300406022a03");
}

static void no_own_identifier(X509 *x) {
  mutant_drop(x, NID_subject_key_identifier);
}

static void no_identifier(X509 *x) {
  mutant_drop(x, NID_authority_key_identifier);
}

static void other_identifier(X509 *x) {
  mutant_value(x, NID_authority_key_identifier, "3006800401020304");
}

static void no_list(X509 *x) {
  mutant_drop(x, NID_crl_distribution_points);
}

static void list_by_ldap(X509 *x) { /* ldap://a */
  mutant_value(x, NID_crl_distribution_points, "3010300ea00ca00a86086c6461703a2f2f61");
}

static void no_access(X509 *x) {
  mutant_drop(x, NID_info_access);
}

static void access_by_ocsp(X509 *x) { /* OCSP at http://a */
  mutant_value(x, NID_info_access, "3016301406082b060105050730018608687474703a2f2f61");
}

static const struct {
  void (*change)(X509 *x);
  const char *words; /* of the one fault */
} mutants[] = {
    {other_key, "its key is not the one of the request"},
    {other_subject, "its subject"},
    {small_serial, "its serial number"},
    {begins_later, "it begins later than now"},
    {has_ended, "it has ended"},
    {outlives, "it ends later than the root"},
    {no_constraints, "it has no basicConstraints"},
    {not_critical, "its basicConstraints is not critical"},
    {no_path_length, "no pathLenConstraint of 0"},
    {path_length_1, "no pathLenConstraint of 0"},
    {usage_more, "its keyUsage is not keyCertSign and cRLSign alone"},
    {usage_less, "its keyUsage is not keyCertSign and cRLSign alone"},
    {no_purpose, "it has no extendedKeyUsage"},
    {purpose_more, "its extendedKeyUsage is not emailProtection alone"},
    {purpose_critical, "its extendedKeyUsage is critical"},
    {no_policies, "it has no certificatePolicies"},
    {any_policy, "its certificatePolicies name neither"},
    {no_own_identifier, "it has no subjectKeyIdentifier"},
    {no_identifier, "it has no authorityKeyIdentifier"},
    {other_identifier, "it was not issued by the root"},
    {no_list, "it has no cRLDistributionPoints"},
    {list_by_ldap, "its cRLDistributionPoints have no http:// URL"},
    {no_access, "it has no authorityInfoAccess"},
    {access_by_ocsp, "its authorityInfoAccess has no caIssuers"},
};

/* Signed anew; decoded anew, since OpenSSL keeps what it found in extensions and signature. */
static X509 *sign(X509 *answer, const Issuer *root, const EVP_MD *digest) {
  guint8 *octets = NULL;
  g_assert_cmpint(X509_sign(answer, root->key, digest), >, 0);
  int length = i2d_X509(answer, &octets);
  g_autoptr(GBytes) der = der_take(octets, length);
  return der_decode(der, ASN1_ITEM_rptr(X509));
}

static char *faults_of(const World *world, X509 *answer, guint *count) {
  g_autoptr(GPtrArray) faults =
      ceremony_answer_faults(answer, world->request, world->root->certificate, FIXTURE_NOW);
  *count = faults->len;
  g_ptr_array_add(faults, NULL);
  return g_strjoinv("\n", (char **)faults->pdata);
}

static void test_answers(void) {
  World world = world_new();
  guint count = 0;
  g_autoptr(X509) good = good_answer(&world);
  g_autofree char *none = faults_of(&world, good, &count);
  g_assert_cmpstr(none, ==, "");
  for (gsize i = 0; i < G_N_ELEMENTS(mutants); i++) {
    g_autoptr(X509) answer = good_answer(&world);
    mutants[i].change(answer);
    g_autoptr(X509) fresh = sign(answer, world.root, EVP_sha256());
    g_autofree char *faults = faults_of(&world, fresh, &count);
    if (strstr(faults, mutants[i].words) == NULL || count > 2 ||
        (count == 2 && mutants[i].change != other_identifier))
      g_error("%s: %s", mutants[i].words, faults);
  }
  world_clear(&world);
}

/* CA:FALSE has a second fault: without CA:TRUE there is no pathLen. */
static void test_no_ca(void) {
  World world = world_new();
  guint count = 0;
  g_autoptr(X509) answer = good_answer(&world);
  no_ca(answer);
  g_autoptr(X509) fresh = sign(answer, world.root, EVP_sha256());
  g_autofree char *faults = faults_of(&world, fresh, &count);
  g_assert_nonnull(strstr(faults, "it is not that of a CA"));
  world_clear(&world);
}

/* Another root, SHA-1, a signature that does not fit. */
static void test_signatures(void) {
  World world = world_new(), other = world_new();
  guint count = 0;
  g_autoptr(X509) answer = good_answer(&world);
  g_autoptr(GPtrArray) faults =
      ceremony_answer_faults(answer, world.request, other.root->certificate, FIXTURE_NOW);
  g_assert_cmpstr(faults->pdata[0], ==, "it was not issued by the root that was given");
  g_autoptr(X509) forgery = sign(answer, other.root, EVP_sha256());
  g_autofree char *forged = faults_of(&world, forgery, &count);
  g_assert_cmpstr(forged, ==, "it was not issued by the root that was given");
  g_autoptr(X509) old = sign(answer, world.root, EVP_sha1());
  g_autofree char *weak = faults_of(&world, old, &count);
  g_assert_nonnull(strstr(weak, "SHA-256"));
  world_clear(&world);
  world_clear(&other);
}

static void test_unreadable(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) rubbish = g_bytes_new_static("rubbish", 7);
  g_assert_null(ceremony_read_request(rubbish, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_FILE);
  g_clear_error(&error);
  g_assert_null(ceremony_read_certificate(rubbish, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_FILE);
}

/* A request whose key did not sign it. */
static void test_request_of_another(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(EVP_PKEY) other = fixture_key("P-256");
  g_autoptr(GBytes) subject = ceremony_name(NULL, NULL, "Example", &error);
  g_autofree char *pem = ceremony_request(subject, key, &error);
  g_autoptr(BIO) bio = BIO_new_mem_buf(pem, -1);
  g_autoptr(X509_REQ) request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
  g_assert_cmpint(X509_REQ_sign(request, other, EVP_sha256()), >, 0);
  g_autoptr(BIO) out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509_REQ(out, request);
  char *text = openssl_bio_text(out);
  g_autoptr(GBytes) octets = g_bytes_new_take(text, strlen(text));
  g_assert_null(ceremony_read_request(octets, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_FILE);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ceremony-request/answers", test_answers);
  g_test_add_func("/ceremony-request/no-ca", test_no_ca);
  g_test_add_func("/ceremony-request/signatures", test_signatures);
  g_test_add_func("/ceremony-request/unreadable", test_unreadable);
  g_test_add_func("/ceremony-request/of-another", test_request_of_another);
  return g_test_run();
}
