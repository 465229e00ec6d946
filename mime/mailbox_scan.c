/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/mailbox_scan.h"

#include <string.h>

static gboolean is_atext(char c) {
  return (guchar)c >= 0x80 || g_ascii_isalnum(c) ||
         (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Printable and not the two characters that end or escape. */
static gboolean is_content(char c) {
  return (guchar)c >= ' ' || c == '\t';
}

/* The end of "(...)", which may nest; NULL when it does not end. */
static const char *skip_comment(const char *p) {
  guint depth = 0;
  for (; *p != '\0'; p++) {
    if (*p == '\\' && is_content(p[1]))
      p++;
    else if (*p == '(' && ++depth > MAILBOX_SCAN_MAX_COMMENTS)
      return NULL;
    else if (*p == ')' && --depth == 0)
      return p + 1;
    else if (!is_content(*p))
      return NULL;
  }
  return NULL;
}

/* Blanks and comments; NULL when a comment does not end. */
static const char *skip_cfws(const char *p) {
  while (p != NULL && (*p == ' ' || *p == '\t' || *p == '('))
    p = *p == '(' ? skip_comment(p) : p + 1;
  return p;
}

static const char *skip_quoted(const char *p) {
  for (p++; *p != '\0' && *p != '"'; p++) {
    if (*p == '\\')
      p++;
    if (!is_content(*p))
      return NULL;
  }
  return *p == '"' ? p + 1 : NULL;
}

/* dot-atom-text = 1*atext *("." 1*atext); the end of it, or NULL. */
static const char *skip_dot_atom(const char *p) {
  const char *start = p;
  while (is_atext(*p) || (*p == '.' && p > start && is_atext(p[1])))
    p++;
  return p > start ? p : NULL;
}

static const char *skip_addr_spec(const char *p) {
  p = skip_dot_atom(p);
  return p != NULL && *p == '@' ? skip_dot_atom(p + 1) : NULL;
}

/* The "<" after a display name, or NULL. */
static const char *skip_phrase(const char *p) {
  while ((p = skip_cfws(p)) != NULL && *p != '<') {
    if (*p == '"')
      p = skip_quoted(p);
    else if (is_atext(*p) || *p == '.')
      p++;
    else
      return NULL;
  }
  return p;
}

static gboolean nothing_follows(const char *p) {
  p = skip_cfws(p);
  return p != NULL && *p == '\0';
}

/* UTF-8 without control characters but TAB, also above U+007F. */
static gboolean is_text(const char *value) {
  if (!g_utf8_validate(value, -1, NULL))
    return FALSE;
  for (const char *p = value; *p != '\0'; p = g_utf8_next_char(p))
    if (*p != '\t' && g_unichar_iscntrl(g_utf8_get_char(p)))
      return FALSE;
  return TRUE;
}

char *mailbox_scan(const char *value) {
  if (!is_text(value))
    return NULL;
  const char *start = skip_cfws(value);
  const char *end = start == NULL ? NULL : skip_addr_spec(start);
  if (end != NULL && nothing_follows(end))
    return g_strndup(start, (gsize)(end - start));
  const char *angle = skip_phrase(value);
  if (angle == NULL)
    return NULL;
  end = skip_addr_spec(angle + 1);
  if (end == NULL || *end != '>' || !nothing_follows(end + 1))
    return NULL;
  return g_strndup(angle + 1, (gsize)(end - angle - 1));
}
