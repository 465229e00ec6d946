/* SPDX-License-Identifier: Apache-2.0 */
/* One renewal, from the order to the files and the hook. */
#ifndef SIGNET_CLIENT_RENEWAL_RUN_H
#define SIGNET_CLIENT_RENEWAL_RUN_H

#include "client/prover.h"
#include "client/renewal_plan.h"

/* What an earlier run left: files that are not in place, a hook that is due. CLIENT_LOCAL. */
gboolean renewal_run_rest(Renewal *renewal, GError **error);

/* Gets a certificate and puts its files in place; its hook is due then. prover: for the record's
   addresses, its account open. The key is a new one unless keep_key; one that is there without a
   certificate is taken. Errors as certificate_order_run; the record, which is saved, has them too.
 */
gboolean renewal_run(Renewal *renewal, Prover *prover, gboolean keep_key, GError **error);

/* Enters a failure into the record and saves it; refused as of renewal_time_failed. */
void renewal_run_failed(Renewal *renewal, const GError *reason, gint64 refused);

/* Runs the hook when it is due; CLIENT_LOCAL when it failed and stays so. */
gboolean renewal_run_hook(Renewal *renewal, GError **error);

#endif
