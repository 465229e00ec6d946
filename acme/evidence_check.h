/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the evidence of a certificate from its raw material, with nothing beside it: no store, no
   network. What was judged is judged again by the code that judged it. */
#ifndef SIGNET_ACME_EVIDENCE_CHECK_H
#define SIGNET_ACME_EVIDENCE_CHECK_H

#include "acme/evidence_file.h"

/* Whom the reader trusts; NULL: those in the file, which the result says. */
typedef struct {
  GPtrArray *issuers; /* of Issuer */
  GPtrArray *keys;    /* of EVP_PKEY: that sign checkpoints */
} EvidenceTrust;

/* One result: which check, whether it was passed, and what was found, or what is wrong. */
typedef void (*EvidenceResult)(const char *check, gboolean good, const char *words, gpointer user);

/* How many checks failed. */
guint evidence_check(const Evidence *evidence, const EvidenceTrust *trust, EvidenceResult result,
                     gpointer user);

#endif
