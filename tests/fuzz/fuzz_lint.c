/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet for the mode, then to-be-signed octets as they come (mode 0), or changes to good
   ones: place, what to do, an octet (1). Holds: what lint_tbs has nothing against is what
   certificate_build makes of the fields read from it. */
#include "ca/certificate_read.h"
#include "ca/extension.h"
#include "ca/signature.h"
#include "tests/fuzz/fuzz_ca.h"

static GBytes *good(void) {
  static const char *const names[] = {"alice@example.org", "ж@example.org", NULL};
  g_autoptr(GBytes) serial = fuzz_serial();
  g_autoptr(GBytes) spki = fuzz_spki();
  const CertificateFields fields = fuzz_fields(serial, spki, names);
  GBytes *tbs = certificate_build(fuzz_issuer(), &fields, NULL);
  g_assert_nonnull(tbs);
  return tbs;
}

/* Each change: two octets of place, one of what, one of value. */
static GBytes *changed(FuzzInput *input) {
  GByteArray *octets = g_bytes_unref_to_array(good());
  while (input->size >= 4) {
    guint place = fuzz_octet(input) << 8;
    place = (place | fuzz_octet(input)) % octets->len;
    guint what = fuzz_octet(input);
    guint8 value = (guint8)fuzz_octet(input);
    if (what % 4 == 0 && octets->len > 1)
      g_byte_array_remove_index(octets, place);
    else if (what % 4 == 1)
      g_byte_array_append(octets, &value, 1);
    else
      octets->data[place] = value;
  }
  return g_byte_array_free_to_bytes(octets);
}

static X509 *decode(GBytes *tbs) {
  g_autoptr(GBytes) signature = g_bytes_new_static("", 1);
  g_autoptr(GBytes) algorithm =
      algorithm_signature_octets(algorithm_of_ca(X509_get0_pubkey(fuzz_issuer()->certificate)));
  g_autoptr(GBytes) der = signature_wrap(tbs, algorithm, signature);
  return der_decode(der, ASN1_ITEM_rptr(X509));
}

static gint64 milliseconds(const ASN1_TIME *time) {
  static const struct tm epoch = {.tm_year = 70, .tm_mday = 1};
  struct tm broken;
  int days = 0, seconds = 0;
  g_assert_cmpint(ASN1_TIME_to_tm(time, &broken), ==, 1);
  g_assert_cmpint(OPENSSL_gmtime_diff(&days, &seconds, &epoch, &broken), ==, 1);
  return ((gint64)days * 86400 + seconds) * 1000;
}

static char *string(const ASN1_STRING *value) {
  return g_strndup((const char *)ASN1_STRING_get0_data(value), (gsize)ASN1_STRING_length(value));
}

static GPtrArray *read_names(const X509 *x) {
  g_autoptr(GENERAL_NAMES) names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
  GPtrArray *addresses = g_ptr_array_new_with_free_func(g_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    g_ptr_array_add(addresses,
                    string(name->type == GEN_EMAIL ? name->d.rfc822Name
                                                   : name->d.otherName->value->value.utf8string));
  }
  g_ptr_array_add(addresses, NULL);
  return addresses;
}

static char *crl_url(const X509 *x) {
  g_autoptr(CRL_DIST_POINTS) points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
  const DIST_POINT *point = sk_DIST_POINT_value(points, 0);
  return string(sk_GENERAL_NAME_value(point->distpoint->name.fullname, 0)->d.ia5);
}

static char *issuer_url(const X509 *x) {
  g_autoptr(AUTHORITY_INFO_ACCESS) access = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);
  return string(sk_ACCESS_DESCRIPTION_value(access, 0)->location->d.ia5);
}

static gboolean is_strict(const X509 *x) {
  g_autoptr(CERTIFICATEPOLICIES) policies =
      X509_get_ext_d2i(x, NID_certificate_policies, NULL, NULL);
  char oid[80];
  OBJ_obj2txt(oid, sizeof oid, sk_POLICYINFO_value(policies, 0)->policyid, 1);
  return strcmp(oid, POLICY_STRICT) == 0;
}

/* The same once more from the fields; NULL when certificate_build refuses. */
static GBytes *rebuilt(X509 *x, GError **error) {
  g_autoptr(GPtrArray) names = read_names(x);
  g_autoptr(BIGNUM) number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
  guint8 octets[64];
  g_assert_cmpint(BN_num_bytes(number), <=, sizeof octets);
  g_autoptr(GBytes) serial = g_bytes_new(octets, (gsize)BN_bn2bin(number, octets));
  g_autoptr(GBytes) spki = der_encode(X509_get_X509_PUBKEY(x), ASN1_ITEM_rptr(X509_PUBKEY));
  g_autofree char *crl = crl_url(x);
  g_autofree char *caissuers = issuer_url(x);
  guint usage = X509_get_key_usage(x);
  CertificateFields fields = fuzz_fields(serial, spki, (const char *const *)names->pdata);
  fields.not_before = milliseconds(X509_get0_notBefore(x));
  fields.not_after = milliseconds(X509_get0_notAfter(x));
  fields.sign = (usage & X509v3_KU_DIGITAL_SIGNATURE) != 0;
  fields.non_repudiation = (usage & X509v3_KU_NON_REPUDIATION) != 0;
  fields.encrypt = (usage & (X509v3_KU_KEY_ENCIPHERMENT | X509v3_KU_KEY_AGREEMENT)) != 0;
  fields.profile = is_strict(x) ? PROFILE_STRICT : PROFILE_MULTIPURPOSE;
  fields.crl_url = crl;
  fields.issuer_url = caissuers;
  return certificate_build(fuzz_issuer(), &fields, error);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = fuzz_octet(&input) % 2 == 0 ? fuzz_rest(&input) : changed(&input);
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, fuzz_issuer());
  for (guint i = 0; i < findings->len; i++)
    g_assert_nonnull(((const LintFinding *)findings->pdata[i])->text);
  g_autofree char *summary = lint_summary(findings);
  g_assert_true(g_utf8_validate(summary, -1, NULL));
  if (findings->len > 0)
    return 0;
  g_autoptr(X509) x = decode(tbs);
  g_assert_nonnull(x);
  g_autoptr(GBytes) again = rebuilt(x, &error);
  g_assert_no_error(error);
  fuzz_assert_same(tbs, again);
  return 0;
}
