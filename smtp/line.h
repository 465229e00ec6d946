/* SPDX-License-Identifier: Apache-2.0 */
/* Lines. Only CR LF ends one; CR or LF alone, or NUL, is forbidden (RFC 5321 section 2.3.8): what
   one host takes for a line end and another does not is how a second message is smuggled into the
   first. Internal to smtp/. */
#ifndef SIGNET_SMTP_LINE_H
#define SIGNET_SMTP_LINE_H

#include <glib.h>

typedef enum { SMTP_LINE_PARTIAL, SMTP_LINE_WHOLE, SMTP_LINE_FORBIDDEN } SmtpLine;

/* Looks for the end of the line at the front of text. *length: octets before its CRLF or, when it
   is not there yet, octets that certainly belong to the line. */
SmtpLine smtp_line_scan(const char *text, gsize available, gsize *length);

#endif
