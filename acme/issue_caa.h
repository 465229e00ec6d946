/* SPDX-License-Identifier: Apache-2.0 */
/* CAA in the issuance path (RFC 8659, RFC 9495; S/MIME BR 4.2.2.1): when an order's domains are
   asked about, and what an answer does (acme/job_run.h: job_caa_answered). */
#ifndef SIGNET_ACME_ISSUE_CAA_H
#define SIGNET_ACME_ISSUE_CAA_H

#include "acme/acme.h"
#include "store/order.h"

/* A domain of the order whose CAA records must be looked up now, also again when a signature had to
   wait; *domain is NULL for none. The caller frees it. */
gboolean issue_caa_stale(Acme *acme, gint64 now, const Order *order, char **domain, GError **error);

#endif
