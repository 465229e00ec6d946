/* SPDX-License-Identifier: Apache-2.0 */
/* Renewal information (RFC 9773). */
#ifndef SIGNET_ACME_RENEWAL_H
#define SIGNET_ACME_RENEWAL_H

#include "acme/acme.h"
#include "store/certificate.h"

/* Finds an issued certificate by its identifier (RFC 9773 section 4.1): base64url of the issuer's
   key identifier, ".", base64url of the serial's octets. malformed when it is none or names none.
 */
Problem *renewal_find(Acme *acme, const char *identifier, Certificate **certificate);

/* What newOrder's "replaces" names, for an order of mailboxes (of OrderedMailbox): a certificate of
   the caller that has one of them and that no other order replaces (section 5). */
Problem *renewal_read_replaces(Call *call, const char *identifier, GPtrArray *mailboxes,
                               Certificate **certificate);
Problem *renewal_already_replaced(void);
/* The identifier of a certificate; the caller frees it. */
char *renewal_identifier(GBytes *authority, GBytes *serial);

#endif
