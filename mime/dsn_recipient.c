/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status-code = class "." subject "." detail        (RFC 3463 section 2)
 * class       = "2" / "4" / "5"
 * subject     = 1*3DIGIT
 * detail      = 1*3DIGIT
 */
#include "mime/dsn_recipient.h"
#include "base/log.h"

#include <string.h>

void dsn_recipient_free(gpointer data) {
  DsnRecipient *recipient = data;
  g_free(recipient->final);
  g_free(recipient->original);
  g_free(recipient->status);
  g_free(recipient->words);
  g_free(recipient->server);
  g_free(recipient);
}

DsnRecipient *dsn_recipient_add(DsnFacts *facts) {
  if (facts->recipients->len == DSN_MAX_RECIPIENTS)
    return NULL;
  DsnRecipient *recipient = g_new0(DsnRecipient, 1);
  g_ptr_array_add(facts->recipients, recipient);
  return recipient;
}

static gsize digits(const char *text) {
  return strspn(text, "0123456789");
}

/* The length of the status code that text begins with; 0: none. */
static gsize status_length(const char *text) {
  gsize length = 1;
  if (*text == '\0' || strchr("245", *text) == NULL)
    return 0;
  for (int i = 0; i < 2; i++) {
    gsize count = text[length] == '.' ? digits(text + length + 1) : 0;
    if (count < 1 || count > 3)
      return 0;
    length += 1 + count;
  }
  return length;
}

gboolean dsn_status_is_valid(const char *status) {
  return status_length(status) == strlen(status) && *status != '\0';
}

static gboolean ends_word(char c) {
  return !g_ascii_isalnum(c) && c != '_';
}

/* An address or a version has more dots, or letters. */
static gboolean is_status(const char *text, gsize length) {
  return length > 0 && ends_word(text[length]) &&
         !(text[length] == '.' && g_ascii_isalnum(text[length + 1]));
}

static gboolean is_reply_code(const char *text) {
  return (*text == '4' || *text == '5') && digits(text) == 3 && text[1] <= '5' &&
         ends_word(text[3]) && text[3] != '.';
}

char *dsn_status_find(const char *line) {
  const char *code = NULL;
  for (const char *p = line; *p != '\0'; p++) {
    if (p > line && (!ends_word(p[-1]) || p[-1] == '.'))
      continue;
    gsize length = status_length(p);
    if (is_status(p, length))
      return g_strndup(p, length);
    if (code == NULL && is_reply_code(p))
      code = p;
  }
  return code == NULL ? NULL : g_strdup_printf("%c.0.0", *code);
}

char *dsn_words(const char *line) {
  g_autofree char *escaped = log_escape(line, DSN_MAX_WORDS);
  g_strstrip(escaped);
  if (*escaped == '\0')
    return NULL;
  glong length = g_utf8_strlen(escaped, -1);
  return g_utf8_substring(escaped, 0, MIN(length, DSN_MAX_WORDS));
}
