/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the profiles on to-be-signed octets: one function a rule, in the order of S/MIME BR
 * 7.1 and 7.2. */
#ifndef SIGNET_CA_LINT_H
#define SIGNET_CA_LINT_H

#include "ca/issuer.h"

typedef struct {
  const char *rule;    /* name in the table of lint.c, e.g. "validity"; see docs/map.md */
  const char *section; /* e.g. "S/MIME BR 6.3.2" */
  char *text;          /* what is wrong, with the value found */
} LintFinding;

void lint_finding_free(LintFinding *finding);

/* Checks tbs, a subscriber's, as issuer would sign it; parses the octets anew and trusts nothing of
   how they were made. Returns the findings (of LintFinding), empty when there are none; never NULL.
 */
GPtrArray *lint_tbs(GBytes *tbs, const Issuer *issuer);
/* Whether lint_tbs found nothing in exactly these octets for this issuer a short time ago, so that
   they need not be linted again. FALSE also when that has been forgotten, or issuer has no key. */
gboolean lint_is_known(GBytes *tbs, const Issuer *issuer);
LintMemory *lint_memory_new(void);
void lint_memory_free(LintMemory *memory);

/* The same for CA certificates (S/MIME BR 7.1.2.1, 7.1.2.2; ca-rules 18a). A cross certificate is
   one for a root's name and key by another CA. */
typedef enum { LINT_CA_ROOT, LINT_CA_ISSUING, LINT_CA_CROSS } LintCaKind;

/* issuer: NULL for a root, which is its own. public_ca: the subject must have O and C as the
   Baseline Requirements ask. */
GPtrArray *lint_ca_tbs(GBytes *tbs, LintCaKind kind, const Issuer *issuer, gboolean public_ca);

/* The same for revocation lists (RFC 5280 section 5, S/MIME BR 7.2; ca-rules 31). */
GPtrArray *lint_crl_tbs(GBytes *tbs, const Issuer *issuer);

/* Findings on one line for logs and problem documents; the caller frees it. */
char *lint_summary(GPtrArray *findings);

#endif
