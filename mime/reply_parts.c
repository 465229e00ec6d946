/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/reply_parts.h"
#include "mime/mime_walk.h"
#include "mime/reply_token.h"

#include <string.h>

typedef struct {
  ReplyBlockSearch *search;
  const RawMessage *message;
  const ReplyFacts *facts;
  gboolean *report;
  gboolean differs; /* a part's copy of From or Subject says something else than the message's */
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

/* RFC 9788: a signed part may hold copies of the header. What is judged is the message's own
   header, which DKIM covers; a copy that contradicts it would be shown to others as the truth. */
static gboolean is_contradicted(const ReplyFacts *facts, const RawMessage *part) {
  const RawField *from = raw_message_first(part, "from");
  const RawField *subject = raw_message_first(part, "subject");
  g_autofree char *mailbox =
      from != NULL ? mime_text_mailbox(from, REPLY_MAX_PARSED_OCTETS) : g_strdup(facts->from);
  g_autofree char *token = subject != NULL ? reply_token(subject) : g_strdup(facts->token);
  return raw_message_count(part, "from") > 1 || raw_message_count(part, "subject") > 1 ||
         (from != NULL && (mailbox == NULL || facts->from == NULL ||
                           g_ascii_strcasecmp(mailbox, facts->from) != 0)) ||
         strcmp(token, facts->token) != 0;
}

/* What is not entered cannot hold a block. */
static gboolean visit(const MimePart *part, const RawMessage *raw, gpointer user) {
  Scan *scan = user;
  if (raw == scan->message)
    *scan->report = part->kind == MIME_PART_REPORT;
  else
    scan->differs = scan->differs || is_contradicted(scan->facts, raw);
  if (part->attachment)
    return FALSE;
  if (part->kind == MIME_PART_HTML)
    scan->search->html = TRUE;
  if (part->kind == MIME_PART_PLAIN)
    scan_text(scan, part, raw);
  return part->kind == MIME_PART_MULTIPART;
}

const char *reply_parts_scan(const RawMessage *message, const ReplyFacts *facts,
                             ReplyBlockSearch *search, gboolean *report) {
  Scan scan = {.search = search, .message = message, .facts = facts, .report = report};
  *report = FALSE;
  const char *why = mime_walk(message, visit, &scan);
  return why == NULL && scan.differs ? "a part's From or Subject is not the message's" : why;
}
