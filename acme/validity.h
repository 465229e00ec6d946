/* SPDX-License-Identifier: Apache-2.0 */
/* From when to when a certificate is valid (RFC 8555 section 7.4; S/MIME BR 6.3.2). */
#ifndef SIGNET_ACME_VALIDITY_H
#define SIGNET_ACME_VALIDITY_H

#include "acme/acme.h"
#include "store/order.h"

/* notBefore is never farther from the signing than this, either way. */
#define VALIDITY_MAX_SHIFT (48 * CLOCK_HOUR)

/* notBefore and notAfter of a newOrder payload, in whole seconds (0: not given), when certificates
   live at most days; what cannot be fulfilled exactly is refused, and the
   usual validity when the issuing CA ends too soon for it. */
Problem *validity_read(Call *call, gint64 days, gint64 *not_before, gint64 *not_after);

typedef enum {
  VALIDITY_GOOD,
  VALIDITY_IMPOSSIBLE, /* what was asked for cannot be fulfilled */
  VALIDITY_ISSUER_ENDS /* too soon for the usual validity; said in the log */
} Validity;

/* The validity of a certificate that is built now: as ordered, the rest by default, never past the
   issuing CA's end. */
Validity validity_of(const Acme *acme, const Order *order, gint64 days, gint64 now,
                     gint64 *not_before, gint64 *not_after);

#endif
