/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/reply.h"
#include "base/mailbox.h"
#include "mime/mime_text.h"
#include "mime/reply_parts.h"
#include "mime/reply_token.h"

#include <string.h>

#define LIST_PREFIX "List-"

void reply_facts_free(ReplyFacts *facts) {
  if (facts == NULL)
    return;
  g_free(facts->refused);
  g_free(facts->from);
  g_free(facts->token);
  g_free(facts->list_field);
  g_free(facts->message_id);
  g_free(facts);
}

static void read_from(ReplyFacts *facts, const RawMessage *message) {
  const RawField *from = raw_message_first(message, "from");
  facts->from_fields = raw_message_count(message, "from");
  if (from == NULL)
    return;
  facts->from_mailboxes =
      mime_text_count_mailboxes(from, REPLY_MAX_PARSED_OCTETS, REPLY_MAX_MAILBOXES);
  if (facts->from_mailboxes != 1)
    return;
  facts->from = mime_text_mailbox(from, REPLY_MAX_PARSED_OCTETS);
  if (facts->from != NULL && strlen(facts->from) > REPLY_MAX_ADDRESS_OCTETS)
    g_clear_pointer(&facts->from, g_free);
}

static void read_subject(ReplyFacts *facts, const RawMessage *message) {
  const RawField *subject = raw_message_first(message, "subject");
  facts->subject_fields = raw_message_count(message, "subject");
  if (subject == NULL)
    return;
  g_free(facts->token);
  facts->token = reply_token(subject);
}

static void read_list(ReplyFacts *facts, const RawMessage *message) {
  const gsize prefix = strlen(LIST_PREFIX);
  for (guint i = 0; i < message->fields->len && facts->list_field == NULL; i++) {
    const RawField *field = raw_message_field(message, i);
    if (field->name_length > prefix && g_ascii_strncasecmp(field->text, LIST_PREFIX, prefix) == 0)
      facts->list_field =
          g_strndup(field->text, MIN(field->name_length, (gsize)REPLY_MAX_NAME_OCTETS));
  }
}

static void read_message_id(ReplyFacts *facts, const RawMessage *message) {
  const RawField *field = raw_message_first(message, "message-id");
  if (field == NULL)
    return;
  g_autofree char *value = raw_field_value(field);
  facts->message_id = mime_text_clean(value, REPLY_MAX_MESSAGE_ID_OCTETS);
}

/* ACME clients that answer by themselves may say so with the parameter of RFC 8823 section 3.1. */
static gboolean is_of_client(const RawMessage *message) {
  const RawField *field = raw_message_first(message, "auto-submitted");
  g_autofree char *value = field != NULL ? raw_field_value(field) : g_strdup("");
  g_autofree char *lower = g_ascii_strdown(value, -1);
  return strstr(lower, "type=acme") != NULL;
}

/* RFC 3834 section 5, and the null sender that a delivering server wrote down. */
static gboolean is_automatic(const RawMessage *message) {
  return raw_message_starts(message, "return-path", "<>") ||
         ((raw_message_starts(message, "auto-submitted", "auto-replied") ||
           raw_message_starts(message, "auto-submitted", "auto-notified")) &&
          !is_of_client(message));
}

/* A name with a blank before its colon is a field to some readers and none to others. */
static const char *refuse_header(const RawMessage *message) {
  if (message->fields->len > REPLY_MAX_FIELDS)
    return "it has more than 200 header fields";
  for (guint i = 0; i < message->fields->len; i++)
    if (raw_message_field(message, i)->name_length != raw_message_field(message, i)->colon)
      return "a header field has a blank before its colon";
  return NULL;
}

static void read_header(ReplyFacts *facts, const RawMessage *message) {
  read_from(facts, message);
  read_subject(facts, message);
  read_list(facts, message);
  read_message_id(facts, message);
  facts->content_type_fields = raw_message_count(message, "content-type");
  facts->transfer_encoding_fields = raw_message_count(message, "content-transfer-encoding");
  facts->is_report = is_automatic(message);
}

/* Reads the body when the header says in one way only how. */
static const char *read_body(ReplyFacts *facts, const RawMessage *message) {
  ReplyBlockSearch search = {0};
  gboolean report = FALSE;
  if (facts->content_type_fields > 1 || facts->transfer_encoding_fields > 1)
    return NULL;
  const char *why = reply_parts_scan(message, facts, &search, &report);
  facts->is_report = facts->is_report || report;
  if (why != NULL)
    return why;
  facts->block = reply_block_result(&search);
  if (facts->block == REPLY_BLOCK_ONE)
    memcpy(facts->digest, search.digest, sizeof facts->digest);
  return NULL;
}

char *reply_domain(const ReplyFacts *facts) {
  gboolean single = facts->refused == NULL && facts->from_fields == 1 &&
                    facts->from_mailboxes == 1 && facts->from != NULL;
  g_autoptr(Mailbox) from = single ? mailbox_parse(facts->from, NULL) : NULL;
  return from != NULL ? g_strdup(from->domain) : NULL;
}

ReplyFacts *reply_read(GBytes *bytes) {
  ReplyFacts *facts = g_new0(ReplyFacts, 1);
  facts->token = g_strdup("");
  const char *why = g_bytes_get_size(bytes) > REPLY_MAX_OCTETS ? "it is larger than 256 KiB"
                                                               : raw_refuse_octets(bytes);
  g_autoptr(RawMessage) message = why == NULL ? raw_message_new(bytes, &why) : NULL;
  if (message != NULL)
    why = refuse_header(message);
  if (message != NULL && why == NULL) {
    read_header(facts, message);
    why = read_body(facts, message);
  }
  facts->refused = g_strdup(why);
  return facts;
}
