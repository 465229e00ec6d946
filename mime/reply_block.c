/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/reply_block.h"
#include "base/base64url.h"

#include <string.h>

#define NBSP_LATIN1 '\xA0'
#define NBSP_UTF8 "\xC2\xA0"

/* The length of the blank at text: CR, LF, SP, TAB, NBSP in UTF-8 or ISO 8859; 0 when there is
 * none. */
static gsize blank_length(const char *text, gsize length) {
  if (length >= 2 && memcmp(text, NBSP_UTF8, 2) == 0)
    return 2;
  return length > 0 && (memchr("\r\n \t", *text, 4) != NULL || *text == NBSP_LATIN1) ? 1 : 0;
}

/* Appends a line without its blanks; FALSE when it has a NUL or text gets too long. */
static gboolean append_squeezed(GString *text, const char *line, gsize length) {
  while (length > 0) {
    gsize blank = blank_length(line, length);
    gsize step = MAX(blank, 1);
    if (blank == 0 && (*line == '\0' || text->len == REPLY_BLOCK_MAX_CHARACTERS))
      return FALSE;
    if (blank == 0)
      g_string_append_c(text, *line);
    line += step;
    length -= step;
  }
  return TRUE;
}

/* Whether a line is a marker with nothing but blanks around it. */
static gboolean is_marker(const char *line, gsize length, const char *marker) {
  gsize blank = 0, size = strlen(marker);
  while ((blank = blank_length(line, length)) > 0) {
    line += blank;
    length -= blank;
  }
  if (length < size || memcmp(line, marker, size) != 0)
    return FALSE;
  line += size;
  length -= size;
  while ((blank = blank_length(line, length)) > 0) {
    line += blank;
    length -= blank;
  }
  return length == 0;
}

/* 43 base64url characters, one "=" after them or not. */
static void take_digest(ReplyBlockSearch *search, GString *text) {
  if (text->len % 4 == 0 && g_str_has_suffix(text->str, "="))
    g_string_truncate(text, text->len - 1);
  g_autoptr(GBytes) digest = base64url_decode(text->str);
  if (digest == NULL || g_bytes_get_size(digest) != REPLY_DIGEST_OCTETS) {
    search->malformed = TRUE;
    return;
  }
  const guint8 *octets = g_bytes_get_data(digest, NULL);
  if (search->found && memcmp(search->digest, octets, REPLY_DIGEST_OCTETS) != 0)
    search->several = TRUE;
  memcpy(search->digest, octets, REPLY_DIGEST_OCTETS);
  search->found = TRUE;
}

/* One line; *block is the text of the open block, NULL outside. */
static void scan_line(ReplyBlockSearch *search, GString **block, const char *line, gsize length) {
  if (is_marker(line, length, REPLY_BLOCK_BEGIN)) {
    if (*block != NULL) {
      search->malformed = TRUE;
      g_string_free(*block, TRUE);
    }
    *block = g_string_new(NULL);
  } else if (*block != NULL && is_marker(line, length, REPLY_BLOCK_END)) {
    take_digest(search, *block);
    g_string_free(*block, TRUE);
    *block = NULL;
  } else if (*block != NULL && !append_squeezed(*block, line, length)) {
    search->malformed = TRUE;
  }
}

void reply_block_scan(ReplyBlockSearch *search, const char *text, gsize length) {
  GString *block = NULL;
  while (length > 0) {
    const char *newline = memchr(text, '\n', length);
    gsize line = newline == NULL ? length : (gsize)(newline - text) + 1;
    scan_line(search, &block, text, line);
    text += line;
    length -= line;
  }
  if (block != NULL) {
    search->malformed = TRUE;
    g_string_free(block, TRUE);
  }
}

ReplyBlock reply_block_result(const ReplyBlockSearch *search) {
  if (search->malformed)
    return REPLY_BLOCK_MALFORMED;
  if (search->several)
    return REPLY_BLOCK_SEVERAL;
  if (search->found)
    return REPLY_BLOCK_ONE;
  return search->html && !search->plain ? REPLY_BLOCK_HTML_ONLY : REPLY_BLOCK_NONE;
}
