/* SPDX-License-Identifier: Apache-2.0 */
/* Bounces in plain words. Each is known by a phrase of its server; after it, a line that begins
   with an address names a recipient, and the next line with a status code is what the remote server
   said. Where the returned message begins nothing is read any more. */
#include "mime/dsn_recipient.h"
#include "mime/mime_text.h"

#include <string.h>

/* First come those that need the text to begin with them. */
static const struct {
  const char *dialect, *phrase;
  gboolean first; /* only as the first line that is not empty */
} dialects[] = {
    {"qmail", "Hi. This is the ", TRUE}, /* QSBMF */
    {"Postfix", "This is the mail system at host ", FALSE},
    {"Postfix", "This is the Postfix program at host ", FALSE},
    {"Exim", "This message was created automatically by mail delivery software",
     FALSE}, /* GMX too */
    {"Sendmail", "----- The following addresses had ", FALSE},
    {"Sendmail", "----- The following addresses have delivery ", FALSE},
    {"Sendmail", "----- Transcript of session follows -----", FALSE},
    {"Exchange", "Delivery has failed to these recipients or ", FALSE},
    {"Exchange", "Delivery is delayed to these recipients or ", FALSE},
    {"Exchange", "Your message did not reach some or all of the intended recipients", FALSE},
    {"Yahoo", "we were unable to deliver your message to the following address", FALSE},
    {"Yahoo", "Unable to deliver message to the following address", FALSE},
    {"Amazon SES", "error occurred while trying to deliver the mail to the following recipient",
     FALSE},
    {"Google", "Delivery to the following recipient failed permanently", FALSE},
    {"Google", "Delivery to the following recipient has been delayed", FALSE},
};

static const char *const delays[] = {
    "this is a warning",       "could not be delivered for more than", "not yet been delivered",
    "delivery is delayed",     "transient non-fatal errors",           "has been delayed",
    "will continue to be made"};

/* dashed: only after dashes */
static const struct {
  const char *phrase;
  gboolean dashed;
} returned[] = {
    {"Below this line is ", TRUE},
    {"This is a copy ", TRUE},
    {"The header of the original ", TRUE},
    {"Original m", TRUE}, /* message, mail */
    {"Unsent message ", TRUE},
    {"Message header ", TRUE},
    {"Forwarded message", TRUE},
    {"Original message headers:", FALSE},
    {"Return-Path:", FALSE},
    {"Received:", FALSE},
};

typedef struct {
  DsnFacts *facts;
  const char *dialect;
  char **lines; /* up to the returned message */
} Text;

static gboolean holds(const char *line, const char *phrase) {
  gsize length = strlen(phrase);
  for (; *line != '\0'; line++)
    if (g_ascii_strncasecmp(line, phrase, length) == 0)
      return TRUE;
  return FALSE;
}

static gboolean starts(const char *line, const char *phrase) {
  return g_ascii_strncasecmp(line, phrase, strlen(phrase)) == 0;
}

static gboolean begins_returned(const char *line) {
  const char *text = line + strspn(line, " \t");
  gboolean dashed = g_str_has_prefix(text, "---");
  text += strspn(text, "- ");
  for (gsize i = 0; i < G_N_ELEMENTS(returned); i++)
    if (dashed == returned[i].dashed && starts(text, returned[i].phrase))
      return TRUE;
  return FALSE;
}

static void cut_returned(char **lines) {
  for (; *lines != NULL; lines++)
    if (begins_returned(*lines))
      break;
  for (; *lines != NULL; lines++)
    g_clear_pointer(lines, g_free);
}

/* Where the dialect is spoken first; NULL when it is not. */
static char **find_phrase(char **lines, const char *phrase, gboolean first) {
  while (first && *lines != NULL && **lines == '\0')
    lines++;
  if (first)
    return *lines != NULL && starts(*lines, phrase) ? lines : NULL;
  for (; *lines != NULL; lines++)
    if (holds(*lines, phrase))
      return lines;
  return NULL;
}

static char **find_dialect(Text *text) {
  for (gsize i = 0; i < G_N_ELEMENTS(dialects); i++) {
    char **at = find_phrase(text->lines, dialects[i].phrase, dialects[i].first);
    if (at != NULL)
      return text->dialect = dialects[i].dialect, at;
  }
  return NULL;
}

static DsnAction find_action(const Text *text) {
  for (char **line = text->lines; *line != NULL; line++)
    for (gsize i = 0; i < G_N_ELEMENTS(delays); i++)
      if (holds(*line, delays[i]))
        return DSN_DELAYED;
  return DSN_FAILED;
}

/* --- recipients
 * -----------------------------------------------------------------------------------------------
 */

static gsize span(const char *text, const char *others) {
  gsize length = 0;
  while (g_ascii_isalnum(text[length]) || (guchar)text[length] >= 0x80 ||
         (text[length] != '\0' && strchr(others, text[length]) != NULL))
    length++;
  return length;
}

/* The address that stands first in text, in angle brackets or quotes or bare; NULL: none does. */
static char *leading_address(const char *text) {
  text += strspn(text, " \t<\"'");
  gsize local = span(text, "!#$%&*+-/=?^_`{|}~.");
  gsize domain = text[local] == '@' ? span(text + local + 1, "-.") : 0;
  gsize length = local + 1 + domain;
  if (local == 0 || domain == 0 || length > DSN_MAX_ADDRESS_OCTETS)
    return NULL;
  while (text[length - 1] == '.')
    length--;
  g_autofree char *address = g_strndup(text, length);
  return mime_text_clean(address, DSN_MAX_ADDRESS_OCTETS);
}

static gboolean is_known(const DsnFacts *facts, const char *address) {
  for (guint i = 0; i < facts->recipients->len; i++)
    if (strcmp(((DsnRecipient *)facts->recipients->pdata[i])->final, address) == 0)
      return TRUE;
  return FALSE;
}

static void add_recipient(Text *text, const char *address, DsnAction action, char **lines) {
  DsnRecipient *recipient = is_known(text->facts, address) ? NULL : dsn_recipient_add(text->facts);
  if (recipient == NULL)
    return;
  recipient->final = g_strdup(address);
  recipient->action = action;
  for (; *lines != NULL && recipient->status == NULL; lines++) {
    recipient->status = dsn_status_find(*lines);
    if (recipient->status != NULL)
      recipient->words = dsn_words(*lines);
  }
}

static void read_recipients(Text *text, char **lines) {
  DsnAction action = find_action(text);
  for (; *lines != NULL; lines++) {
    g_autofree char *address = leading_address(*lines);
    if (address != NULL)
      add_recipient(text, address, action, lines);
  }
}

/* Exim writes "(generated from ADDRESS)" beside one that the address was forwarded to. */
static gboolean is_forwarded(const Text *text, const char *address) {
  g_autofree char *phrase = g_strdup_printf("(generated from %s)", address);
  for (char **line = text->lines; *line != NULL; line++)
    if (holds(*line, phrase))
      return TRUE;
  return FALSE;
}

/* Exim's field names the addresses that it was given; where it forwarded one it may hide where to.
   Each is looked for in all of the text: no more of them than there may be recipients. */
static void read_failed_field(Text *text, const char *field) {
  g_auto(GStrv) words = g_strsplit(field, ",", DSN_MAX_RECIPIENTS + 1);
  for (guint i = 0; i < DSN_MAX_RECIPIENTS && words[i] != NULL; i++) {
    g_autofree char *address = leading_address(words[i]);
    if (address != NULL)
      add_recipient(text, is_forwarded(text, address) ? "undisclosed" : address, DSN_FAILED,
                    text->lines);
  }
}

gboolean dsn_text_read(DsnFacts *facts, const char *octets, const char *failed) {
  g_auto(GStrv) lines = g_strsplit(octets, "\n", -1);
  Text text = {facts, "Exim", lines};
  for (char **line = lines; *line != NULL; line++)
    g_strchomp(*line);
  cut_returned(lines);
  if (failed != NULL) {
    read_failed_field(&text, failed);
  } else {
    char **from = find_dialect(&text);
    if (from != NULL)
      read_recipients(&text, from);
  }
  if (facts->recipients->len > 0)
    facts->dialect = g_strdup(text.dialect);
  return facts->recipients->len > 0;
}
