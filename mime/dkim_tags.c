/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag-list  =  tag-spec *( ";" tag-spec ) [ ";" ]
 * tag-spec  =  [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
 * tag-name  =  ALPHA *ALNUMPUNC
 * tag-value =  [ tval *( 1*(WSP / FWS) tval ) ]
 */
#include "mime/dkim_tags.h"

#include <string.h>

struct DkimTags {
  GPtrArray *tags; /* of DkimTag, in their order */
};

static void tag_free(gpointer data) {
  DkimTag *tag = data;
  g_free(tag->name);
  g_free(tag->value);
  g_free(tag);
}

void dkim_tags_free(DkimTags *tags) {
  if (tags == NULL)
    return;
  g_ptr_array_unref(tags->tags);
  g_free(tags);
}

static gboolean is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Only printable characters, UTF-8 (RFC 8616 section 5), blanks, and CRLF before a blank. */
static gboolean characters_are_valid(const char *text, gsize length) {
  if (!g_utf8_validate_len(text, length, NULL))
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    guchar c = (guchar)text[i];
    if (c == '\r' && i + 2 < length && text[i + 1] == '\n' &&
        (text[i + 2] == ' ' || text[i + 2] == '\t'))
      i += 2;
    else if ((c < ' ' && c != '\t') || c == 127)
      return FALSE;
    else if (c == 0xc2 && (guchar)text[i + 1] < 0xa0) /* U+0080 to U+009F */
      return FALSE;
  }
  return TRUE;
}

/* The part of text from *start to *end without blanks around it. */
static char *trimmed(const char *text, gsize start, gsize end) {
  while (start < end && is_blank(text[start]))
    start++;
  while (end > start && is_blank(text[end - 1]))
    end--;
  return g_strndup(text + start, end - start);
}

static gboolean name_is_valid(const char *name) {
  if (!g_ascii_isalpha(*name))
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (!g_ascii_isalnum(*p) && *p != '_')
      return FALSE;
  return TRUE;
}

/* Adds the tag-spec of text from start to end; FALSE when it is none or its name was there already.
 */
static gboolean add_tag(DkimTags *tags, const char *text, gsize start, gsize end) {
  const char *equals = memchr(text + start, '=', end - start);
  if (equals == NULL || tags->tags->len == DKIM_MAX_TAGS)
    return FALSE;
  gsize at = (gsize)(equals - text);
  g_autofree char *name = trimmed(text, start, at);
  if (!name_is_valid(name) || dkim_tags_find(tags, name) != NULL)
    return FALSE;
  DkimTag *tag = g_new0(DkimTag, 1);
  tag->name = g_steal_pointer(&name);
  tag->value = trimmed(text, at + 1, end);
  tag->start = at + 1;
  tag->end = end;
  g_ptr_array_add(tags->tags, tag);
  return TRUE;
}

static gboolean all_blank(const char *text, gsize start, gsize end) {
  while (start < end && is_blank(text[start]))
    start++;
  return start == end;
}

DkimTags *dkim_tags_parse(const char *text, gsize length) {
  if (!characters_are_valid(text, length))
    return NULL;
  g_autoptr(DkimTags) tags = g_new0(DkimTags, 1);
  tags->tags = g_ptr_array_new_with_free_func(tag_free);
  gsize start = 0;
  while (start < length) {
    const char *semicolon = memchr(text + start, ';', length - start);
    gsize end = semicolon == NULL ? length : (gsize)(semicolon - text);
    /* What follows the last ";" may be blank; an empty tag-spec elsewhere may not. */
    if (semicolon == NULL && tags->tags->len > 0 && all_blank(text, start, end))
      break;
    if (!add_tag(tags, text, start, end))
      return NULL;
    start = end + 1;
  }
  return tags->tags->len > 0 ? g_steal_pointer(&tags) : NULL;
}

const DkimTag *dkim_tags_find(const DkimTags *tags, const char *name) {
  for (guint i = 0; i < tags->tags->len; i++) {
    const DkimTag *tag = tags->tags->pdata[i];
    if (strcmp(tag->name, name) == 0)
      return tag;
  }
  return NULL;
}

const char *dkim_tags_value(const DkimTags *tags, const char *name) {
  const DkimTag *tag = dkim_tags_find(tags, name);
  return tag == NULL ? NULL : tag->value;
}

const DkimTag *dkim_tags_first(const DkimTags *tags) {
  return tags->tags->pdata[0];
}

char *dkim_tag_squeeze(const char *value) {
  GString *squeezed = g_string_new(NULL);
  for (const char *p = value; *p != '\0'; p++)
    if (!is_blank(*p))
      g_string_append_c(squeezed, *p);
  return g_string_free(squeezed, FALSE);
}

GBytes *dkim_tag_base64(const char *value) {
  g_autofree char *text = dkim_tag_squeeze(value);
  gsize length = 0;
  g_autofree guchar *data = g_base64_decode(text, &length);
  /* GLib skips what is not base64: only text that comes back as it went in was. */
  g_autofree char *again = g_base64_encode(data, length);
  if (length == 0 || strcmp(again, text) != 0)
    return NULL;
  return g_bytes_new_take(g_steal_pointer(&data), length);
}

char **dkim_tag_list(const char *value, guint max) {
  g_auto(GStrv) items = g_strsplit(value, ":", (gint)max + 1);
  if (*items == NULL || g_strv_length(items) > max)
    return NULL;
  for (char **item = items; *item != NULL; item++) {
    g_strstrip(*item);
    if (**item == '\0' || strpbrk(*item, " \t\r\n") != NULL)
      return NULL;
  }
  return g_steal_pointer(&items);
}

gboolean dkim_tag_number(const char *value, gint64 *number) {
  gsize digits = strspn(value, "0123456789");
  if (digits == 0 || digits > DKIM_MAX_NUMBER_DIGITS || value[digits] != '\0')
    return FALSE;
  *number = g_ascii_strtoll(value, NULL, 10);
  return TRUE;
}
