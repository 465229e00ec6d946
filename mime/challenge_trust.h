/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a challenge message that was received proves where it comes from (RFC 8823 section 3.1
   item 6), as far as the message itself can tell. */
#ifndef SIGNET_MIME_CHALLENGE_TRUST_H
#define SIGNET_MIME_CHALLENGE_TRUST_H

#include <glib.h>

/* Why message (CRLF line ends) is not to be answered, a static text; NULL when it may be: it has a
   DKIM signature of the domain of from whose h= lists what the RFC demands. authserv_id: the name
   of the mail server that has checked it, the topmost of whose Authentication-Results (RFC 8601)
   with a word of DKIM must say dkim=pass of that domain; NULL: the signature itself is not checked.
   A server takes out fields of its own name that come from elsewhere (RFC 8601 section 5). now in
   milliseconds. */
const char *challenge_distrust(GBytes *message, const char *from, const char *authserv_id,
                               gint64 now);

#endif
