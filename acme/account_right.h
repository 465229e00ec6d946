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

/* Whether the caller may have mailboxes (of OrderedMailbox) authorized. */
Problem *account_may_authorize(Call *call, GPtrArray *mailboxes);
/* Whether the caller may order with a profile; NULL: with none. */
Problem *account_may_use_profile(Call *call, const char *profile);

#endif
