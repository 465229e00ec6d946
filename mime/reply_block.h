/* SPDX-License-Identifier: Apache-2.0 */
/* The block with the digest in a text (RFC 8823 section 3.2 item 7). Internal to mime/. */
#ifndef SIGNET_MIME_REPLY_BLOCK_H
#define SIGNET_MIME_REPLY_BLOCK_H

#include "mime/reply.h"

#define REPLY_BLOCK_BEGIN "-----BEGIN ACME RESPONSE-----"
#define REPLY_BLOCK_END "-----END ACME RESPONSE-----"
#define REPLY_BLOCK_MAX_CHARACTERS 200 /* of a digest with its padding, blanks not counted */

/* What several texts held together; starts as {0}. */
typedef struct {
  gboolean plain, html; /* a part of that type was there */
  gboolean malformed, several, found;
  guint8 digest[REPLY_DIGEST_OCTETS]; /* when found */
} ReplyBlockSearch;

/* Looks through one decoded text. Charsets are not converted: what is sought is ASCII. */
void reply_block_scan(ReplyBlockSearch *search, const char *text, gsize length);

ReplyBlock reply_block_result(const ReplyBlockSearch *search);

#endif
