/* SPDX-License-Identifier: Apache-2.0 */
/* Whether certificates are signed at all: the operator's stop switch, and a clock that fell back.
   Revocation and revocation lists do not ask here. */
#ifndef SIGNET_ACME_ISSUANCE_H
#define SIGNET_ACME_ISSUANCE_H

#include "acme/acme.h"

/* Why nothing is signed now, for a person; *why is NULL when it goes on. The caller frees it. */
gboolean issuance_held(Acme *acme, gint64 now, char **why, GError **error);
/* The refusal of new orders and of finalize while the switch is off: 503 with Retry-After. NULL
   when issuance goes on. */
Problem *issuance_refuse(Call *call);

#endif
