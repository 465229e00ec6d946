/* SPDX-License-Identifier: Apache-2.0 */
/* The evidence of a certificate as lines of JSON (ca-rules 6 and 11): made at issuance for their
   digest, which stands in the audit log, and again whenever somebody wants to see them. */
#ifndef SIGNET_ACME_EVIDENCE_H
#define SIGNET_ACME_EVIDENCE_H

#include "acme/acme.h"
#include "store/certificate.h"
#include "store/order.h"

/* How a mailbox was validated, and by which rules the CA is run. */
#define EVIDENCE_METHOD "3.2.2.4 ACME email-reply-00"
#define EVIDENCE_REQUIREMENTS "CA/Browser Forum S/MIME BR 1.0.14"

/* What a certificate stands on that can change later, as it is now: account key and earlier ones,
   terms agreed to, settings, issuer (by its shard of revocation lists); JSON. NULL on failure; the
   caller frees it. */
char *evidence_facts(Acme *acme, const Order *order, gint64 shard, GError **error);

/* Each line {"evidence":KIND, ...}, without its end: rows of the store and, by number and hash, the
   audit records from before it was issued. Octets are {"base64":TEXT}, ids their text; a value that
   is null is left out. */
typedef void (*EvidenceLine)(const char *line, gpointer user);
gboolean evidence_lines(Store *store, const Id *certificate, EvidenceLine line, gpointer user,
                        GError **error);
/* When it is being issued, once: SHA-256 of the lines with their ends, hexadecimal; the caller
   frees it. NULL on failure. */
char *evidence_digest(Store *store, const Certificate *certificate, GError **error);

#endif
