/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the certificate profile on to-be-signed octets: one function a rule, in the order of
 * S/MIME BR 7.1. */
#ifndef SIGNET_CA_LINT_H
#define SIGNET_CA_LINT_H

#include "ca/issuer.h"

typedef struct {
  const char *rule;    /* name in the table of lint.c, e.g. "validity"; see docs/map.md */
  const char *section; /* e.g. "S/MIME BR 6.3.2" */
  char *text;          /* what is wrong, with the value found */
} LintFinding;

void lint_finding_free(LintFinding *finding);

/* Checks tbs as issuer would sign it; parses the octets anew and trusts nothing of how they were
   made. Returns the findings (of LintFinding), empty when there are none; never NULL. */
GPtrArray *lint_tbs(GBytes *tbs, const Issuer *issuer);

/* The name of the n-th rule from 0; NULL when there are no more. */
const char *lint_rule_name(gsize n);

/* Findings on one line for logs and problem documents; the caller frees it. */
char *lint_summary(GPtrArray *findings);

#endif
