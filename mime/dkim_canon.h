/* SPDX-License-Identifier: Apache-2.0 */
/* The two canonical forms of header fields and bodies (RFC 6376 section 3.4), strictly on CRLF.
 * Internal. */
#ifndef SIGNET_MIME_DKIM_CANON_H
#define SIGNET_MIME_DKIM_CANON_H

#include <glib.h>

typedef enum { DKIM_CANON_SIMPLE, DKIM_CANON_RELAXED, DKIM_CANON_COUNT } DkimCanon;

/* Appends one field (from its name on, with or without its last CRLF), ended by CRLF. */
void dkim_canon_field(GString *out, const char *text, gsize length, DkimCanon canon);

/* Appends a body. */
void dkim_canon_body(GString *out, const char *body, gsize length, DkimCanon canon);

/* Reads c=; NULL is the default. FALSE when a form is unknown. */
gboolean dkim_canon_read(const char *value, DkimCanon *header, DkimCanon *body);

#endif
