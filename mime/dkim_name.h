/* SPDX-License-Identifier: Apache-2.0 */
/* Names in d=, s= and i= as A-labels (RFC 6376 section 3.5, RFC 8616 section 5). Internal to mime/.
 */
#ifndef SIGNET_MIME_DKIM_NAME_H
#define SIGNET_MIME_DKIM_NAME_H

#include <glib.h>

#define DKIM_MAX_QUESTION_OCTETS 253

/* Lower-case A-labels, or NULL. */
char *dkim_name_domain(const char *domain);
char *dkim_name_selector(const char *selector);

/* "selector._domainkey.domain", or NULL when that is too long for DNS. */
char *dkim_name_question(const char *selector, const char *domain);

/* The domain of i= ("[local]@domain") in lower case; NULL when it is no such thing. */
char *dkim_name_identity(const char *identity);

/* Whether name is domain or below it; both in lower-case A-labels. */
gboolean dkim_name_is_within(const char *name, const char *domain);

#endif
