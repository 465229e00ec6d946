/* SPDX-License-Identifier: Apache-2.0 */
/* Revoking many certificates, some at a time (ca-rules 30). */
#ifndef SIGNET_ACME_REVOCATION_JOB_H
#define SIGNET_ACME_REVOCATION_JOB_H

#include "acme/acme.h"
#include "store/revocation_run.h"

/* Enters a run and begins it; run->id and run->at are set here. */
gboolean revocation_run_start(Acme *acme, gint64 now, RevocationRun *run, GError **error);

#endif
