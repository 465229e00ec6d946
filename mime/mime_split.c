/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delimiter       = CRLF "--" boundary transport-padding CRLF
 * close-delimiter = CRLF "--" boundary "--" transport-padding
 */
#include "mime/mime_split.h"

#include <string.h>

typedef enum { LINE_OTHER, LINE_DELIMITER, LINE_CLOSE } LineKind;

static gboolean is_padding(const char *text, gsize length) {
  for (gsize i = 0; i < length; i++)
    if (memchr(" \t\r\n", text[i], 4) == NULL)
      return FALSE;
  return TRUE;
}

static LineKind line_kind(const MimeSplit *split, const char *line, gsize length) {
  gsize boundary = strlen(split->boundary);
  if (length < boundary + 2 || memcmp(line, "--", 2) != 0 ||
      memcmp(line + 2, split->boundary, boundary) != 0)
    return LINE_OTHER;
  line += boundary + 2;
  length -= boundary + 2;
  if (is_padding(line, length))
    return LINE_DELIMITER;
  return length >= 2 && memcmp(line, "--", 2) == 0 && is_padding(line + 2, length - 2) ? LINE_CLOSE
                                                                                       : LINE_OTHER;
}

/* Goes past the next delimiter; what stood before it. Bare CR and LF were refused, so LF ends a
 * line. */
static gsize skip_to_delimiter(MimeSplit *split) {
  const char *start = split->at;
  split->more = FALSE;
  while (split->at < split->end) {
    const char *line = split->at;
    const char *newline = memchr(line, '\n', (gsize)(split->end - line));
    split->at = newline == NULL ? split->end : newline + 1;
    LineKind kind = line_kind(split, line, (gsize)(split->at - line));
    if (kind == LINE_OTHER)
      continue;
    split->more = kind == LINE_DELIMITER;
    return (gsize)(line - start);
  }
  return (gsize)(split->at - start);
}

void mime_split_start(MimeSplit *split, const char *body, gsize length, const char *boundary) {
  *split = (MimeSplit){body, body + length, boundary, FALSE};
  skip_to_delimiter(split);
}

gboolean mime_split_next(MimeSplit *split, const char **part, gsize *length) {
  if (!split->more)
    return FALSE;
  *part = split->at;
  *length = skip_to_delimiter(split);
  return TRUE;
}
