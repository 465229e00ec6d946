/* SPDX-License-Identifier: Apache-2.0 */
/* token-part1 in the Subject of a reply (RFC 8823 section 3.2 item 1). Internal to mime/. */
#ifndef SIGNET_MIME_REPLY_TOKEN_H
#define SIGNET_MIME_REPLY_TOKEN_H

#include "mime/raw_message.h"

/* The Subject decoded, after the first "ACME:", white space removed; "" when there is no "ACME:".
   The caller frees it. */
char *reply_token(const RawField *subject);

#endif
