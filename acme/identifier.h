/* SPDX-License-Identifier: Apache-2.0 */
/* The identifiers of a newOrder request (RFC 8823 section 5.1). */
#ifndef SIGNET_ACME_IDENTIFIER_H
#define SIGNET_ACME_IDENTIFIER_H

#include "acme/problem.h"
#include "base/mailbox.h"

#define IDENTIFIERS_MAX 20 /* of one order */

typedef struct {
  char *identifier; /* as the client sent it */
  Mailbox *mailbox;
} OrderedMailbox;

void ordered_mailbox_free(OrderedMailbox *ordered);

/* Reads a list of one or more identifiers of type email, none twice; of OrderedMailbox. Each one
   refused is named, in a subproblem when there are several. */
Problem *identifiers_read(json_t *identifiers, GPtrArray **mailboxes);

#endif
