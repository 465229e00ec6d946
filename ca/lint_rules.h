/* SPDX-License-Identifier: Apache-2.0 */
/* One function a rule of the certificate profile. For ca/ only. */
#ifndef SIGNET_CA_LINT_RULES_H
#define SIGNET_CA_LINT_RULES_H

#include "ca/lint.h"

typedef struct Lint Lint;

typedef struct {
  const char *name;
  const char *section;
  void (*check)(Lint *lint);
} LintRule;

/* One run: what is looked at, and what was found. */
struct Lint {
  GBytes *tbs;
  X509 *certificate; /* tbs, decoded anew */
  const Issuer *issuer;
  const LintRule *rule; /* the one that runs */
  GPtrArray *findings;
};

/* Notes a finding of the rule that runs. */
void lint_add(Lint *lint, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The fields (lint_fields.c). */
void lint_encoding(Lint *lint);
void lint_version(Lint *lint);
void lint_serial(Lint *lint);
void lint_signature_algorithm(Lint *lint);
void lint_issuer_name(Lint *lint);
void lint_issuer_key(Lint *lint);
void lint_validity(Lint *lint);
void lint_validity_issuer(Lint *lint);
void lint_public_key(Lint *lint);

/* The names (lint_names.c). */
void lint_names(Lint *lint);
void lint_names_critical(Lint *lint);
void lint_subject(Lint *lint);
void lint_subject_mailbox(Lint *lint);

/* The other extensions (lint_extensions.c). */
void lint_extension_set(Lint *lint);
void lint_policies(Lint *lint);
void lint_policy_issuer(Lint *lint);
void lint_crl_distribution_points(Lint *lint);
void lint_authority_information_access(Lint *lint);
void lint_basic_constraints(Lint *lint);
void lint_authority_key_identifier(Lint *lint);
void lint_subject_key_identifier(Lint *lint);
void lint_key_usage(Lint *lint);
void lint_extended_key_usage(Lint *lint);

/* The decoded value of an extension that must be there once, in DER; otherwise NULL and, unless
 * quiet, a finding. */
gpointer lint_extension(Lint *lint, int nid, const ASN1_ITEM *item, gboolean quiet);

/* A finding when the extension is there and critical (or not critical) against the rule. */
void lint_criticality(Lint *lint, int nid, gboolean critical);

#endif
