/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of evidence, for acme/evidence_check.c alone. Those that give a text: NULL when it is
   as it must be, else what is wrong; *found: what was found, for people. The caller frees both. */
#ifndef SIGNET_ACME_EVIDENCE_SUBJECT_H
#define SIGNET_ACME_EVIDENCE_SUBJECT_H

#include "acme/evidence_check.h"
#include "acme/evidence_reply.h"

/* One file under check. */
typedef struct {
  const Evidence *evidence;
  const EvidenceTrust *trust;
  EvidenceResult result;
  gpointer user;
  guint failed;
  GPtrArray *issuers;   /* of Issuer */
  GPtrArray *keys;      /* of EVP_PKEY */
  GPtrArray *mailboxes; /* of EvidenceMailbox */
  json_t *facts;
  GHashTable *records; /* hash as text -> json_t: the audit records that are shown */
  GPtrArray *shown;    /* the same in their order */
  guint walk_faults;
} EvidenceCheck;

/* Tells a result. */
void evidence_say(EvidenceCheck *check, const char *name, gboolean good, const char *words);
/* The same of a fault and what was found, which are freed. */
void evidence_conclude(EvidenceCheck *check, const char *name, char *fault, char *found);

/* The audit log, and what its records say. */
void evidence_check_log(EvidenceCheck *check);
char *evidence_digest_fault(const EvidenceCheck *check, char **found);
char *evidence_steps_fault(const EvidenceCheck *check, char **found);

/* From the request to the certificate. */
char *evidence_request_fault(const EvidenceCheck *check, char **found);
char *evidence_caa_fault(const EvidenceCheck *check, const char *domain, char **found);
char *evidence_lint_fault(const EvidenceCheck *check, char **found);
char *evidence_issuer_fault(const EvidenceCheck *check, char **found);
char *evidence_order_fault(const EvidenceCheck *check, char **found);
void evidence_check_certificate(EvidenceCheck *check);

#endif
