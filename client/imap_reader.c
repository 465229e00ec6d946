/* SPDX-License-Identifier: Apache-2.0 */
#include "client/imap_reader.h"

#include <string.h>

struct ImapReader {
  GByteArray *pending; /* fed, not yet read */
  GString *text;       /* of the answer that is being read */
  GBytes *literal;     /* its last */
  gsize awaited;       /* octets of a literal that are still to come */
  gboolean in_literal, broken;
};

void imap_answer_free(ImapAnswer *answer) {
  if (answer == NULL)
    return;
  g_free(answer->text);
  g_clear_pointer(&answer->literal, g_bytes_unref);
  g_free(answer);
}

ImapReader *imap_reader_new(void) {
  ImapReader *reader = g_new0(ImapReader, 1);
  reader->pending = g_byte_array_new();
  reader->text = g_string_new(NULL);
  return reader;
}

void imap_reader_free(ImapReader *reader) {
  if (reader == NULL)
    return;
  g_byte_array_unref(reader->pending);
  g_string_free(reader->text, TRUE);
  g_clear_pointer(&reader->literal, g_bytes_unref);
  g_free(reader);
}

void imap_reader_feed(ImapReader *reader, const void *data, gsize length) {
  g_byte_array_append(reader->pending, data, (guint)length);
}

static void drop(ImapReader *reader, gsize length) {
  g_byte_array_remove_range(reader->pending, 0, (guint)length);
}

/* literal = "{" number ["+"] "}" at the end of a line; FALSE when there is none. */
static gboolean announces_literal(const char *text, gsize length, guint64 *octets) {
  if (length < 3 || text[length - 1] != '}')
    return FALSE;
  gsize at = length - 1;
  while (at > 0 && g_ascii_isdigit(text[at - 1]))
    at--;
  if (at == 0 || text[at - 1] != '{' || at == length - 1 || length - at > 12)
    return FALSE;
  *octets = g_ascii_strtoull(text + at, NULL, 10);
  return TRUE;
}

static gboolean read_literal(ImapReader *reader) {
  if (reader->pending->len < reader->awaited)
    return FALSE;
  g_clear_pointer(&reader->literal, g_bytes_unref);
  reader->literal = g_bytes_new(reader->pending->data, reader->awaited);
  drop(reader, reader->awaited);
  reader->in_literal = FALSE;
  return TRUE;
}

static ImapAnswer *take_answer(ImapReader *reader) {
  ImapAnswer *answer = g_new0(ImapAnswer, 1);
  answer->text = g_strdup(reader->text->str);
  answer->literal = g_steal_pointer(&reader->literal);
  g_string_truncate(reader->text, 0);
  return answer;
}

/* One line; *answer is set when it was the last of one. FALSE when it has not come. */
static gboolean read_line(ImapReader *reader, ImapAnswer **answer) {
  const guint8 *data = reader->pending->data;
  const guint8 *end = reader->pending->len > 0 ? memchr(data, '\n', reader->pending->len) : NULL;
  gsize whole = end != NULL ? (gsize)(end - data) + 1 : reader->pending->len;
  if (reader->text->len + whole > IMAP_READER_MAX_LINE ||
      (whole > 0 && memchr(data, '\0', whole) != NULL)) {
    reader->broken = TRUE;
    return FALSE;
  }
  if (end == NULL)
    return FALSE;
  gsize length = whole - 1;
  if (length > 0 && data[length - 1] == '\r')
    length--;
  g_string_append_len(reader->text, (const char *)data, (gssize)length);
  drop(reader, whole);
  guint64 octets = 0;
  if (!announces_literal(reader->text->str, reader->text->len, &octets)) {
    *answer = take_answer(reader);
    return TRUE;
  }
  reader->broken = octets > IMAP_READER_MAX_LITERAL;
  reader->awaited = (gsize)octets;
  reader->in_literal = TRUE;
  return !reader->broken;
}

ImapReaderResult imap_reader_next(ImapReader *reader, ImapAnswer **answer) {
  gboolean going = TRUE;
  *answer = NULL;
  while (going && !reader->broken && *answer == NULL)
    going = reader->in_literal ? read_literal(reader) : read_line(reader, answer);
  if (reader->broken)
    return IMAP_READER_BROKEN;
  return *answer != NULL ? IMAP_READER_ANSWER : IMAP_READER_MORE;
}

/* --- what stands in them ------------------------------------------------------------------------
 */

static gboolean read_number(const char **at, guint32 *number) {
  gsize digits = strspn(*at, "0123456789");
  if (digits == 0 || digits > 10)
    return FALSE;
  guint64 value = g_ascii_strtoull(*at, NULL, 10);
  *at += digits;
  *number = (guint32)value;
  return value <= G_MAXUINT32;
}

static const char *skip(const char *text, const char *start) {
  gsize length = strlen(start);
  return g_ascii_strncasecmp(text, start, length) == 0 ? text + length : NULL;
}

gboolean imap_answer_number(const char *text, const char *word, guint32 *number) {
  const char *at = skip(text, "* ");
  if (at == NULL || !read_number(&at, number) || *at != ' ')
    return FALSE;
  at = skip(at + 1, word);
  return at != NULL && (*at == '\0' || *at == ' ');
}

gboolean imap_answer_code(const char *text, const char *name, guint32 *number) {
  const char *at = skip(text, "* OK [");
  at = at != NULL ? skip(at, name) : NULL;
  if (at == NULL || *at != ' ')
    return FALSE;
  at++;
  return read_number(&at, number) && *at == ']';
}

gboolean imap_answer_offers(const char *text, const char *capability) {
  const char *at = skip(text, "* CAPABILITY");
  if (at == NULL)
    return FALSE;
  g_auto(GStrv) words = g_strsplit(at, " ", -1);
  for (char **word = words; *word != NULL; word++)
    if (g_ascii_strcasecmp(*word, capability) == 0)
      return TRUE;
  return FALSE;
}

GArray *imap_answer_search(const char *text) {
  const char *at = skip(text, "* SEARCH");
  if (at == NULL)
    return NULL;
  GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
  guint32 number = 0;
  while (*at == ' ') {
    at++;
    if (*at == '\0')
      break;
    if (!read_number(&at, &number)) {
      g_array_unref(numbers);
      return NULL;
    }
    g_array_append_val(numbers, number);
  }
  if (*at == '\0')
    return numbers;
  g_array_unref(numbers);
  return NULL;
}

char *imap_quote(const char *text) {
  GString *quoted = g_string_new("\"");
  for (const char *at = text; *at != '\0'; at++) {
    if ((guchar)*at < 0x20 || (guchar)*at >= 0x7f) {
      g_string_free(quoted, TRUE);
      return NULL;
    }
    if (*at == '"' || *at == '\\')
      g_string_append_c(quoted, '\\');
    g_string_append_c(quoted, *at);
  }
  g_string_append_c(quoted, '"');
  return g_string_free(quoted, FALSE);
}
