/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/certificate.h"

#include "ca/certificate_read.h"
#include "ca/signature.h"
#include "tests/unit/ca/fixture.h"

#include <openssl/pem.h>

#define LONG_LOCAL "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234"

static void assert_signed(const Issuer *issuer, const CertificateFields *fields) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = certificate_build(issuer, fields, &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, issuer);
  g_autofree char *summary = lint_summary(findings);
  g_assert_cmpstr(summary, ==, "");
  g_autoptr(GBytes) der = certificate_sign(issuer, tbs, &error);
  g_assert_no_error(error);
  g_autoptr(X509) certificate = der_decode(der, ASN1_ITEM_rptr(X509));
  g_assert_nonnull(certificate);
  g_assert_cmpint(X509_verify(certificate, X509_get0_pubkey(issuer->certificate)), ==, 1);
  g_assert_cmpint(X509_check_issued((X509 *)issuer->certificate, certificate), ==, X509_V_OK);
  guint8 *octets = NULL;
  int length = i2d_re_X509_tbs(certificate, &octets);
  g_autoptr(GBytes) inside = der_take(octets, length);
  g_assert_true(g_bytes_equal(inside, tbs));
}

/* Every CA key with every subscriber key, wish and profile. */
static void test_combinations(void) {
  static const char *const ca_keys[] = {"P-256", "P-384", "RSA-4096"};
  static const char *const keys[] = {"P-256", "P-384", "RSA"};
  for (gsize c = 0; c < G_N_ELEMENTS(ca_keys); c++) {
    g_autoptr(Issuer) issuer = fixture_issuer(ca_keys[c]);
    for (gsize k = 0; k < G_N_ELEMENTS(keys); k++) {
      g_autoptr(EVP_PKEY) key = fixture_key(keys[k]);
      g_autoptr(GBytes) spki = fixture_spki(key);
      g_autoptr(GBytes) serial = fixture_serial((guint8)(c * 16 + k));
      for (guint wish = 1; wish < 8; wish++) {
        CertificateFields fields = fixture_fields(serial, spki);
        fields.sign = (wish & 1) != 0;
        fields.encrypt = (wish & 2) != 0;
        fields.non_repudiation = (wish & 4) != 0;
        fields.profile = wish % 2 ? PROFILE_STRICT : PROFILE_MULTIPURPOSE;
        if (fields.sign || (fields.encrypt && !fields.non_repudiation))
          assert_signed(issuer, &fields);
      }
    }
  }
}

static X509 *make(const Issuer *issuer, const char *const *names) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) serial = fixture_serial(7);
  CertificateFields fields = fixture_fields(serial, spki);
  fields.names = names;
  g_autoptr(GBytes) tbs = certificate_build(issuer, &fields, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) der = certificate_sign(issuer, tbs, &error);
  g_assert_no_error(error);
  return der_decode(der, ASN1_ITEM_rptr(X509));
}

static void test_names(void) {
  static const char *const one[] = {"Alice@example.org", NULL};
  static const char *const two[] = {"b@example.org", "a@example.org", NULL};
  static const char *const utf8[] = {"ж@xn--bcher-kva.example", NULL};
  static const char *const longer[] = {LONG_LOCAL "@example.org", NULL};
  static const struct {
    const char *const *names;
    const char *cn;
    int type, count;
  } cases[] = {{one, one[0], GEN_EMAIL, 1},
               {two, two[0], GEN_EMAIL, 2},
               {utf8, utf8[0], GEN_OTHERNAME, 1},
               {longer, NULL, GEN_EMAIL, 1}};
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(X509) certificate = make(issuer, cases[i].names);
    X509_NAME *subject = X509_get_subject_name(certificate);
    int critical = -1;
    g_autoptr(GENERAL_NAMES) names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    char cn[200] = "";
    X509_NAME_get_text_by_NID(subject, NID_commonName, cn, sizeof cn);
    g_assert_cmpstr(cn, ==, cases[i].cn != NULL ? cases[i].cn : "");
    g_assert_cmpint(X509_NAME_entry_count(subject), ==, cases[i].cn != NULL ? 1 : 0);
    g_assert_cmpint(critical, ==, cases[i].cn == NULL);
    g_assert_cmpint(sk_GENERAL_NAME_num(names), ==, cases[i].count);
    g_assert_cmpint(sk_GENERAL_NAME_value(names, 0)->type, ==, cases[i].type);
    g_assert_cmpint(X509_check_email(certificate, cases[i].names[0], 0, 0), ==, 1);
  }
}

static void assert_refused(const Issuer *issuer, const CertificateFields *fields, const char *why) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = certificate_build(issuer, fields, &error);
  if (tbs != NULL)
    g_error("built, expected: %s", why);
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  if (strstr(error->message, why) == NULL)
    g_error("expected \"%s\", got \"%s\"", why, error->message);
}

static void test_refused_names(void) {
  static const char *const lists[][3] = {
      {NULL},
      {"no address", NULL},
      {"a@example.org", "a@example.org", NULL},
      {"a@example.org", "A@example.org", NULL},
      {"a@EXAMPLE.org", NULL},
      {"ж@bücher.example", NULL},
      {"", NULL},
  };
  static const char *const why[] = {"no name", "not an address", "twice",         "twice",
                                    "A-label", "A-label",        "not an address"};
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) serial = fixture_serial(7);
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    CertificateFields fields = fixture_fields(serial, spki);
    fields.names = lists[i];
    assert_refused(issuer, &fields, why[i]);
  }
}

static void test_refused_fields(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(EVP_PKEY) weak = fixture_key("RSA-1024");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) weak_spki = fixture_spki(weak);
  g_autoptr(GBytes) serial = fixture_serial(7);
  g_autoptr(GBytes) short_serial = g_bytes_new_static("\1\2\3", 3);
  g_autoptr(GBytes) high_serial = g_bytes_new_static("\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 17);
  const CertificateFields good = fixture_fields(serial, spki);
  gint64 end = issuer_not_after(issuer);
  CertificateFields bad[] = {good, good, good, good, good, good, good, good,
                             good, good, good, good, good, good, good, good};
  const char *const why[] = {"octets",
                             "certificate_serial",
                             "bits",
                             "neither",
                             "nonRepud",
                             "URL",
                             "URL",
                             "URL",
                             "whole",
                             "825",
                             "before notBefore",
                             "before the issuer's",
                             "past the issuer's",
                             "profile",
                             "past the issuer's",
                             "whole"};
  bad[0].serial = short_serial;
  bad[1].serial = high_serial;
  bad[2].spki = weak_spki;
  bad[3].sign = bad[3].encrypt = FALSE;
  bad[4].sign = FALSE, bad[4].non_repudiation = TRUE;
  bad[5].crl_url = "https://pki.example.org/1.crl";
  bad[6].issuer_url = NULL;
  bad[7].crl_url = "http://pki.example.org/ 1.crl";
  bad[8].not_before++;
  bad[9].not_after = certificate_not_after(FIXTURE_NOW, 825) + CLOCK_SECOND;
  bad[10].not_after = FIXTURE_NOW - CLOCK_SECOND;
  bad[11].not_before -= CLOCK_SECOND;
  bad[12].not_before = end - CLOCK_DAY, bad[12].not_after = end + CLOCK_SECOND;
  bad[13].profile = (CertificateProfile)9;
  bad[14].not_before = end + CLOCK_SECOND, bad[14].not_after = end + CLOCK_SECOND;
  bad[15].not_after++;
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    assert_refused(issuer, &bad[i], why[i]);
}

/* The last possible second, and 2049/2050. */
static void test_validity(void) {
  g_autoptr(CeremonyResult) made = fixture_ceremony("P-256");
  g_autoptr(Issuer) issuer = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
  g_autoptr(Issuer) root = fixture_load(made->root_certificate, made->root_key, NULL);
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) serial = fixture_serial(7);
  CertificateFields fields = fixture_fields(serial, spki);
  fields.not_after = issuer_not_after(issuer);
  fields.not_before = fields.not_after + CLOCK_SECOND - 365 * CLOCK_DAY;
  assert_signed(issuer, &fields);
  fields = fixture_fields(serial, spki);
  fields.not_after = certificate_not_after(FIXTURE_NOW, 825);
  assert_signed(issuer, &fields);
  fields.not_after = FIXTURE_NOW; /* one second */
  assert_signed(issuer, &fields);
  fields.not_after = FIXTURE_NOW + 100 * CLOCK_DAY + 12345 * CLOCK_SECOND;
  assert_signed(issuer, &fields);
  fields.not_after = certificate_not_after(FIXTURE_NOW, 1);
  assert_signed(issuer, &fields);
  g_autoptr(GBytes) tbs = certificate_build(issuer, &fields, NULL);
  static const char times[] = "\x30\x1e\x17\x0d"
                              "260301000000Z"
                              "\x17\x0d"
                              "260301235959Z";
  g_assert_nonnull(
      memmem(g_bytes_get_data(tbs, NULL), g_bytes_get_size(tbs), times, sizeof times - 1));
}

static void test_after_2049(void) {
  g_autoptr(GError) error = NULL;
  const CeremonyPlan plan = {.root_name = "R",
                             .issuing_name = "I",
                             .url = FIXTURE_BASE,
                             .now = G_GINT64_CONSTANT(2500000000) * 1000,
                             .root_years = 40,
                             .issuing_years = 20};
  g_autoptr(CeremonyResult) made = ceremony_run(&plan, &error);
  g_assert_no_error(error);
  g_autoptr(Issuer) issuer = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) serial = fixture_serial(7);
  CertificateFields fields = fixture_fields(serial, spki);
  fields.not_before = G_GINT64_CONSTANT(2524521600) * 1000; /* 2049-12-31 */
  fields.not_after = certificate_not_after(fields.not_before, 2);
  assert_signed(issuer, &fields);
  g_autoptr(GBytes) tbs = certificate_build(issuer, &fields, NULL);
  static const char times[] = "\x17\x0d"
                              "491231000000Z"
                              "\x18\x0f"
                              "20500101235959Z";
  g_assert_nonnull(
      memmem(g_bytes_get_data(tbs, NULL), g_bytes_get_size(tbs), times, sizeof times - 1));
}

static void test_serial(void) {
  guint8 random[CERTIFICATE_SERIAL_OCTETS + 2];
  for (guint seed = 0; seed < 256; seed++) {
    memset(random, (int)seed, sizeof random);
    g_autoptr(GBytes) serial = certificate_serial(random);
    const guint8 *octets = g_bytes_get_data(serial, NULL);
    g_assert_cmpuint(g_bytes_get_size(serial), ==, 17);
    g_assert_cmpuint(octets[0], >=, 1);
    g_assert_cmpuint(octets[0], <=, 0x7f);
    g_assert_cmpuint(octets[1], ==, seed);
    g_assert_cmpuint(octets[16], ==, seed);
  }
}

/* What is signed: nothing outside the profile, nothing of another CA, nothing without the key. */
static void test_sign_refuses(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(Issuer) other = fixture_issuer("P-384");
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) serial = fixture_serial(7);
  CertificateFields fields = fixture_fields(serial, spki);
  g_autoptr(GBytes) tbs = certificate_build(issuer, &fields, NULL);
  g_autoptr(GBytes) junk = g_bytes_new_static("0\0", 2);
  g_autoptr(GBytes) none = g_bytes_new_static("", 0);
  const Issuer keyless = {.certificate = issuer->certificate};
  g_autoptr(EVP_PKEY) wrong = fixture_key("P-256");
  g_autoptr(Signatory) both = signatory_new(wrong, X509_get0_pubkey(issuer->certificate), NULL);
  const Issuer mixed = {.certificate = issuer->certificate, .key = wrong, .signatory = both};
  const struct {
    const Issuer *issuer;
    GBytes *tbs;
    CaError code;
  } cases[] = {{other, tbs, CA_ERROR_PROFILE},
               {issuer, junk, CA_ERROR_PROFILE},
               {issuer, none, CA_ERROR_PROFILE},
               {&keyless, tbs, CA_ERROR_SIGN},
               {&mixed, tbs, CA_ERROR_SIGN}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(certificate_sign(cases[i].issuer, cases[i].tbs, &error));
    g_assert_error(error, CA_ERROR, (gint)cases[i].code);
  }
}

/* A certificate whose signed part is changed anywhere, or given in part or with more behind it, is
   not made of it; nor is one that is no DER. */
static void test_made_of(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) serial = fixture_serial(7);
  CertificateFields fields = fixture_fields(serial, spki);
  g_autoptr(GBytes) tbs = certificate_build(issuer, &fields, NULL);
  g_autoptr(GBytes) der = certificate_sign(issuer, tbs, NULL);
  gsize size = g_bytes_get_size(tbs), length = g_bytes_get_size(der);
  g_assert_true(certificate_is_made_of(der, tbs));
  g_assert_false(certificate_is_made_of(tbs, tbs));
  g_assert_false(certificate_is_made_of(der, der));
  for (gsize at = 0; at < size; at++) {
    g_autofree guint8 *octets = g_memdup2(g_bytes_get_data(tbs, NULL), size);
    octets[at] ^= 1;
    g_autoptr(GBytes) changed = g_bytes_new_static(octets, size);
    g_autoptr(GBytes) part = g_bytes_new_from_bytes(tbs, 0, at);
    g_assert_false(certificate_is_made_of(der, changed));
    g_assert_false(certificate_is_made_of(der, part));
  }
  /* Behind the certificate's own four octets. */
  g_autoptr(GBytes) same = g_bytes_new_from_bytes(der, 4, size);
  g_autoptr(GBytes) more = g_bytes_new_from_bytes(der, 4, size + 1);
  g_assert_true(certificate_is_made_of(der, same));
  g_assert_false(certificate_is_made_of(der, more));
  for (gsize at = 0; at < length; at++) {
    g_autoptr(GBytes) part = g_bytes_new_from_bytes(der, 0, at);
    g_assert_false(certificate_is_made_of(part, tbs));
  }
  /* The signature's algorithm and the signature are of other types. */
  const gsize tags[] = {4 + size,
                        4 + size + 2 + ((const guint8 *)g_bytes_get_data(der, NULL))[5 + size]};
  for (gsize i = 0; i < G_N_ELEMENTS(tags); i++) {
    g_autofree guint8 *octets = g_memdup2(g_bytes_get_data(der, NULL), length);
    octets[tags[i]] ^= 1;
    g_autoptr(GBytes) changed = g_bytes_new_static(octets, length);
    g_assert_false(certificate_is_made_of(changed, tbs));
  }
}

static void test_issuer(void) {
  g_autoptr(CeremonyResult) made = fixture_ceremony("P-256");
  g_autoptr(CeremonyResult) other = fixture_ceremony("P-256");
  g_autofree char *two = g_strconcat(made->root_certificate, made->issuing_certificate, NULL);
  g_autoptr(Issuer) issuer = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
  g_autoptr(X509) leaf = make(issuer, fixture_names);
  g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, leaf);
  g_autofree char *leaf_pem = openssl_bio_text(bio);
  const struct {
    const char *certificate, *key;
    CaError code;
  } cases[] = {{"", "", CA_ERROR_FILE},
               {two, made->root_key, CA_ERROR_FILE},
               {made->root_key, made->root_key, CA_ERROR_FILE},
               {made->root_certificate, made->root_certificate, CA_ERROR_FILE},
               {made->root_certificate, made->issuing_key, CA_ERROR_MISMATCH},
               {made->root_certificate, other->root_key, CA_ERROR_MISMATCH},
               {leaf_pem, made->root_key, CA_ERROR_MISMATCH}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) certificate = g_bytes_new(cases[i].certificate, strlen(cases[i].certificate));
    g_autoptr(GBytes) key = g_bytes_new(cases[i].key, strlen(cases[i].key));
    g_assert_null(issuer_new(certificate, key, NULL, &error));
    g_assert_error(error, CA_ERROR, (gint)cases[i].code);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/certificate/combinations", test_combinations);
  g_test_add_func("/certificate/names", test_names);
  g_test_add_func("/certificate/refused-names", test_refused_names);
  g_test_add_func("/certificate/refused-fields", test_refused_fields);
  g_test_add_func("/certificate/validity", test_validity);
  g_test_add_func("/certificate/after-2049", test_after_2049);
  g_test_add_func("/certificate/serial", test_serial);
  g_test_add_func("/certificate/sign-refuses", test_sign_refuses);
  g_test_add_func("/certificate/made-of", test_made_of);
  g_test_add_func("/certificate/issuer", test_issuer);
  return g_test_run();
}
