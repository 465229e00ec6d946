/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/sender_check.h"
#include "smtp/path.h"

#include <string.h>

typedef struct {
  const char *at;
  gsize length;
} Line;

/* The next line without its CRLF; NULL at the end. Good for messages that check_octets passed. */
static gboolean next_line(const char **at, const char *end, Line *line) {
  if (*at >= end)
    return FALSE;
  const char *stop = memchr(*at, '\r', (gsize)(end - *at));
  *line = (Line){*at, (gsize)(stop - *at)};
  *at = stop + 2;
  return TRUE;
}

static const char *check_octets(const char *text, gsize length) {
  if (length < 2 || text[length - 1] != '\n')
    return "the message does not end with a line end";
  if (memchr(text, '\0', length) != NULL)
    return "the message has a NUL";
  for (const char *line = text, *end = text + length, *next = NULL; line < end; line = next) {
    next = (const char *)memchr(line, '\n', (gsize)(end - line)) + 1;
    const char *cr = memchr(line, '\r', (gsize)(next - line));
    if (cr == NULL || cr + 2 != next)
      return "the message has a bare CR or LF";
    if (cr - line > SENDER_MAX_LINE)
      return "the message has a line that is too long";
  }
  return NULL;
}

/* RFC 5322 section 3.6, and the fields that a message in transit does not have. */
static const struct {
  const char *name;
  guint min, max;
  const char *problem;
} fields[] = {
    {"Date", 1, 1, "the message needs exactly one Date"},
    {"From", 1, 1, "the message needs exactly one From"},
    {"Message-ID", 1, 1, "the message needs exactly one Message-ID"},
    {"Sender", 0, 1, "the message has more than one Sender"},
    {"Reply-To", 0, 1, "the message has more than one Reply-To"},
    {"To", 0, 1, "the message has more than one To"},
    {"Cc", 0, 1, "the message has more than one Cc"},
    {"Bcc", 0, 0, "the message has a Bcc"},
    {"Disposition-Notification-To", 0, 1,
     "the message has more than one Disposition-Notification-To"},
    {"Return-Path", 0, 0, "the message has a Return-Path"},
    {"Original-Recipient", 0, 0, "the message has an Original-Recipient"},
};

/* Length of the field's name, 0 when the line is no field. */
static gsize name_length(const Line *line) {
  gsize length = 0;
  while (length < line->length && line->at[length] > ' ' && line->at[length] < 0x7F &&
         line->at[length] != ':')
    length++;
  return length < line->length && line->at[length] == ':' ? length : 0;
}

static void count_field(const char *name, gsize length, guint *counts) {
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
    if (strlen(fields[i].name) == length && g_ascii_strncasecmp(fields[i].name, name, length) == 0)
      counts[i]++;
}

static const char *check_header(const char *text, gsize length) {
  guint counts[G_N_ELEMENTS(fields)] = {0};
  const char *at = text;
  Line line = {NULL, 1};
  while (next_line(&at, text + length, &line) && line.length > 0) {
    gboolean continued = line.at > text && (line.at[0] == ' ' || line.at[0] == '\t');
    gsize name = name_length(&line);
    if (!continued && name == 0)
      return "the message has a malformed header line";
    if (!continued)
      count_field(line.at, name, counts);
  }
  if (line.length > 0)
    return "the message has no empty line after its header";
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
    if (counts[i] < fields[i].min || counts[i] > fields[i].max)
      return fields[i].problem;
  return NULL;
}

/* The null path is for reverse-paths alone. */
static gboolean is_address(const char *address, gboolean null_allowed) {
  g_autofree char *bracketed = g_strdup_printf("<%s>", address);
  const char *text = bracketed;
  const char *problem = NULL;
  g_autofree char *path = smtp_path_take(&text, &problem);
  if (path == NULL || *text != '\0')
    return FALSE;
  return strrchr(path, '@') != NULL || (null_allowed && *path == '\0');
}

const char *sender_check_message(const SenderMessage *message) {
  if (!g_str_is_ascii(message->from) || !is_address(message->from, TRUE))
    return "the sender address is malformed";
  if (!is_address(message->to, FALSE))
    return "the recipient address is malformed";
  if (!g_str_is_ascii(strrchr(message->to, '@')))
    return "the recipient's domain is not in A-labels";
  gsize length = 0;
  const char *text = g_bytes_get_data(message->message, &length);
  const char *problem = check_octets(text, length);
  return problem != NULL ? problem : check_header(text, length);
}

static gboolean is_name(const char *name, const char *extra) {
  if (name == NULL || *name == '\0' || strlen(name) > 255)
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (!g_ascii_isalnum(*p) && strchr(extra, *p) == NULL)
      return FALSE;
  return TRUE;
}

gboolean sender_check_relay(const SenderRelay *relay, GError **error) {
  const char *problem = NULL;
  if (relay->host != NULL && strchr(relay->host, ':') != NULL)
    problem = "an IPv6 address cannot be used, give the relay a name";
  else if (!is_name(relay->host, "-._"))
    problem = "the relay's host is malformed";
  else if (relay->port == 0)
    problem = "the relay's port is missing";
  else if (!is_name(relay->ehlo, "-._:[]"))
    problem = "the name for EHLO is malformed";
  else if (relay->timeout_seconds == 0 || relay->timeout_seconds > 3600)
    problem = "the timeout must be 1 to 3600 seconds";
  else if (relay->tls >= SENDER_TLS_STARTTLS && relay->ca == NULL)
    problem = "TLS is demanded and no certificate authority is given";
  else if ((relay->user != NULL) != (relay->password != NULL))
    problem = "given only one of user and password";
  else if (relay->user != NULL && relay->tls < SENDER_TLS_STARTTLS)
    problem = "a password goes over demanded TLS only";
  if (problem == NULL)
    return TRUE;
  g_set_error_literal(error, SENDER_ERROR, SENDER_ERROR_SETTING, problem);
  return FALSE;
}
