/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/reply_parts.h"
#include "mime/mime_part.h"
#include "mime/mime_split.h"

typedef struct {
  ReplyBlockSearch *search;
  guint parts;
} Walk;

static void scan_text(Walk *walk, const MimePart *part, const RawMessage *raw) {
  if (part->encoding == GMIME_CONTENT_ENCODING_DEFAULT)
    return;
  g_autoptr(GByteArray) text = mime_part_decode(part, raw);
  walk->search->plain = TRUE;
  reply_block_scan(walk->search, (const char *)text->data, text->len);
}

/* RFC 2045 section 6.4: a multipart has no encoding of its own; one that claims any is not read. */
static gboolean is_entered(const MimePart *part) {
  return part->kind == MIME_PART_MULTIPART && part->boundary != NULL &&
         part->encoding != GMIME_CONTENT_ENCODING_DEFAULT &&
         part->encoding != GMIME_CONTENT_ENCODING_BASE64 &&
         part->encoding != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
}

static const char *walk_part(Walk *walk, const RawMessage *raw, guint depth);

static const char *walk_octets(Walk *walk, const RawMessage *parent, const char *text, gsize length,
                               guint depth) {
  const char *why = NULL;
  gsize offset = (gsize)(text - (const char *)g_bytes_get_data(parent->bytes, NULL));
  g_autoptr(GBytes) octets = g_bytes_new_from_bytes(parent->bytes, offset, length);
  g_autoptr(RawMessage) raw = raw_message_new(octets, &why);
  return raw == NULL ? "a part has a header that cannot be read" : walk_part(walk, raw, depth);
}

static const char *walk_multipart(Walk *walk, const MimePart *part, const RawMessage *raw,
                                  guint depth) {
  MimeSplit split;
  const char *text = NULL, *why = NULL;
  gsize length = 0;
  if (depth == REPLY_MAX_DEPTH)
    return "its parts are nested too deeply";
  mime_split_start(&split, raw->body, raw->body_length, part->boundary);
  while (why == NULL && mime_split_next(&split, &text, &length))
    why = walk_octets(walk, raw, text, length, depth + 1);
  return why;
}

/* What to do with a part once its header is read. What is not entered cannot hold a block. */
static const char *visit(Walk *walk, const MimePart *part, const RawMessage *raw, guint depth) {
  if (part->attachment)
    return NULL;
  if (part->kind == MIME_PART_HTML)
    walk->search->html = TRUE;
  if (part->kind == MIME_PART_PLAIN)
    scan_text(walk, part, raw);
  return is_entered(part) ? walk_multipart(walk, part, raw, depth) : NULL;
}

/* depth: of the multiparts around the part. */
static const char *walk_part(Walk *walk, const RawMessage *raw, guint depth) {
  g_auto(MimePart) part = {0};
  const char *why = NULL;
  if (++walk->parts > REPLY_MAX_PARTS)
    return "it has too many parts";
  if (!mime_part_read(&part, raw, &why))
    return why;
  return visit(walk, &part, raw, depth);
}

const char *reply_parts_scan(const RawMessage *message, ReplyBlockSearch *search,
                             gboolean *report) {
  g_auto(MimePart) part = {0};
  const char *why = NULL;
  Walk walk = {search, 1};
  *report = FALSE;
  if (!mime_part_read(&part, message, &why))
    return why;
  *report = part.kind == MIME_PART_REPORT;
  return visit(&walk, &part, message, 0);
}
