/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a message's parts to the texts that are read. Internal to mime/. */
#ifndef SIGNET_MIME_REPLY_PARTS_H
#define SIGNET_MIME_REPLY_PARTS_H

#include "mime/raw_message.h"
#include "mime/reply.h"
#include "mime/reply_block.h"

/* Scans the texts of message, which has no bare CR or LF. NULL, or why it cannot be read (static
 *text). report tells whether it is a multipart/report. facts: the message's own From and token,
 which a part's copies must not contradict. */
const char *reply_parts_scan(const RawMessage *message, const ReplyFacts *facts,
                             ReplyBlockSearch *search, gboolean *report);

#endif
