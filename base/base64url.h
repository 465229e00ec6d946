/* SPDX-License-Identifier: Apache-2.0 */
/* base64url without padding (RFC 4648 section 5, RFC 7515 section 2). */
#ifndef SIGNET_BASE_BASE64URL_H
#define SIGNET_BASE_BASE64URL_H

#include <glib.h>

/* Encodes length octets; the caller frees the text. */
char *base64url_encode(const void *data, gsize length);

/* Decodes text strictly: no padding, no blanks, spare bits zero. NULL when it is not base64url. */
GBytes *base64url_decode(const char *text);

#endif
