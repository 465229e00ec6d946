/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/raw_message.h"

#include <string.h>

static gboolean is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* The end of the line that begins at text: after its CRLF; NULL when there is no CRLF. */
static const char *line_end(const char *text, const char *end) {
  const char *p = text;
  while ((p = memchr(p, '\r', (gsize)(end - p))) != NULL) {
    if (p + 1 < end && p[1] == '\n')
      return p + 2;
    p++;
  }
  return NULL;
}

/* field-name = 1*ftext, ftext = %d33-57 / %d59-126 (RFC 5322 section 3.6.8); blanks before the
   colon are obsolete (section 4.5) but must be read. */
static gboolean read_name(RawField *field) {
  gsize i = 0;
  while (i < field->length && field->text[i] > ' ' && field->text[i] < 127 && field->text[i] != ':')
    i++;
  field->name_length = i;
  while (i < field->length && is_blank(field->text[i]))
    i++;
  field->colon = i;
  return field->name_length > 0 && i < field->length && field->text[i] == ':';
}

/* The field that begins at text, with its folded lines; the end of it, or NULL. */
static const char *read_field(RawField *field, const char *text, const char *end) {
  const char *next = line_end(text, end);
  while (next != NULL && next < end && is_blank(*next))
    next = line_end(next, end);
  if (next == NULL)
    return NULL;
  field->text = text;
  field->length = (gsize)(next - text);
  return read_name(field) ? next : NULL;
}

static const char *read_header(RawMessage *message, const char *text, const char *end,
                               const char **why) {
  while (text < end && !(end - text >= 2 && text[0] == '\r' && text[1] == '\n')) {
    RawField field = {0};
    text = read_field(&field, text, end);
    if (text == NULL)
      return *why = "the header has a line that is no field", NULL;
    if (message->fields->len == RAW_MESSAGE_MAX_FIELDS)
      return *why = "the header has too many fields", NULL;
    g_array_append_val(message->fields, field);
  }
  return text;
}

RawMessage *raw_message_new(GBytes *bytes, const char **why) {
  g_autoptr(RawMessage) message = g_new0(RawMessage, 1);
  gsize length = 0;
  message->bytes = g_bytes_ref(bytes);
  message->fields = g_array_new(FALSE, FALSE, sizeof(RawField));
  const char *text = g_bytes_get_data(bytes, &length);
  if (text == NULL)
    text = "";
  const char *end = text + length;
  text = read_header(message, text, end, why);
  if (text == NULL)
    return NULL;
  message->body = text < end ? text + 2 : end;
  message->body_length = (gsize)(end - message->body);
  return g_steal_pointer(&message);
}

void raw_message_free(RawMessage *message) {
  if (message == NULL)
    return;
  g_array_unref(message->fields);
  g_bytes_unref(message->bytes);
  g_free(message);
}

const RawField *raw_message_field(const RawMessage *message, guint i) {
  return &g_array_index(message->fields, RawField, i);
}

gboolean raw_field_is(const RawField *field, const char *name) {
  return strlen(name) == field->name_length &&
         g_ascii_strncasecmp(field->text, name, field->name_length) == 0;
}

guint raw_message_count(const RawMessage *message, const char *name) {
  guint count = 0;
  for (guint i = 0; i < message->fields->len; i++)
    count += raw_field_is(raw_message_field(message, i), name) ? 1 : 0;
  return count;
}

const RawField *raw_message_first(const RawMessage *message, const char *name) {
  for (guint i = 0; i < message->fields->len; i++)
    if (raw_field_is(raw_message_field(message, i), name))
      return raw_message_field(message, i);
  return NULL;
}

char *raw_field_value(const RawField *field) {
  g_autoptr(GString) value = g_string_new(NULL);
  for (gsize i = field->colon + 1; i < field->length; i++)
    if (field->text[i] == '\r' && field->text[i + 1] == '\n')
      i++;
    else
      g_string_append_c(value, field->text[i]);
  return g_strdup(g_strstrip(value->str));
}

gboolean raw_message_starts(const RawMessage *message, const char *name, const char *start) {
  const RawField *field = raw_message_first(message, name);
  if (field == NULL)
    return FALSE;
  g_autofree char *value = raw_field_value(field);
  return g_ascii_strncasecmp(value, start, strlen(start)) == 0;
}

gboolean raw_has_bare_newline(GBytes *bytes) {
  gsize length = 0;
  const char *text = g_bytes_get_data(bytes, &length);
  for (gsize line = 0, end = 0; line < length; line = end + 1) {
    const char *lf = memchr(text + line, '\n', length - line);
    end = lf != NULL ? (gsize)(lf - text) : length;
    const char *cr = memchr(text + line, '\r', end - line);
    if (lf != NULL ? cr == NULL || cr + 1 != lf : cr != NULL)
      return TRUE;
  }
  return FALSE;
}

const char *raw_refuse_octets(GBytes *bytes) {
  gsize length = 0;
  const char *text = g_bytes_get_data(bytes, &length);
  if (length == 0)
    return "it is empty";
  if (memchr(text, '\0', length) != NULL)
    return "it has a NUL";
  return raw_has_bare_newline(bytes) ? "it has a bare CR or LF" : NULL;
}
