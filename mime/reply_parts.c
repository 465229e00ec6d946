/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/reply_parts.h"
#include "mime/mime_walk.h"

typedef struct {
  ReplyBlockSearch *search;
  const RawMessage *message;
  gboolean *report;
} Scan;

static void scan_text(Scan *scan, const MimePart *part, const RawMessage *raw) {
  if (part->encoding == GMIME_CONTENT_ENCODING_DEFAULT)
    return;
  g_autoptr(GByteArray) text = mime_part_decode(part, raw);
  scan->search->plain = TRUE;
  if (text == NULL) {
    scan->search->malformed = TRUE;
    return;
  }
  reply_block_scan(scan->search, (const char *)text->data, text->len);
}

/* What is not entered cannot hold a block. */
static gboolean visit(const MimePart *part, const RawMessage *raw, gpointer user) {
  Scan *scan = user;
  if (raw == scan->message)
    *scan->report = part->kind == MIME_PART_REPORT;
  if (part->attachment)
    return FALSE;
  if (part->kind == MIME_PART_HTML)
    scan->search->html = TRUE;
  if (part->kind == MIME_PART_PLAIN)
    scan_text(scan, part, raw);
  return part->kind == MIME_PART_MULTIPART;
}

const char *reply_parts_scan(const RawMessage *message, ReplyBlockSearch *search,
                             gboolean *report) {
  Scan scan = {search, message, report};
  *report = FALSE;
  return mime_walk(message, visit, &scan);
}
