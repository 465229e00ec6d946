/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a multipart body (RFC 2046 section 5.1.1), without copying. Internal to mime/. */
#ifndef SIGNET_MIME_MIME_SPLIT_H
#define SIGNET_MIME_MIME_SPLIT_H

#include <glib.h>

/* Walks over a body; body and boundary must outlive it. */
typedef struct {
  const char *at, *end; /* what was not looked at yet */
  const char *boundary;
  gboolean more; /* a part begins at at */
} MimeSplit;

/* Goes past the preamble. */
void mime_split_start(MimeSplit *split, const char *body, gsize length, const char *boundary);

/* The next part, with the line end before its delimiter; FALSE when there is none. A part that no
   delimiter ends goes to the end of the body; what follows the close-delimiter is no part. */
gboolean mime_split_next(MimeSplit *split, const char **part, gsize *length);

#endif
