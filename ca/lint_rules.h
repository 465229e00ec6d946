/* SPDX-License-Identifier: Apache-2.0 */
/* One function a rule of the profiles. For ca/ and its tests only. */
#ifndef SIGNET_CA_LINT_RULES_H
#define SIGNET_CA_LINT_RULES_H

#include "base/mailbox.h"
#include "ca/lint.h"

#include <openssl/x509v3.h>

/* What a rule is about; a set of them in the table of rules. */
typedef enum {
  LINT_SUBSCRIBER = 1 << 0,
  LINT_ROOT = 1 << 1,
  LINT_ISSUING = 1 << 2,
  LINT_CROSS = 1 << 3,
  LINT_CRL = 1 << 4
} LintSubject;

typedef struct Lint Lint;

typedef struct {
  const char *name;
  const char *section;
  guint subjects; /* of LintSubject */
  void (*check)(Lint *lint);
} LintRule;

/* The n-th rule from 0; NULL when there are no more. */
const LintRule *lint_rule(gsize n);

/* A name of the subjectAltName, read. */
typedef struct {
  Mailbox *mailbox; /* NULL: it is none */
  char *why;
} LintName;

/* One run: what is looked at, and what was found. */
struct Lint {
  LintSubject subject;
  GBytes *tbs;
  X509 *certificate;    /* tbs, decoded anew; NULL for a CRL */
  X509_CRL *crl;        /* the same; NULL for a certificate */
  GBytes *spki;         /* the certificate's key; NULL for a CRL */
  GArray *values;       /* of extensions, for lint_extension */
  GPtrArray *names;     /* of LintName, for lint_names.c; NULL: not read yet */
  const Issuer *issuer; /* of a root: itself */
  gboolean public_ca;
  const LintRule *rule; /* the one that runs */
  GPtrArray *findings;
};

/* Notes a finding of the rule that runs. */
void lint_add(Lint *lint, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The fields (lint_fields.c). */
void lint_encoding(Lint *lint);
void lint_unique_identifiers(Lint *lint);
void lint_version(Lint *lint);
void lint_serial(Lint *lint);
void lint_signature_algorithm(Lint *lint);
void lint_issuer_name(Lint *lint);
void lint_issuer_key(Lint *lint);
void lint_time_form(Lint *lint);
void lint_validity(Lint *lint);
void lint_validity_issuer(Lint *lint);
void lint_public_key(Lint *lint);
void lint_own_key(Lint *lint);

/* The names (lint_names.c). */
void lint_names(Lint *lint);
void lint_names_form(Lint *lint);
void lint_names_critical(Lint *lint);
void lint_subject(Lint *lint);
void lint_subject_form(Lint *lint);
void lint_subject_meaning(Lint *lint);
void lint_subject_mailbox(Lint *lint);

/* The policies (lint_policies.c). */
void lint_policies(Lint *lint);
void lint_policy_qualifiers(Lint *lint);
void lint_policy_issuer(Lint *lint);
void lint_ca_policies(Lint *lint);
void lint_root_policies(Lint *lint);

/* The other extensions (lint_extensions.c). */
void lint_extension_set(Lint *lint);
void lint_extension_once(Lint *lint);
void lint_crl_distribution_points(Lint *lint);
void lint_authority_information_access(Lint *lint);
void lint_basic_constraints(Lint *lint);
void lint_authority_key_identifier(Lint *lint);
void lint_subject_key_identifier(Lint *lint);
void lint_key_usage(Lint *lint);
void lint_key_usage_form(Lint *lint);
void lint_extended_key_usage(Lint *lint);

/* CA certificates alone (lint_ca.c). */
void lint_ca_key(Lint *lint);
void lint_ca_subject(Lint *lint);
void lint_ca_basic_constraints(Lint *lint);
void lint_ca_key_usage(Lint *lint);
void lint_ca_extended_key_usage(Lint *lint);

/* Revocation lists alone (lint_crl.c). */
void lint_crl_version(Lint *lint);
void lint_crl_time_form(Lint *lint);
void lint_crl_next_update(Lint *lint);
void lint_crl_entries(Lint *lint);
void lint_crl_entry_extensions(Lint *lint);
void lint_crl_reason(Lint *lint);
void lint_crl_ca_reason(Lint *lint);
void lint_crl_number(Lint *lint);
void lint_crl_issuing_point(Lint *lint);

/* The extensions of what is looked at; may be NULL. */
const STACK_OF(X509_EXTENSION) * lint_extensions(const Lint *lint);

/* The decoded value, which is lint's, of an extension that must be there, in DER; otherwise NULL
   and, unless quiet, a finding. */
gpointer lint_extension(Lint *lint, int nid, const ASN1_ITEM *item, gboolean quiet);

/* A finding when the extension is there and critical (or not critical) against the rule. */
void lint_criticality(Lint *lint, int nid, gboolean critical);

/* The bits of a keyUsage, bit n as 1 << n; 0 when it is not there. */
guint lint_key_usage_bits(const ASN1_BIT_STRING *usage);

GArray *lint_values_new(void);
void lint_name_free(LintName *name);

/* Exactly emailProtection; a finding when it is not. */
void lint_email_protection_alone(Lint *lint);

/* Whether name is a URI that may stand in a certificate: http://. */
gboolean lint_is_http(const GENERAL_NAME *name);

/* Whether time is as RFC 5280 section 4.1.2.5 has it: UTCTime until 2049, then GeneralizedTime,
   with seconds, in Z. */
gboolean lint_is_time(const ASN1_TIME *time);

/* In seconds since 1970; G_MININT64 when it is no time. */
gint64 lint_seconds(const ASN1_TIME *time);

#endif
