/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dsn.h"
#include "mime/dsn_recipient.h"
#include "mime/mime_walk.h"

#define RFC_DIALECT "RFC 3464"
#define MAX_FAILED_OCTETS 8192 /* of an X-Failed-Recipients that is looked into */

/* What the walk over the parts found: of each kind the first part. */
typedef struct {
  char *status, *text; /* decoded, valid UTF-8 */
  gboolean report;     /* a multipart/report was entered before the status */
  gboolean status_in_report, receipt;
} Found;

static void found_clear(Found *found) {
  g_free(found->status);
  g_free(found->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)

DsnFacts *dsn_facts_new(void) {
  DsnFacts *facts = g_new0(DsnFacts, 1);
  facts->recipients = g_ptr_array_new_with_free_func(dsn_recipient_free);
  return facts;
}

void dsn_facts_free(DsnFacts *facts) {
  if (facts == NULL)
    return;
  g_free(facts->refused);
  g_free(facts->dialect);
  g_free(facts->message_id);
  g_ptr_array_unref(facts->recipients);
  g_free(facts);
}

/* NULL when the part's encoding is unknown or broken. */
static char *decode(const MimePart *part, const RawMessage *raw) {
  if (part->encoding == GMIME_CONTENT_ENCODING_DEFAULT)
    return NULL;
  g_autoptr(GByteArray) octets = mime_part_decode(part, raw);
  if (octets == NULL)
    return NULL;
  return g_utf8_make_valid((const char *)octets->data,
                           (gssize)MIN(octets->len, DSN_MAX_TEXT_OCTETS));
}

static gboolean visit(const MimePart *part, const RawMessage *raw, gpointer user) {
  Found *found = user;
  found->report = found->report || part->kind == MIME_PART_REPORT;
  found->receipt = found->receipt || part->kind == MIME_PART_RECEIPT;
  if (part->kind == MIME_PART_STATUS && found->status == NULL) {
    found->status = decode(part, raw);
    found->status_in_report = found->report;
  }
  if (part->kind == MIME_PART_PLAIN && !part->attachment && found->text == NULL)
    found->text = decode(part, raw);
  return TRUE;
}

static gboolean read_status(DsnFacts *facts, const Found *found) {
  if (found->status == NULL || !dsn_fields_read(facts, found->status))
    return FALSE;
  facts->form = found->status_in_report ? DSN_REPORT : DSN_TEXT;
  facts->dialect = g_strdup(RFC_DIALECT);
  return TRUE;
}

static gboolean read_words(DsnFacts *facts, const Found *found, const RawMessage *message) {
  const RawField *field = raw_message_first(message, "x-failed-recipients");
  g_autofree char *failed =
      field != NULL && field->length <= MAX_FAILED_OCTETS ? raw_field_value(field) : NULL;
  g_autofree char *valid = failed != NULL ? g_utf8_make_valid(failed, -1) : NULL;
  if (found->text == NULL || !dsn_text_read(facts, found->text, valid))
    return FALSE;
  facts->form = DSN_TEXT;
  return TRUE;
}

/* RFC 3834 section 5, and what was in use before it. */
static gboolean is_automatic(const RawMessage *message) {
  return (raw_message_count(message, "auto-submitted") > 0 &&
          !raw_message_starts(message, "auto-submitted", "no")) ||
         raw_message_count(message, "x-autoreply") > 0 ||
         raw_message_starts(message, "precedence", "auto_reply");
}

static DsnForm form_without_status(const Found *found, const RawMessage *message) {
  if (found->receipt)
    return DSN_RECEIPT;
  return is_automatic(message) ? DSN_AUTOMATIC : DSN_NONE;
}

static const char *read_message(DsnFacts *facts, const RawMessage *message) {
  g_auto(Found) found = {0};
  const RawField *id = raw_message_first(message, "message-id");
  g_autofree char *value = id != NULL ? raw_field_value(id) : NULL;
  facts->message_id = value != NULL ? mime_text_clean(value, DSN_MAX_MESSAGE_ID_OCTETS) : NULL;
  const char *why = mime_walk(message, visit, &found);
  if (why == NULL && !read_status(facts, &found) && !read_words(facts, &found, message))
    facts->form = form_without_status(&found, message);
  return why;
}

DsnFacts *dsn_read(GBytes *bytes) {
  DsnFacts *facts = dsn_facts_new();
  const char *why = g_bytes_get_size(bytes) > DSN_MAX_OCTETS ? "it is larger than 256 KiB"
                                                             : raw_refuse_octets(bytes);
  g_autoptr(RawMessage) message = why == NULL ? raw_message_new(bytes, &why) : NULL;
  if (message != NULL)
    why = read_message(facts, message);
  facts->refused = g_strdup(why);
  return facts;
}
