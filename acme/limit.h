/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on what strangers may ask for (RFC 8555 section 6.6): configured in [limits], changed for
   one subject by an operator. Revocation has none. What a refused request spent is undone with it.
 */
#ifndef SIGNET_ACME_LIMIT_H
#define SIGNET_ACME_LIMIT_H

#include "acme/acme.h"
#include "base/mailbox.h"
#include "store/authorization.h"

/* Each spends one of the share, or is the refusal (rateLimited with Retry-After, by the limit that
   lasts longest). A request that several stand before asks them all, whatever one says: it is
   refused with what problem_longer makes of their refusals. */
Problem *limit_new_account(Call *call);
/* An update or a key change: the audit log keeps each. Its deactivation has no limit. */
Problem *limit_change(Call *call);
/* newOrder and newAuthz, but for renewals (RFC 9773 section 5). */
Problem *limit_new_order(Call *call);
/* One challenge mail. An account that is bound to an external one, or that got a certificate for
   the mailbox before, has a budget of its own, which strangers cannot use up. */
Problem *limit_challenge_mail(Call *call, Mailbox *mailbox);
/* The same for each of mailboxes (of Mailbox, or NULL: no mail), each with a refusal of its own in
   problems. */
void limit_challenge_mails(Call *call, GPtrArray *mailboxes, Problem **problems);
/* When such a mail leaves: *at or, when it is not its turn by mails-per-mailbox-hour, later. Mails
   that were ordered one by one, and asked for all at once, are kept apart by this. Behind deadline
   it does not leave at all. */
gboolean limit_mail_leaves(Call *call, const Authorization *authorization, gint64 deadline,
                           gint64 *at, GError **error);
Problem *limit_finalization(Call *call);
/* One certificate for the mailboxes of authorizations (of Authorization). */
Problem *limit_certificate(Call *call, GPtrArray *authorizations);

/* A report by iodef (RFC 8659 section 4.4) to a domain: one in 24 hours, whatever is configured;
   and one mail of it, of all that the server sends. STORE_UNCHANGED: none now. */
StoreChange limit_iodef_domain(Acme *acme, gint64 now, const char *domain, GError **error);
StoreChange limit_iodef_report(Acme *acme, gint64 now, GError **error);

/* What the limit called name counts a mailbox as; the caller frees it. */
char *limit_subject(const char *name, const Mailbox *mailbox);

#endif
