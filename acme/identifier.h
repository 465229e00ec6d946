/* SPDX-License-Identifier: Apache-2.0 */
/* The identifiers of a newOrder request (RFC 8823 section 5.1). */
#ifndef SIGNET_ACME_IDENTIFIER_H
#define SIGNET_ACME_IDENTIFIER_H

#include "acme/problem.h"
#include "base/mailbox.h"

#define IDENTIFIERS_MAX 20 /* of one order */

typedef struct {
  const char *type; /* as the client sent it: "email" or "dns" */
  char *identifier; /* as the client sent it */
  Mailbox *mailbox;
} OrderedMailbox;

void ordered_mailbox_free(OrderedMailbox *ordered);

/* Reads a list of one or more identifiers of type email, none twice; of OrderedMailbox. With
   dns_too an address may also come as type dns (for clients that know no other). Each one refused
   is named, in a subproblem when there are several. */
Problem *identifiers_read(json_t *identifiers, gboolean dns_too, GPtrArray **mailboxes);

/* What is wrong with identifier; NULL: nothing. */
typedef Problem *(*IdentifierCheck)(gpointer user, const OrderedMailbox *identifier);
/* Asks check about every one (of OrderedMailbox); what it refuses becomes one problem as above. */
Problem *identifiers_check(GPtrArray *mailboxes, IdentifierCheck check, gpointer user);

/* {"type": ..., "value": ...}, a new reference. */
json_t *identifier_json(const char *type, const char *value);

#endif
