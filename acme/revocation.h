/* SPDX-License-Identifier: Apache-2.0 */
/* What every revocation does, whoever asks for it. */
#ifndef SIGNET_ACME_REVOCATION_H
#define SIGNET_ACME_REVOCATION_H

#include "acme/acme.h"
#include "store/certificate.h"

#define REVOCATION_KEY_COMPROMISE 1 /* CRLReason, RFC 5280 section 5.3.1 */
#define REVOCATION_CESSATION 5      /* cessationOfOperation */

/* Revokes an issued certificate and has the list of its shard signed anew at once. by: who asked,
   for the record. STORE_UNCHANGED when it is revoked already. */
StoreChange revocation_enter(Acme *acme, gint64 now, const Certificate *certificate, int reason,
                             const char *by, GError **error);
/* The same for a certificate that was at the signer while its key was blocked. */
gboolean revocation_enter_blocked(Acme *acme, gint64 now, const Certificate *certificate,
                                  GError **error);

#endif
