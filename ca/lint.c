/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/lint.h"

#include "base/sha256.h"
#include "ca/der.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"
#include "ca/signature.h"

#include <string.h>

/* In the order of S/MIME BR 7.1, then 7.2. */
#define S LINT_SUBSCRIBER
#define BELOW (LINT_ISSUING | LINT_CROSS)
#define CA (LINT_ROOT | BELOW)
#define ALL (S | CA)
static const LintRule rules[] = {
    {"encoding", "RFC 5280 4.1", ALL, lint_encoding},
    {"unique-identifiers", "RFC 5280 4.1.2.8", ALL, lint_unique_identifiers},
    {"time-form", "RFC 5280 4.1.2.5", ALL, lint_time_form},
    {"extension-once", "RFC 5280 4.2", ALL, lint_extension_once},
    {"serial", "S/MIME BR 7.1", ALL, lint_serial},
    {"version", "S/MIME BR 7.1.1", ALL, lint_version},
    {"validity", "S/MIME BR 6.3.2", ALL, lint_validity},
    {"validity-issuer", "S/MIME BR 6.3.2", S | BELOW, lint_validity_issuer},
    {"policies", "S/MIME BR 7.1.2.3 a", S, lint_policies},
    {"policy-qualifiers", "S/MIME BR 7.1.2.3 a", S, lint_policy_qualifiers},
    {"policy-issuer", "S/MIME BR 7.1.6.3", S, lint_policy_issuer},
    {"crl-distribution-points", "S/MIME BR 7.1.2.3 b", S, lint_crl_distribution_points},
    {"authority-information-access", "S/MIME BR 7.1.2.3 c", S, lint_authority_information_access},
    {"basic-constraints", "S/MIME BR 7.1.2.3 d", S, lint_basic_constraints},
    {"key-usage", "S/MIME BR 7.1.2.3 e", S, lint_key_usage},
    {"key-usage-form", "RFC 5280 4.2.1.3", ALL, lint_key_usage_form},
    {"extended-key-usage", "S/MIME BR 7.1.2.3 f", S, lint_extended_key_usage},
    {"authority-key-identifier", "S/MIME BR 7.1.2.3 g", S, lint_authority_key_identifier},
    {"subject-key-identifier", "S/MIME BR 7.1.2.3 n", S, lint_subject_key_identifier},
    {"names-critical", "S/MIME BR 7.1.2.3 h", S, lint_names_critical},
    {"extension-set", "S/MIME BR 7.1.2.4", ALL, lint_extension_set},
    {"public-key", "S/MIME BR 7.1.3.1", S, lint_public_key},
    {"own-key", "ca-rules 15", S | LINT_ISSUING, lint_own_key},
    {"signature-algorithm", "S/MIME BR 7.1.3.2", ALL | LINT_CRL, lint_signature_algorithm},
    {"issuer-key", "S/MIME BR 6.1.5 (SMC017v2)", S, lint_issuer_key},
    {"issuer-name", "S/MIME BR 7.1.4.1", ALL | LINT_CRL, lint_issuer_name},
    {"subject-meaning", "S/MIME BR 7.1.4.2", ALL, lint_subject_meaning},
    {"names", "S/MIME BR 7.1.4.2.1", S, lint_names},
    {"names-form", "RFC 9598 3", S, lint_names_form},
    {"subject-mailbox", "S/MIME BR 7.1.4.2.2", S, lint_subject_mailbox},
    {"subject", "S/MIME BR 7.1.4.2.3", S, lint_subject},
    {"subject-form", "RFC 5280 A.1", ALL, lint_subject_form},
    {"ca-key", "S/MIME BR 6.1.5 (SMC017v2)", CA, lint_ca_key},
    {"ca-subject", "S/MIME BR 7.1.4.3.1", CA, lint_ca_subject},
    {"root-basic-constraints", "S/MIME BR 7.1.2.1 a", LINT_ROOT, lint_ca_basic_constraints},
    {"root-key-usage", "S/MIME BR 7.1.2.1 b", LINT_ROOT, lint_ca_key_usage},
    {"root-policies", "S/MIME BR 7.1.2.1 c", LINT_ROOT, lint_root_policies},
    {"root-extended-key-usage", "S/MIME BR 7.1.2.1 d", LINT_ROOT, lint_ca_extended_key_usage},
    {"root-key-identifier", "S/MIME BR 7.1.2.1 e", LINT_ROOT, lint_subject_key_identifier},
    {"ca-policies", "S/MIME BR 7.1.2.2 a", BELOW, lint_ca_policies},
    {"ca-crl-distribution-points", "S/MIME BR 7.1.2.2 b", BELOW, lint_crl_distribution_points},
    {"ca-information-access", "S/MIME BR 7.1.2.2 c", BELOW, lint_authority_information_access},
    {"ca-basic-constraints", "S/MIME BR 7.1.2.2 d", BELOW, lint_ca_basic_constraints},
    {"ca-key-usage", "S/MIME BR 7.1.2.2 e", BELOW, lint_ca_key_usage},
    {"ca-extended-key-usage", "S/MIME BR 7.1.2.2 g", BELOW, lint_ca_extended_key_usage},
    {"ca-authority-key-identifier", "S/MIME BR 7.1.2.2 h", BELOW, lint_authority_key_identifier},
    {"ca-subject-key-identifier", "S/MIME BR 7.1.2.2 i", BELOW, lint_subject_key_identifier},
    {"crl-encoding", "RFC 5280 5.1", LINT_CRL, lint_encoding},
    {"crl-version", "RFC 5280 5.1.2.1", LINT_CRL, lint_crl_version},
    {"crl-time-form", "RFC 5280 5.1.2.4", LINT_CRL, lint_crl_time_form},
    {"crl-next-update", "S/MIME BR 4.9.7", LINT_CRL, lint_crl_next_update},
    {"crl-entries", "RFC 5280 5.1.2.6", LINT_CRL, lint_crl_entries},
    {"crl-extension-set", "RFC 5280 5.2", LINT_CRL, lint_extension_set},
    {"crl-extension-once", "RFC 5280 5.2", LINT_CRL, lint_extension_once},
    {"crl-authority-key-identifier", "RFC 5280 5.2.1", LINT_CRL, lint_authority_key_identifier},
    {"crl-number", "RFC 5280 5.2.3", LINT_CRL, lint_crl_number},
    {"crl-issuing-point", "RFC 5280 5.2.5", LINT_CRL, lint_crl_issuing_point},
    {"crl-entry-extensions", "RFC 5280 5.3", LINT_CRL, lint_crl_entry_extensions},
    {"crl-reason", "S/MIME BR 7.2.2", LINT_CRL, lint_crl_reason},
    {"crl-ca-reason", "S/MIME BR 7.2.2", LINT_CRL, lint_crl_ca_reason},
};
#undef S
#undef BELOW
#undef CA
#undef ALL

void lint_finding_free(LintFinding *finding) {
  if (finding == NULL)
    return;
  g_free(finding->text);
  g_free(finding);
}

void lint_add(Lint *lint, const char *format, ...) {
  LintFinding *finding = g_new0(LintFinding, 1);
  va_list arguments;
  va_start(arguments, format);
  finding->rule = lint->rule->name;
  finding->section = lint->rule->section;
  finding->text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_ptr_array_add(lint->findings, finding);
}

const LintRule *lint_rule(gsize n) {
  return n < G_N_ELEMENTS(rules) ? &rules[n] : NULL;
}

/* tbs as an item with an algorithm that means nothing and a signature of one zero octet. Of a
   subscriber's certificate the key is looked at as octets alone. */
static gpointer decode(GBytes *tbs, const ASN1_ITEM *item, LintSubject subject) {
  static const guint8 unnamed[] = {0x30, 0x03, 0x06, 0x01, 0x2a};
  g_autoptr(GBytes) algorithm = g_bytes_new_static(unnamed, sizeof unnamed);
  g_autoptr(GBytes) signature = g_bytes_new_static("", 1);
  g_autoptr(GBytes) der = signature_wrap(tbs, algorithm, signature);
  if (der == NULL)
    return NULL;
  return subject == LINT_SUBSCRIBER ? der_decode_keyless(der, item) : der_decode(der, item);
}

/* The first rule of a subject is that about the encoding. */
static void add_undecoded(Lint *lint) {
  for (gsize i = 0; lint->rule == NULL; i++)
    if (rules[i].check == lint_encoding && (rules[i].subjects & lint->subject) != 0)
      lint->rule = &rules[i];
  lint_add(lint, "it cannot be decoded");
}

static void check_all(Lint *lint) {
  for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
    if ((rules[i].subjects & lint->subject) != 0) {
      lint->rule = &rules[i];
      rules[i].check(lint);
    }
}

/* The findings. */
static GPtrArray *run(Lint *lint) {
  lint->findings = g_ptr_array_new_with_free_func((GDestroyNotify)lint_finding_free);
  lint->values = lint_values_new();
  if (lint->certificate == NULL && lint->crl == NULL)
    add_undecoded(lint);
  else
    check_all(lint);
  g_array_unref(lint->values);
  g_clear_pointer(&lint->names, g_ptr_array_unref);
  g_clear_pointer(&lint->spki, g_bytes_unref);
  return lint->findings;
}

static GPtrArray *lint_certificate(GBytes *tbs, LintSubject subject, const Issuer *issuer,
                                   gboolean public_ca) {
  g_autoptr(X509) certificate = decode(tbs, ASN1_ITEM_rptr(X509), subject);
  const Issuer self = {.certificate = certificate};
  Lint lint = {.subject = subject,
               .tbs = tbs,
               .certificate = certificate,
               .issuer = issuer != NULL ? issuer : &self,
               .public_ca = public_ca};
  if (certificate != NULL)
    lint.spki = der_encode(X509_get_X509_PUBKEY(certificate), ASN1_ITEM_rptr(X509_PUBKEY));
  return run(&lint);
}

/* More than are built and not yet signed at a time; one in the place of another is forgotten. */
#define REMEMBERED 1024

struct LintMemory {
  guint8 digests[REMEMBERED][SHA256_OCTETS]; /* each in the place that it says itself */
};

LintMemory *lint_memory_new(void) {
  return g_new0(LintMemory, 1);
}

void lint_memory_free(LintMemory *memory) {
  g_free(memory);
}

static guint8 *place_of(LintMemory *memory, const guint8 digest[SHA256_OCTETS]) {
  return memory->digests[(digest[0] << 8 | digest[1]) % REMEMBERED];
}

GPtrArray *lint_tbs(GBytes *tbs, const Issuer *issuer) {
  GPtrArray *findings = lint_certificate(tbs, LINT_SUBSCRIBER, issuer, FALSE);
  if (findings->len == 0 && issuer->linted != NULL) {
    guint8 digest[SHA256_OCTETS];
    sha256_of(tbs, digest);
    memcpy(place_of(issuer->linted, digest), digest, SHA256_OCTETS);
  }
  return findings;
}

gboolean lint_is_known(GBytes *tbs, const Issuer *issuer) {
  guint8 digest[SHA256_OCTETS];
  if (issuer->linted == NULL)
    return FALSE;
  sha256_of(tbs, digest);
  return memcmp(place_of(issuer->linted, digest), digest, SHA256_OCTETS) == 0;
}

GPtrArray *lint_ca_tbs(GBytes *tbs, LintCaKind kind, const Issuer *issuer, gboolean public_ca) {
  static const LintSubject subjects[] = {
      [LINT_CA_ROOT] = LINT_ROOT, [LINT_CA_ISSUING] = LINT_ISSUING, [LINT_CA_CROSS] = LINT_CROSS};
  return lint_certificate(tbs, subjects[kind], issuer, public_ca);
}

GPtrArray *lint_crl_tbs(GBytes *tbs, const Issuer *issuer) {
  g_autoptr(X509_CRL) crl = decode(tbs, ASN1_ITEM_rptr(X509_CRL), LINT_CRL);
  Lint lint = {.subject = LINT_CRL, .tbs = tbs, .crl = crl, .issuer = issuer};
  return run(&lint);
}

char *lint_summary(GPtrArray *findings) {
  GString *summary = g_string_new(NULL);
  for (guint i = 0; i < findings->len; i++) {
    const LintFinding *finding = findings->pdata[i];
    g_string_append_printf(summary, "%s%s (%s): %s", i > 0 ? "; " : "", finding->rule,
                           finding->section, finding->text);
  }
  return g_string_free(summary, FALSE);
}
