/* SPDX-License-Identifier: Apache-2.0 */
/* The gate that every POST passes (RFC 8555 section 6.2 to 6.5, RFC 7515). */
#ifndef SIGNET_ACME_JWS_H
#define SIGNET_ACME_JWS_H

#include "acme/acme.h"

#define JWS_MAX_DEPTH 8 /* of JSON, in header and payload */

/* What identifies the signer, by resource. */
typedef enum { JWS_KEY, JWS_ACCOUNT, JWS_EITHER } JwsSigner;

/* Checks in this order: content type, size, JSON, protected header, key, signature, nonce, url.
   Fills key, account and payload of call. NULL when the request may go on. */
Problem *jws_open(Call *call, JwsSigner signer);

/* JSON of a peer: no duplicate members, no NUL, UTF-8, at most JWS_MAX_DEPTH deep; NULL otherwise.
 */
json_t *jws_parse_json(const void *text, gsize length);

#endif
