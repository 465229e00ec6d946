/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/mime_walk.h"
#include "mime/mime_split.h"

#include <string.h>

typedef struct {
  MimeVisit visit;
  gpointer user;
  guint parts;
} Walk;

/* RFC 2045 section 6.4: a multipart has no encoding of its own; one that claims any is not read. */
static gboolean has_parts(const MimePart *part) {
  return (part->kind == MIME_PART_MULTIPART || part->kind == MIME_PART_REPORT) &&
         part->boundary != NULL && part->encoding != GMIME_CONTENT_ENCODING_DEFAULT &&
         part->encoding != GMIME_CONTENT_ENCODING_BASE64 &&
         part->encoding != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
}

/* A multipart and those around it. */
typedef struct Around {
  const struct Around *outer; /* NULL: none */
  const char *boundary;
  guint depth; /* 1: the message itself */
} Around;

/* Which of two multiparts its delimiters belong to, readers would settle in two ways. */
static gboolean boundary_is_taken(const Around *around, const char *boundary) {
  for (; around != NULL; around = around->outer)
    if (strcmp(around->boundary, boundary) == 0)
      return TRUE;
  return FALSE;
}

static const char *walk_part(Walk *walk, const RawMessage *raw, const Around *around);

static const char *walk_octets(Walk *walk, const RawMessage *parent, const char *text, gsize length,
                               const Around *around) {
  const char *why = NULL;
  gsize offset = (gsize)(text - (const char *)g_bytes_get_data(parent->bytes, NULL));
  g_autoptr(GBytes) octets = g_bytes_new_from_bytes(parent->bytes, offset, length);
  g_autoptr(RawMessage) raw = raw_message_new(octets, &why);
  return raw == NULL ? "a part has a header that cannot be read" : walk_part(walk, raw, around);
}

/* RFC 2046 section 5.1.1: a part has an empty line at least. Of two delimiters at once some readers
   make one, and find parts behind the last. */
static const char *walk_multipart(Walk *walk, const MimePart *part, const RawMessage *raw,
                                  const Around *outer) {
  MimeSplit split;
  const char *text = NULL, *why = NULL;
  gsize length = 0;
  Around around = {outer, part->boundary, outer == NULL ? 1 : outer->depth + 1};
  if (around.depth > REPLY_MAX_DEPTH)
    return "its parts are nested too deeply";
  if (boundary_is_taken(outer, part->boundary))
    return "two of its multiparts, one in the other, have the same boundary";
  mime_split_start(&split, raw->body, raw->body_length, part->boundary);
  while (why == NULL && mime_split_next(&split, &text, &length))
    why = length == 0 && split.at > text ? "two delimiters of its parts follow one another"
                                         : walk_octets(walk, raw, text, length, &around);
  return why;
}

static const char *walk_part(Walk *walk, const RawMessage *raw, const Around *around) {
  g_auto(MimePart) part = {0};
  const char *why = NULL;
  if (++walk->parts > REPLY_MAX_PARTS)
    return "it has too many parts";
  if (!mime_part_read(&part, raw, &why))
    return why;
  return walk->visit(&part, raw, walk->user) && has_parts(&part)
             ? walk_multipart(walk, &part, raw, around)
             : NULL;
}

const char *mime_walk(const RawMessage *message, MimeVisit visit, gpointer user) {
  Walk walk = {visit, user, 0};
  return walk_part(&walk, message, NULL);
}
