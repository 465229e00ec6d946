/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/certificate_parts.h"
#include "ca/crl.h"

#include "tests/unit/ca/fixture.h"

#define URL FIXTURE_BASE "1.crl"

static GPtrArray *entries_of(const int *reasons, gsize count) {
  GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  for (gsize i = 0; i < count; i++) {
    CrlEntry *entry = g_new0(CrlEntry, 1);
    entry->serial = fixture_serial((guint8)(200 - i));
    entry->revoked_at = FIXTURE_NOW - (gint64)i * CLOCK_HOUR;
    entry->reason = reasons[i];
    g_ptr_array_add(entries, entry);
  }
  return entries;
}

static CrlFields fields_of(GPtrArray *entries) {
  return (CrlFields){.number = 1772323200,
                     .this_update = FIXTURE_NOW,
                     .next_update = FIXTURE_NOW + 7 * CLOCK_DAY,
                     .url = URL,
                     .entries = entries};
}

static X509_CRL *sign(const Issuer *issuer, const CrlFields *fields) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) der = crl_sign(issuer, fields, &error);
  g_assert_no_error(error);
  return der_decode(der, ASN1_ITEM_rptr(X509_CRL));
}

static void test_contents(void) {
  static const int reasons[] = {0, 1, 2, 3, 4, 5, 9, 10};
  static const char *const keys[] = {"P-256", "P-384", "RSA-4096"};
  for (gsize k = 0; k < G_N_ELEMENTS(keys); k++) {
    g_autoptr(Issuer) issuer = fixture_issuer(keys[k]);
    g_autoptr(GPtrArray) entries = entries_of(reasons, G_N_ELEMENTS(reasons));
    const CrlFields fields = fields_of(entries);
    g_autoptr(X509_CRL) crl = sign(issuer, &fields);
    g_assert_cmpint(X509_CRL_get_version(crl), ==, X509_CRL_VERSION_2);
    g_assert_cmpint(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), ==, 8);
    for (guint i = 0; i < entries->len; i++) {
      const CrlEntry *entry = entries->pdata[i];
      g_autoptr(BIGNUM) number = BN_bin2bn(g_bytes_get_data(entry->serial, NULL), 17, NULL);
      g_autoptr(ASN1_INTEGER) serial = BN_to_ASN1_INTEGER(number, NULL);
      X509_REVOKED *revoked = NULL;
      g_assert_cmpint(X509_CRL_get0_by_serial(crl, &revoked, serial), ==, 1);
      int critical = -1;
      g_autoptr(ASN1_ENUMERATED) reason =
          X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, &critical, NULL);
      g_assert_cmpint(reason != NULL, ==, entry->reason != 0);
      g_assert_cmpint(critical, ==, entry->reason != 0 ? 0 : -1);
      if (reason != NULL)
        g_assert_cmpint(ASN1_ENUMERATED_get(reason), ==, entry->reason);
    }
  }
}

static void assert_scope(const Issuer *issuer, const CrlFields *fields, gboolean point_expected) {
  g_autoptr(X509_CRL) crl = sign(issuer, fields);
  int critical = -1;
  g_autoptr(ISSUING_DIST_POINT) point =
      X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
  g_assert_cmpint(point != NULL, ==, point_expected);
  g_assert_cmpint(X509_CRL_get_ext_count(crl), ==, point_expected ? 3 : 2);
  if (point == NULL)
    return;
  g_assert_cmpint(critical, ==, 1);
  g_assert_cmpint(point->onlyCA != 0, ==, fields->ca_only);
  g_assert_cmpint(point->onlyuser != 0, ==, !fields->ca_only);
  g_assert_cmpint(point->indirectCRL, ==, 0);
}

static void test_scope(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  CrlFields fields = fields_of(NULL);
  assert_scope(issuer, &fields, TRUE);
  fields.ca_only = TRUE;
  fields.next_update = FIXTURE_NOW + 365 * CLOCK_DAY;
  assert_scope(issuer, &fields, TRUE);
  fields = fields_of(NULL);
  fields.url = NULL;
  assert_scope(issuer, &fields, FALSE);
}

static void assert_refused(const Issuer *issuer, const CrlFields *fields, const char *why) {
  g_autoptr(GError) error = NULL;
  g_assert_null(crl_sign(issuer, fields, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  if (strstr(error->message, why) == NULL)
    g_error("expected \"%s\", got \"%s\"", why, error->message);
}

static void test_refused(void) {
  static const int reasons[] = {-1, 6, 7, 8, 11, 99};
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++) {
    g_autoptr(GPtrArray) entries = entries_of(&reasons[i], 1);
    const CrlFields fields = fields_of(entries);
    assert_refused(issuer, &fields, "reason");
  }
  const CrlFields good = fields_of(NULL);
  CrlFields bad[] = {good, good, good, good, good, good, good};
  const char *const why[] = {"number",  "number", "http://", "http://", "nextUpdate is not",
                             "too far", "ca_only"};
  bad[0].number = 0;
  bad[1].number = -1;
  bad[2].url = "https://x.example/1.crl";
  bad[3].url = "http://x.example/1\n.crl";
  bad[4].next_update = bad[4].this_update;
  bad[5].next_update = bad[5].this_update + 10 * CLOCK_DAY + 1;
  bad[6].url = NULL, bad[6].ca_only = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    assert_refused(issuer, &bad[i], why[i]);
  static const int none[] = {0, 0};
  g_autoptr(GPtrArray) entries = entries_of(none, 2);
  CrlFields fields = fields_of(entries);
  fields.ca_only = TRUE;
  assert_refused(issuer, &fields, "no reason");
  fields.ca_only = FALSE;
  g_bytes_unref(((CrlEntry *)entries->pdata[1])->serial);
  ((CrlEntry *)entries->pdata[1])->serial = g_bytes_ref(((CrlEntry *)entries->pdata[0])->serial);
  assert_refused(issuer, &fields, "twice");
}

static void test_verify(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(Issuer) other = fixture_issuer("P-256");
  static const int reasons[] = {1, 4};
  g_autoptr(GPtrArray) entries = entries_of(reasons, 2);
  const CrlFields fields = fields_of(entries);
  g_autoptr(GBytes) der = crl_sign(issuer, &fields, NULL);
  g_assert_true(crl_verify(der, issuer, fields.number, NULL));
  g_assert_false(crl_verify(der, issuer, fields.number + 1, NULL));
  g_assert_false(crl_verify(der, other, fields.number, NULL));
  gsize length;
  const guint8 *octets = g_bytes_get_data(der, &length);
  for (gsize i = 0; i < length; i++) {
    g_autofree guint8 *copy = g_memdup2(octets, length);
    copy[i] ^= 1;
    g_autoptr(GBytes) changed = g_bytes_new(copy, length);
    g_autoptr(GError) error = NULL;
    g_assert_false(crl_verify(changed, issuer, fields.number, &error));
    g_assert_error(error, CA_ERROR, CA_ERROR_SIGN);
  }
  const Issuer keyless = {.certificate = issuer->certificate};
  g_autoptr(GError) error = NULL;
  g_assert_null(crl_sign(&keyless, &fields, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_SIGN);
}

/* A full shard stays under 1 MiB (ca-rules 31). */
static void test_full_shard(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  for (guint32 i = 0; i < 20000; i++) {
    guint8 random[CERTIFICATE_SERIAL_OCTETS + 2] = {0};
    memcpy(random + 2, &i, sizeof i);
    CrlEntry *entry = g_new0(CrlEntry, 1);
    entry->serial = certificate_serial(random);
    entry->revoked_at = FIXTURE_NOW;
    entry->reason = 4;
    g_ptr_array_add(entries, entry);
  }
  const CrlFields fields = fields_of(entries);
  g_autoptr(GBytes) der = crl_sign(issuer, &fields, NULL);
  g_assert_nonnull(der);
  g_assert_cmpuint(g_bytes_get_size(der), <, 1024 * 1024);
}

/* What is read of a list that lies somewhere: its number, and the shard by the file's name. */
static void test_read(void) {
  static const struct {
    const char *name;
    gint64 shard;
  } names[] = {{"crl-1.crl", 1},  {"crl-4294967295.crl", G_MAXUINT32},
               {"crl-.crl", 0},   {"crl-4294967296.crl", 0},
               {"crl--1.crl", 0}, {"crl- 1.crl", 0},
               {"root.crl", 0},   {"crl-1.crl.new", 0},
               {"crl-1.der", 0},  {"crl-1", 0}};
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  const CrlFields fields = fields_of(NULL);
  g_autoptr(GBytes) der = crl_sign(issuer, &fields, NULL);
  g_autoptr(GBytes) none = g_bytes_new_static("none", 4);
  g_assert_cmpint(crl_number_of(der), ==, fields.number);
  g_assert_cmpint(crl_number_of(none), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    g_assert_cmpint(crl_file_shard(names[i].name), ==, names[i].shard);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/crl/contents", test_contents);
  g_test_add_func("/crl/scope", test_scope);
  g_test_add_func("/crl/refused", test_refused);
  g_test_add_func("/crl/verify", test_verify);
  g_test_add_func("/crl/read", test_read);
  g_test_add_func("/crl/full-shard", test_full_shard);
  return g_test_run();
}
