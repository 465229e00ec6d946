/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of the one mailbox in a From, To or Reply-To value. Internal to mime/. */
#ifndef SIGNET_MIME_MAILBOX_SCAN_H
#define SIGNET_MIME_MAILBOX_SCAN_H

#include <glib.h>

#define MAILBOX_SCAN_MAX_COMMENTS 8 /* nesting */

/* The addr-spec of an unfolded value; NULL when the value is anything but one mailbox:
 *   mailbox   = addr-spec / [phrase] "<" addr-spec ">"    with CFWS between the tokens
 *   phrase    = 1*(atom / quoted-string / ".")
 *   addr-spec = dot-atom "@" dot-atom                     no quoting, literals, routes, inner
 * blanks (RFC 5322 section 3.4, UTF-8 allowed in atoms by RFC 6532). The caller frees it. */
char *mailbox_scan(const char *value);

#endif
