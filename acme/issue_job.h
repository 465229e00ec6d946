/* SPDX-License-Identifier: Apache-2.0 */
/* How a step of the issuance path ends: for the files of its steps alone. */
#ifndef SIGNET_ACME_ISSUE_JOB_H
#define SIGNET_ACME_ISSUE_JOB_H

#include "acme/job_run.h"

/* The next step follows at once; attempts count anew. */
gboolean issue_next_step(Acme *acme, Question *question, GError **error);
/* The order is invalid, with that problem. A signature that may exist is asked for still: it must
   be known, and revoked (ca-rules 34). */
gboolean issue_fail_order(Acme *acme, gint64 now, const Job *job, const Problem *problem,
                          GError **error);

#endif
