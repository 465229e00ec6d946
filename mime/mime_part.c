/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/mime_part.h"

#include <string.h>

/* Fields that say how a part is to be read. */
static const char *const content_fields[] = {"content-type", "content-transfer-encoding",
                                             "content-disposition"};

static const struct {
  const char *type, *subtype;
  MimePartKind kind;
} kinds[] = {
    {"text", "plain", MIME_PART_PLAIN},
    {"text", "html", MIME_PART_HTML},
    {"multipart", "alternative", MIME_PART_MULTIPART},
    {"multipart", "mixed", MIME_PART_MULTIPART},
    {"multipart", "related", MIME_PART_MULTIPART},
    {"multipart", "signed", MIME_PART_MULTIPART},
    {"multipart", "report", MIME_PART_REPORT},
    {"message", "delivery-status", MIME_PART_STATUS},
    {"message", "global-delivery-status", MIME_PART_STATUS},
    {"message", "disposition-notification", MIME_PART_RECEIPT},
    {"message", "global-disposition-notification", MIME_PART_RECEIPT},
};

static const struct {
  const char *name;
  GMimeContentEncoding encoding;
} encodings[] = {
    {"7bit", GMIME_CONTENT_ENCODING_7BIT},
    {"8bit", GMIME_CONTENT_ENCODING_8BIT},
    {"binary", GMIME_CONTENT_ENCODING_BINARY},
    {"quoted-printable", GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE},
    {"base64", GMIME_CONTENT_ENCODING_BASE64},
};

void mime_part_clear(MimePart *part) {
  g_clear_pointer(&part->boundary, g_free);
}

static const char *refuse_header(const RawMessage *raw) {
  if (raw->fields->len > REPLY_MAX_FIELDS)
    return "a part has more than 200 header fields";
  for (guint i = 0; i < raw->fields->len; i++)
    if (raw_message_field(raw, i)->name_length != raw_message_field(raw, i)->colon)
      return "a header field has a blank before its colon";
  for (guint i = 0; i < G_N_ELEMENTS(content_fields); i++) {
    const RawField *field = raw_message_first(raw, content_fields[i]);
    if (raw_message_count(raw, content_fields[i]) > 1)
      return "a part has a Content field twice";
    if (field != NULL && field->length > MIME_PART_MAX_CONTENT_OCTETS)
      return "a part has a Content field that is too long";
  }
  return NULL;
}

static void note_warning(gint64 offset G_GNUC_UNUSED, GMimeParserWarning code,
                         const char *item G_GNUC_UNUSED, gpointer user) {
  if (code == GMIME_CRIT_CONFLICTING_PARAMETER || code == GMIME_WARN_DUPLICATED_PARAMETER)
    *(gboolean *)user = TRUE;
}

static MimePartKind kind_of(GMimeContentType *type) {
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_mime_content_type_is_type(type, kinds[i].type, kinds[i].subtype))
      return kinds[i].kind;
  return MIME_PART_OTHER;
}

static char *boundary_of(GMimeContentType *type) {
  const char *boundary = g_mime_content_type_get_parameter(type, "boundary");
  gsize length = boundary == NULL ? 0 : strlen(boundary);
  /* RFC 2046 section 5.1.1: it ends in no blank, which some readers take off. */
  return length == 0 || length > MIME_PART_MAX_BOUNDARY_OCTETS ||
                 g_ascii_isspace(boundary[length - 1])
             ? NULL
             : g_strdup(boundary);
}

/* FALSE when a parameter stands twice. */
static gboolean read_type(MimePart *part, const RawMessage *raw) {
  const RawField *field = raw_message_first(raw, "content-type");
  gboolean twice = FALSE;
  if (field == NULL)
    return part->kind = MIME_PART_PLAIN, TRUE;
  g_autofree char *value = raw_field_value(field);
  GMimeParserOptions *options = g_mime_parser_options_new();
  g_mime_parser_options_set_warning_callback(options, note_warning, &twice);
  GMimeContentType *type = g_mime_content_type_parse(options, value);
  part->kind = type == NULL ? MIME_PART_OTHER : kind_of(type);
  part->boundary = type == NULL ? NULL : boundary_of(type);
  g_clear_object(&type);
  g_mime_parser_options_free(options);
  return !twice;
}

/* The word that a Content field has before comments and parameters. */
static char *first_word(const RawField *field) {
  char *value = raw_field_value(field);
  value[strcspn(value, ";(")] = '\0';
  return g_strchomp(value);
}

/* RFC 2183 section 2.8: an unknown disposition is an attachment. */
static void read_disposition(MimePart *part, const RawMessage *raw) {
  const RawField *field = raw_message_first(raw, "content-disposition");
  if (field == NULL)
    return;
  g_autofree char *value = first_word(field);
  part->attachment = g_ascii_strcasecmp(value, "inline") != 0;
}

/* RFC 2045 section 6.4: what has an unknown encoding is opaque, whatever its type. */
static void read_encoding(MimePart *part, const RawMessage *raw) {
  const RawField *field = raw_message_first(raw, "content-transfer-encoding");
  part->encoding = field == NULL ? GMIME_CONTENT_ENCODING_7BIT : GMIME_CONTENT_ENCODING_DEFAULT;
  if (field == NULL)
    return;
  g_autofree char *value = first_word(field);
  for (guint i = 0; i < G_N_ELEMENTS(encodings); i++)
    if (g_ascii_strcasecmp(value, encodings[i].name) == 0)
      part->encoding = encodings[i].encoding;
}

gboolean mime_part_read(MimePart *part, const RawMessage *raw, const char **why) {
  *part = (MimePart){.kind = MIME_PART_OTHER};
  *why = refuse_header(raw);
  if (*why != NULL)
    return FALSE;
  mime_init();
  if (!read_type(part, raw))
    return *why = "a Content field has a parameter twice", FALSE;
  read_disposition(part, raw);
  read_encoding(part, raw);
  return TRUE;
}

/* RFC 2045 section 6.8 without what it forgives: nothing but the alphabet and blanks, padding at
 * the end only. */
static gboolean base64_is_clean(const char *text, gsize length) {
  gsize digits = 0, padding = 0;
  for (gsize i = 0; i < length; i++) {
    if (memchr("\r\n \t", text[i], 4) != NULL)
      continue;
    if (text[i] == '=')
      padding++;
    else if (padding == 0 && (g_ascii_isalnum(text[i]) || text[i] == '+' || text[i] == '/'))
      digits++;
    else
      return FALSE;
  }
  return padding <= 2 && (digits + padding) % 4 == 0;
}

GByteArray *mime_part_decode(const MimePart *part, const RawMessage *raw) {
  GMimeEncoding decoder;
  if (part->encoding == GMIME_CONTENT_ENCODING_BASE64 &&
      !base64_is_clean(raw->body, raw->body_length))
    return NULL;
  GByteArray *decoded = g_byte_array_new();
  g_mime_encoding_init_decode(&decoder, part->encoding);
  gsize room = g_mime_encoding_outlen(&decoder, raw->body_length);
  g_byte_array_set_size(decoded, (guint)room + 1);
  gsize length =
      g_mime_encoding_flush(&decoder, raw->body, raw->body_length, (char *)decoded->data);
  g_byte_array_set_size(decoded, (guint)length);
  return decoded;
}
