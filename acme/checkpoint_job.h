/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of the audit log (ca-rules 33). */
#ifndef SIGNET_ACME_CHECKPOINT_JOB_H
#define SIGNET_ACME_CHECKPOINT_JOB_H

#include "acme/job_run.h"

/* Makes question the one for a checkpoint when there are records after the last one and a key is
   configured; else its kind stays as it is. */
gboolean checkpoint_ask(Acme *acme, gint64 now, Question *question, GError **error);

#endif
