/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to to-be-signed octets, for the tests of the lint. */
#ifndef SIGNET_TESTS_UNIT_CA_MUTANTS_H
#define SIGNET_TESTS_UNIT_CA_MUTANTS_H

#include "ca/lint_rules.h"
#include "ca/signature.h"
#include "tests/unit/ca/fixture.h"

static inline gpointer mutant_wrap(GBytes *tbs, const ASN1_ITEM *item) {
  static const guint8 unnamed[] = {0x30, 0x03, 0x06, 0x01, 0x2a};
  g_autoptr(GBytes) algorithm = g_bytes_new_static(unnamed, sizeof unnamed);
  g_autoptr(GBytes) signature = g_bytes_new_static("", 1);
  g_autoptr(GBytes) der = signature_wrap(tbs, algorithm, signature);
  return der_decode(der, item);
}

static inline X509 *mutant_certificate(GBytes *tbs) {
  X509 *x = mutant_wrap(tbs, ASN1_ITEM_rptr(X509));
  g_assert_nonnull(x);
  return x;
}

static inline GBytes *mutant_tbs(X509 *certificate) {
  guint8 *octets = NULL;
  int length = i2d_re_X509_tbs(certificate, &octets);
  return der_take(octets, length);
}

static inline ASN1_OCTET_STRING *mutant_octets(const char *hex) {
  g_autoptr(GBytes) octets = fixture_octets(hex);
  ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(data, g_bytes_get_data(octets, NULL), (int)g_bytes_get_size(octets));
  return data;
}

static inline void mutant_drop(X509 *x, int nid) {
  X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, nid, -1)));
}

/* Another extension at the end, its value in hexadecimal digits. */
static inline void mutant_add(X509 *x, const ASN1_OBJECT *type, gboolean critical,
                              const char *hex) {
  g_autoptr(ASN1_OCTET_STRING) data = mutant_octets(hex);
  g_autoptr(X509_EXTENSION) extension = X509_EXTENSION_create_by_OBJ(NULL, type, critical, data);
  g_assert_cmpint(X509_add_ext(x, extension, -1), ==, 1);
}

/* Another value of an extension that is there. */
static inline void mutant_value(X509 *x, int nid, const char *hex) {
  g_autoptr(ASN1_OCTET_STRING) data = mutant_octets(hex);
  X509_EXTENSION *extension = X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1));
  g_assert_cmpint(X509_EXTENSION_set_data(extension, data), ==, 1);
}

static inline void mutant_flip(X509 *x, int nid) {
  X509_EXTENSION *extension = X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1));
  X509_EXTENSION_set_critical(extension, !X509_EXTENSION_get_critical(extension));
}

/* old, where it first stands in octets, replaced by fresh; both hexadecimal, of one length. */
static inline GBytes *mutant_patch(GBytes *octets, const char *old, const char *fresh) {
  g_autoptr(GBytes) from = fixture_octets(old);
  g_autoptr(GBytes) to = fixture_octets(fresh);
  gsize size, length = g_bytes_get_size(from);
  const guint8 *data = g_bytes_get_data(octets, &size);
  guint8 *copy = g_memdup2(data, size);
  guint8 *place = memmem(copy, size, g_bytes_get_data(from, NULL), length);
  g_assert_nonnull(place);
  g_assert_cmpuint(g_bytes_get_size(to), ==, length);
  memcpy(place, g_bytes_get_data(to, NULL), length);
  return g_bytes_new_take(copy, size);
}

/* The subject of a certificate anew with one attribute more (or alone). */
static inline void mutant_attribute(X509 *x, int nid, int type, const char *text, int set) {
  X509_NAME *subject = X509_get_subject_name(x);
  g_assert_cmpint(X509_NAME_add_entry_by_NID(subject, nid, type, (const guint8 *)text, -1, -1, set),
                  ==, 1);
}

static inline void mutant_clear_subject(X509 *x) {
  while (X509_NAME_entry_count(X509_get_subject_name(x)) > 0)
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(X509_get_subject_name(x), 0));
}

/* Each finding is of rule and section or of the rule also, and there is one of rule. fired may be
 * NULL. */
static inline void mutant_assert(GPtrArray *findings, const char *rule, const char *section,
                                 const char *also, const char *what) {
  g_autofree char *summary = lint_summary(findings);
  gboolean found = FALSE;
  for (guint i = 0; i < findings->len; i++) {
    const LintFinding *finding = findings->pdata[i];
    if (strcmp(finding->rule, rule) == 0) {
      found = TRUE;
      g_assert_cmpstr(finding->section, ==, section);
    } else if (g_strcmp0(finding->rule, also) != 0) {
      g_error("%s: %s fired too: %s", what, finding->rule, summary);
    }
  }
  if (!found)
    g_error("%s: %s did not fire: %s", what, rule, summary);
}

/* Every rule about subject is in fired. */
static inline void mutant_assert_all(guint subject, GHashTable *fired) {
  for (gsize i = 0; lint_rule(i) != NULL; i++)
    if ((lint_rule(i)->subjects & subject) != 0 &&
        !g_hash_table_contains(fired, lint_rule(i)->name))
      g_error("no mutant makes %s fire", lint_rule(i)->name);
}

#endif
