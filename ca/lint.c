/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/lint.h"

#include "ca/der.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"
#include "ca/signature.h"

/* In the order of S/MIME BR 7.1. */
static const LintRule rules[] = {
    {"encoding", "RFC 5280 4.1", lint_encoding},
    {"serial", "S/MIME BR 7.1", lint_serial},
    {"version", "S/MIME BR 7.1.1", lint_version},
    {"validity", "S/MIME BR 6.3.2", lint_validity},
    {"validity-issuer", "S/MIME BR 6.3.2", lint_validity_issuer},
    {"policies", "S/MIME BR 7.1.2.3 a", lint_policies},
    {"policy-issuer", "S/MIME BR 7.1.6.3", lint_policy_issuer},
    {"crl-distribution-points", "S/MIME BR 7.1.2.3 b", lint_crl_distribution_points},
    {"authority-information-access", "S/MIME BR 7.1.2.3 c", lint_authority_information_access},
    {"basic-constraints", "S/MIME BR 7.1.2.3 d", lint_basic_constraints},
    {"key-usage", "S/MIME BR 7.1.2.3 e", lint_key_usage},
    {"extended-key-usage", "S/MIME BR 7.1.2.3 f", lint_extended_key_usage},
    {"authority-key-identifier", "S/MIME BR 7.1.2.3 g", lint_authority_key_identifier},
    {"subject-key-identifier", "RFC 5280 4.2.1.2", lint_subject_key_identifier},
    {"names-critical", "S/MIME BR 7.1.2.3 h", lint_names_critical},
    {"extension-set", "S/MIME BR 7.1.2.4", lint_extension_set},
    {"public-key", "S/MIME BR 7.1.3.1", lint_public_key},
    {"signature-algorithm", "S/MIME BR 7.1.3.2", lint_signature_algorithm},
    {"issuer-key", "S/MIME BR 6.1.5 (SMC017v2)", lint_issuer_key},
    {"issuer-name", "S/MIME BR 7.1.4.1", lint_issuer_name},
    {"names", "S/MIME BR 7.1.4.2.1", lint_names},
    {"subject-mailbox", "S/MIME BR 7.1.4.2.2", lint_subject_mailbox},
    {"subject", "S/MIME BR 7.1.4.2.3", lint_subject},
};

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

/* tbs in a certificate with a signature of one zero octet. */
static X509 *decode(GBytes *tbs, EVP_PKEY *issuer_key) {
  g_autoptr(GBytes) signature = g_bytes_new_static("", 1);
  const SignatureAlgorithm *algorithm = signature_algorithm(issuer_key);
  g_autoptr(GBytes) der = algorithm != NULL ? signature_wrap(tbs, algorithm, signature) : NULL;
  return der != NULL ? der_decode(der, ASN1_ITEM_rptr(X509)) : NULL;
}

GPtrArray *lint_tbs(GBytes *tbs, const Issuer *issuer) {
  GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)lint_finding_free);
  g_autoptr(X509) certificate = decode(tbs, X509_get0_pubkey(issuer->certificate));
  Lint lint = {.tbs = tbs,
               .certificate = certificate,
               .issuer = issuer,
               .rule = rules,
               .findings = findings};
  if (certificate == NULL) {
    lint_add(&lint, "not a DER TBSCertificate");
    return findings;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
    lint.rule = &rules[i];
    rules[i].check(&lint);
  }
  return findings;
}

const char *lint_rule_name(gsize n) {
  return n < G_N_ELEMENTS(rules) ? rules[n].name : NULL;
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
