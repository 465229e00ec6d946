/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and revocation lists as Signet makes them, for test_pkilint.py: COUNT SEED as
   arguments; a line for each on the output, with tabs between: "root", "issuing", "cross",
   "subscriber", "unsigned" (as an outside linter sees one), "crl" or "arl", what it is, and the DER
   in base64. */
#include "ca/crl.h"
#include "tests/unit/ca/fixture.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_NAMES 100

static const char *const ca_keys[] = {"P-256", "P-384", "RSA-4096"};
static const char *const key_types[] = {"RSA-2048", "RSA-3072", "RSA-4096", "P-256", "P-384"};

typedef struct {
  GRand *random;
  Issuer *root, *issuing;
  GPtrArray *spkis; /* of GBytes, one for each of key_types, used again and again */
} Maker;

static void print_der(const char *kind, const char *what, GBytes *der) {
  g_autofree char *text = g_base64_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
  printf("%s\t%s\t%s\n", kind, what, text);
}

static void print_pem(const char *kind, const char *what, const char *pem) {
  g_autoptr(BIO) bio = BIO_new_mem_buf(pem, -1);
  g_autoptr(X509) certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  guint8 *octets = NULL;
  int length = i2d_X509(certificate, &octets);
  g_autoptr(GBytes) der = der_take(octets, length);
  print_der(kind, what, der);
}

/* number in [0, end) */
static guint pick(Maker *maker, guint end) {
  return (guint)g_rand_int_range(maker->random, 0, (gint32)end);
}

/* --- addresses: every shape that base/mailbox.c lets through; n makes each one's own */

static char *shape_plain(guint n) {
  return g_strdup_printf("user%u@example.org", n);
}
static char *shape_dots(guint n) {
  return g_strdup_printf("a.b.c%u@mail.example.com", n);
}
static char *shape_signs(guint n) {
  return g_strdup_printf("!#$%%&'*+/=?^_`{|}~-%u@example.net", n);
}
static char *shape_tag(guint n) {
  return g_strdup_printf("alice+tag%u@example.org", n);
}
static char *shape_capitals(guint n) {
  return g_strdup_printf("Alice.ARCHER%u@example.org", n);
}
static char *shape_digits(guint n) {
  return g_strdup_printf("%u@0-1.example.org", n);
}
static char *shape_long_local(guint n) {
  g_autofree char *text = g_strdup_printf("%u%s", n,
                                          "-of-a-person-with-a-very-long-name-indeed-yes-"
                                          "it-goes-on-and-on");
  text[64] = '\0';
  return g_strconcat(text, "@example.org", NULL);
}
static char *shape_long_domain(guint n) {
  g_autofree char *label = g_strnfill(63, 'd');
  return g_strdup_printf("u%u@%s.%s.%.40s.example.org", n, label, label, label);
}
static char *shape_idn(guint n) {
  return g_strdup_printf("user%u@xn--bcher-kva.example.org", n);
}
static char *shape_idn_top(guint n) {
  return g_strdup_printf("user%u@xn--80aswg.xn--p1ai", n); /* сайт.рф */
}
static char *shape_utf8(guint n) {
  return g_strdup_printf("ж%u@example.org", n);
}
static char *shape_utf8_idn(guint n) {
  return g_strdup_printf("用户%u@xn--bcher-kva.example.org", n);
}
static char *shape_utf8_long(guint n) {
  return g_strdup_printf("%u-многоязычныйпользователь@example.org", n);
}
static char *shape_astral(guint n) {
  return g_strdup_printf("𐐷%u@example.org", n);
}

static char *(*const shapes[])(guint n) = {
    shape_plain,  shape_dots,       shape_signs,       shape_tag,   shape_capitals,
    shape_digits, shape_long_local, shape_long_domain, shape_idn,   shape_idn_top,
    shape_utf8,   shape_utf8_idn,   shape_utf8_long,   shape_astral};

/* --- certificates */

static GBytes *make_serial(Maker *maker) {
  guint8 random[CERTIFICATE_SERIAL_OCTETS + 2];
  for (gsize i = 0; i < sizeof random; i++)
    random[i] = (guint8)pick(maker, 256);
  return certificate_serial(random);
}

/* Every key type, profile, usage and shape comes in its turn; the rest is drawn. */
static void make_subscriber(Maker *maker, guint n) {
  static const guint counts[] = {1, 1, 1, 2, 3, 10, MAX_NAMES};
  g_autoptr(GError) error = NULL;
  guint type = n % G_N_ELEMENTS(key_types), shape = n % G_N_ELEMENTS(shapes);
  guint usage = pick(maker, 5), count = counts[pick(maker, G_N_ELEMENTS(counts))];
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < count; i++)
    g_ptr_array_add(names, shapes[(shape + i) % G_N_ELEMENTS(shapes)](1000 * n + i));
  g_ptr_array_add(names, NULL);
  g_autoptr(GBytes) serial = make_serial(maker);
  CertificateFields fields = fixture_fields(serial, maker->spkis->pdata[type]);
  fields.names = (const char *const *)names->pdata;
  fields.not_before += (gint64)pick(maker, 1000) * CLOCK_DAY;
  /* 825 days are allowed, but should not be the rule (S/MIME BR 6.3.2), and pkilint warns of them
   */
  fields.not_after =
      certificate_not_after(fields.not_before, 1 + pick(maker, CERTIFICATE_MAX_DAYS - 1));
  fields.sign = usage != 1;
  fields.encrypt = usage != 0 && usage != 3;
  fields.non_repudiation = usage >= 3;
  fields.profile = n / 2 % 2 == 0 ? PROFILE_STRICT : PROFILE_MULTIPURPOSE;
  g_autoptr(GBytes) tbs = certificate_build(maker->issuing, &fields, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) der = certificate_sign(maker->issuing, tbs, &error);
  g_assert_no_error(error);
  g_autofree char *what = g_strdup_printf(
      "%s %s %s%s%s %u names, first %s", key_types[type],
      fields.profile == PROFILE_STRICT ? "strict" : "multipurpose", fields.sign ? "s" : "",
      fields.encrypt ? "e" : "", fields.non_repudiation ? "n" : "", count, fields.names[0]);
  print_der("subscriber", what, der);
  if (n % 10 == 0) {
    g_autoptr(GBytes) unsigned_one = certificate_unsigned(tbs);
    print_der("unsigned", what, unsigned_one);
  }
}

/* --- revocation lists */

static GPtrArray *make_entries(Maker *maker, guint count, gboolean ca) {
  static const int reasons[] = {1, 2, 3, 4, 5, 9, 10, 0};
  GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  for (guint i = 0; i < count; i++) {
    CrlEntry *entry = g_new0(CrlEntry, 1);
    entry->serial = make_serial(maker);
    entry->revoked_at = FIXTURE_NOW - (gint64)pick(maker, 100) * CLOCK_HOUR;
    entry->reason = reasons[i % (ca ? 7 : 8)];
    g_ptr_array_add(entries, entry);
  }
  return entries;
}

static void make_crl(Maker *maker, const char *url, guint count) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = make_entries(maker, count, FALSE);
  const CrlFields fields = {.number = FIXTURE_NOW / CLOCK_SECOND,
                            .this_update = FIXTURE_NOW,
                            .next_update = FIXTURE_NOW + 7 * CLOCK_DAY,
                            .url = url,
                            .entries = entries};
  g_autoptr(GBytes) der = crl_sign(maker->issuing, &fields, &error);
  g_assert_no_error(error);
  g_autofree char *what =
      g_strdup_printf("%s, %u entries", url != NULL ? "a shard" : "complete", count);
  print_der("crl", what, der);
}

static void make_arl(Maker *maker, guint count) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = make_entries(maker, count, TRUE);
  const CeremonyList list = {
      .now = FIXTURE_NOW, .days = CEREMONY_ROOT_CRL_DAYS, .entries = entries};
  g_autoptr(GBytes) der = ceremony_root_crl(maker->root, &list, &error);
  g_assert_no_error(error);
  g_autofree char *what = g_strdup_printf("of the root, %u entries", count);
  print_der("arl", what, der);
}

static void make_ca(Maker *maker, const char *key_type, const char *country) {
  g_autoptr(GError) error = NULL;
  const CeremonyPlan plan = {.country = country,
                             .organization = country != NULL ? "Example Org" : NULL,
                             .public_ca = country != NULL,
                             .root_name = "Example Root CA",
                             .issuing_name = "Example Issuing CA",
                             .key_type = key_type,
                             .url = FIXTURE_BASE,
                             .now = FIXTURE_NOW};
  g_autoptr(CeremonyResult) made = ceremony_run(&plan, &error);
  g_assert_no_error(error);
  print_pem("root", key_type, made->root_certificate);
  print_pem("issuing", key_type, made->issuing_certificate);
  print_der("arl", "the root's first", made->root_crl);
  maker->root = fixture_load(made->root_certificate, made->root_key, NULL);
  maker->issuing = fixture_load(made->issuing_certificate, made->issuing_key, NULL);
}

/* For another root's name and key, whose identifier is of another kind. */
static void make_cross(Maker *maker, const char *key_type) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = fixture_key(key_type);
  g_autoptr(GBytes) subject = ceremony_name("NO", "Other Org", "Other Root CA", &error);
  g_autoptr(ASN1_OCTET_STRING) identifier = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(identifier, (const guint8 *)"another identifier", 18);
  const CeremonyCertificate plan = {.kind = CEREMONY_CROSS,
                                    .subject = subject,
                                    .key = key,
                                    .identifier = identifier,
                                    .root = maker->root,
                                    .url = FIXTURE_BASE,
                                    .now = FIXTURE_NOW};
  g_autoptr(GBytes) tbs = ceremony_build(&plan, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) der = ceremony_sign(&plan, tbs, &error);
  g_assert_no_error(error);
  print_der("cross", key_type, der);
}

int main(int argc, char **argv) {
  guint wanted = argc == 3 ? (guint)atoi(argv[1]) : 0;
  if (wanted == 0)
    return 2;
  Maker maker = {.random = g_rand_new_with_seed((guint32)g_ascii_strtoull(argv[2], NULL, 10)),
                 .spkis = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref)};
  for (gsize i = 0; i < G_N_ELEMENTS(key_types); i++) {
    g_autoptr(EVP_PKEY) key = fixture_key(key_types[i]);
    g_ptr_array_add(maker.spkis, fixture_spki(key));
  }
  for (guint ca = 0; ca < G_N_ELEMENTS(ca_keys); ca++) {
    make_ca(&maker, ca_keys[ca], ca % 2 == 0 ? "NO" : NULL);
    for (guint n = ca; n < wanted; n += G_N_ELEMENTS(ca_keys))
      make_subscriber(&maker, n);
    make_crl(&maker, NULL, 0);
    make_crl(&maker, NULL, 9);
    make_crl(&maker, FIXTURE_BASE "1.crl", 0);
    make_crl(&maker, FIXTURE_BASE "2.crl", 100);
    make_arl(&maker, 7);
    make_cross(&maker, ca_keys[ca]);
    issuer_free(maker.root);
    issuer_free(maker.issuing);
  }
  g_ptr_array_unref(maker.spkis);
  g_rand_free(maker.random);
  return 0;
}
