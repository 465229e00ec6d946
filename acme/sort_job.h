/* SPDX-License-Identifier: Apache-2.0 */
/* Mail to the one address of S/MIME-signed challenge mails (interop 14): a reply there is matched
   by the token-part1 in its Subject alone, and then judged like every other. */
#ifndef SIGNET_ACME_SORT_JOB_H
#define SIGNET_ACME_SORT_JOB_H

#include "acme/mail_in.h"

/* The address that challenge mails come from when they are S/MIME-signed; the caller frees it. */
char *sort_address(const Acme *acme);
/* Whether challenge mails are S/MIME-signed. */
gboolean sort_is_signed(const Acme *acme);

/* Whether mail to that address is taken now: *open FALSE when no challenge is open whose mail came
   from it, *room FALSE when too many wait. */
gboolean sort_recipient(Acme *acme, gint64 now, const char *address, gboolean *open, gboolean *room,
                        GError **error);
/* Keeps a message, whose octets are kept as raw, with the job to find its challenge. *kept FALSE:
   too many wait. */
gboolean sort_take(Acme *acme, gint64 now, const IncomingMail *mail, const Id *raw, gboolean *kept,
                   GError **error);

#endif
