/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dkim_canon.h"

#include <string.h>

static gboolean is_blank(char c) {
  return c == ' ' || c == '\t';
}

static gboolean is_crlf(const char *text, gsize length, gsize i) {
  return i + 1 < length && text[i] == '\r' && text[i + 1] == '\n';
}

static gboolean ends_in_crlf(const char *text, gsize length) {
  return length >= 2 && is_crlf(text, length, length - 2);
}

/* Section 3.4.2: lower-case name, unfolded, runs of blanks one SP, none around the colon or at the
 * end. */
static void relaxed_field(GString *out, const char *text, gsize length) {
  const char *colon = memchr(text, ':', length);
  gsize name = colon == NULL ? length : (gsize)(colon - text);
  gboolean blank = FALSE;
  for (gsize i = 0; i < name; i++)
    if (!is_blank(text[i]))
      g_string_append_c(out, g_ascii_tolower(text[i]));
  if (colon == NULL)
    return;
  g_string_append_c(out, ':');
  gsize start = out->len;
  for (gsize i = name + 1; i < length; i++) {
    if (is_crlf(text, length, i)) {
      i++;
      continue;
    }
    if (is_blank(text[i])) {
      blank = TRUE;
      continue;
    }
    if (blank && out->len > start)
      g_string_append_c(out, ' ');
    blank = FALSE;
    g_string_append_c(out, text[i]);
  }
}

void dkim_canon_field(GString *out, const char *text, gsize length, DkimCanon canon) {
  if (ends_in_crlf(text, length))
    length -= 2;
  if (canon == DKIM_CANON_RELAXED)
    relaxed_field(out, text, length);
  else
    g_string_append_len(out, text, (gssize)length);
  g_string_append(out, "\r\n");
}

/* Section 3.4.4 (a): no blanks at the end of lines, runs of blanks one SP. */
static void relaxed_lines(GString *out, const char *body, gsize length) {
  gsize start = out->len;
  gboolean blank = FALSE;
  g_string_set_size(out, start + length); /* what comes out is no longer than what goes in */
  char *to = out->str + start;
  for (gsize i = 0; i < length; i++) {
    if (is_blank(body[i])) {
      blank = TRUE;
      continue;
    }
    if (blank && !is_crlf(body, length, i))
      *to++ = ' ';
    blank = FALSE;
    *to++ = body[i];
  }
  g_string_truncate(out, (gsize)(to - out->str));
}

/* Empty lines at the end go; what is left ends in one CRLF. */
static void trim_end(GString *out, gsize start, gboolean keep_one) {
  while (out->len - start >= 2 && ends_in_crlf(out->str + start, out->len - start))
    g_string_truncate(out, out->len - 2);
  if (out->len > start || keep_one)
    g_string_append(out, "\r\n");
}

void dkim_canon_body(GString *out, const char *body, gsize length, DkimCanon canon) {
  gsize start = out->len;
  if (canon == DKIM_CANON_RELAXED)
    relaxed_lines(out, body, length);
  else
    g_string_append_len(out, body, (gssize)length);
  /* Section 3.4.3: an empty body is CRLF in the simple form; section 3.4.4: nothing in the relaxed.
   */
  trim_end(out, start, canon == DKIM_CANON_SIMPLE);
}

static gboolean read_one(const char *word, DkimCanon *canon) {
  static const char *const names[DKIM_CANON_COUNT] = {
      [DKIM_CANON_SIMPLE] = "simple",
      [DKIM_CANON_RELAXED] = "relaxed",
  };
  for (int i = 0; i < DKIM_CANON_COUNT; i++)
    if (strcmp(word, names[i]) == 0)
      return *canon = (DkimCanon)i, TRUE;
  return FALSE;
}

gboolean dkim_canon_read(const char *value, DkimCanon *header, DkimCanon *body) {
  *header = *body = DKIM_CANON_SIMPLE;
  if (value == NULL)
    return TRUE;
  g_auto(GStrv) words = g_strsplit(value, "/", 3);
  guint count = g_strv_length(words);
  return count >= 1 && count <= 2 && read_one(words[0], header) &&
         (count == 1 || read_one(words[1], body));
}
