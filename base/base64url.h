/* SPDX-License-Identifier: Apache-2.0 */
/* base64url without padding (RFC 4648 section 5, RFC 7515 section 2). */
#ifndef SIGNET_BASE_BASE64URL_H
#define SIGNET_BASE_BASE64URL_H

#include <glib.h>

/* Of the text of so many octets, with its NUL. */
#define BASE64URL_TEXT(length) (((length)*4 + 2) / 3 + 1)

/* Octets of a text of so many characters. */
#define BASE64URL_OCTETS(length) ((length)*3 / 4)

/* Encodes length octets into text, which has BASE64URL_TEXT(length). */
void base64url_write(const void *data, gsize length, char *text);

/* The same as a text that the caller frees. */
char *base64url_encode(const void *data, gsize length);

/* Decodes text strictly: no padding, no blanks, spare bits zero. NULL when it is not base64url. */
GBytes *base64url_decode(const char *text);
/* The same of length characters, into octets, which has BASE64URL_OCTETS(length); FALSE when it is
   not base64url. */
gboolean base64url_read(const char *text, gsize length, guint8 *octets);

#endif
