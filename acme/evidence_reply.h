/* SPDX-License-Identifier: Apache-2.0 */
/* A mailbox's challenge mail and reply out of evidence, judged again. */
#ifndef SIGNET_ACME_EVIDENCE_REPLY_H
#define SIGNET_ACME_EVIDENCE_REPLY_H

#include "acme/evidence_row.h"

/* One mailbox of the certificate. */
typedef struct {
  const json_t *authorization, *challenge, *mail, *reply; /* rows; NULL: there is none */
  const json_t *facts;                                    /* what the certificate stands on */
} EvidenceMailbox;

/* Each NULL when it is as it must be, else what is wrong; *found: what was found, for people. The
   caller frees both. */
char *evidence_mail_fault(const EvidenceMailbox *mailbox, char **found);
char *evidence_times_fault(const EvidenceMailbox *mailbox, char **found);
char *evidence_reply_fault(const EvidenceMailbox *mailbox, char **found);
/* What the reply was judged on is what the raw message and the recorded key give. */
char *evidence_verdict_fault(const EvidenceMailbox *mailbox, char **found);

#endif
