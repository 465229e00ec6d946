/* SPDX-License-Identifier: Apache-2.0 */
/* The two token parts and the digest of a response (RFC 8823 section 3 item 6, RFC 8555
 * section 8.1). */
#ifndef SIGNET_CLIENT_REPLY_DIGEST_H
#define SIGNET_CLIENT_REPLY_DIGEST_H

#include <glib.h>

#define TOKEN_MIN_OCTETS 16 /* 128 bit, RFC 8823 section 3.1 */
#define TOKEN_MAX 512       /* characters */

/* base64url(SHA-256(part1 || part2 || "." || thumbprint)); the caller frees it. */
char *reply_digest(const char *part1, const char *part2, const char *thumbprint);

/* token-part1 from what a person pasted: the token alone, or a subject with "ACME:" anywhere before
   it; white space is dropped. NULL when it holds no base64url text of TOKEN_MIN_OCTETS or more. */
char *reply_token_read(const char *pasted);

#endif
