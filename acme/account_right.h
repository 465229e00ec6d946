/* SPDX-License-Identifier: Apache-2.0 */
/* What an account may order: it agreed to the terms as they are now (RFC 8555 section 7.3.3), and
   the external account that it is bound to (7.3.4) allows it. */
#ifndef SIGNET_ACME_ACCOUNT_RIGHT_H
#define SIGNET_ACME_ACCOUNT_RIGHT_H

#include "acme/acme.h"

/* Whether terms (agreed to; NULL: none) are those of the configuration. */
gboolean account_terms_are_current(const Acme *acme, const char *terms);
/* The refusal that leads a person to the terms. */
Problem *account_terms_problem(const Acme *acme);

/* Why an account may ask for nothing; NULL: it is valid. */
Problem *account_status_problem(const Account *account);
/* Keeps the caller's account as it is to the end of the transaction, where others could change it
   meanwhile. NULL: it is valid. */
Problem *account_hold(Call *call);
/* The same of what accounts and certificates there are with a key. */
gboolean account_hold_key(Acme *acme, GBytes *spki, GError **error);
/* Whether the key signs requests of an account of this server, or did before a key change (RFC 8555
   section 11.1). */
StoreFind account_of_key(Acme *acme, GBytes *spki, GError **error);
/* Whether the caller may have mailboxes (of OrderedMailbox) authorized. */
Problem *account_may_authorize(Call *call, GPtrArray *mailboxes);
/* Whether the caller may order with a profile; NULL: with none. */
Problem *account_may_use_profile(Call *call, const char *profile);

#endif
