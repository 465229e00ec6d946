/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the parts of a message, from the top and in their order. Internal to mime/. */
#ifndef SIGNET_MIME_MIME_WALK_H
#define SIGNET_MIME_MIME_WALK_H

#include "mime/mime_part.h"

/* Called for the message itself and each part once its header is read. TRUE: into its parts, where
   it is a multipart that has some. */
typedef gboolean (*MimeVisit)(const MimePart *part, const RawMessage *raw, gpointer user);

/* message has no bare CR or LF. NULL, or why it cannot be read (static text): more than
   REPLY_MAX_PARTS parts, nested deeper than REPLY_MAX_DEPTH, or a part with a header that could be
   read in two ways. */
const char *mime_walk(const RawMessage *message, MimeVisit visit, gpointer user);

#endif
