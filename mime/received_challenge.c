/* SPDX-License-Identifier: Apache-2.0 */
/* What the client reads (RFC 8823 sections 3 item 5 and 3.1). */
#include "mime/challenge_field.h"
#include "mime/mime_text.h"

#include <string.h>

#define MAX_FIELD_OCTETS 8192
#define TOKEN_LABEL "ACME:"

void received_challenge_free(ReceivedChallenge *challenge) {
  if (challenge == NULL)
    return;
  g_free(challenge->from);
  g_free(challenge->reply_to);
  g_free(challenge->to);
  g_free(challenge->token);
  g_free(challenge->subject);
  g_free(challenge->message_id);
  g_clear_pointer(&challenge->message, g_bytes_unref);
  g_free(challenge);
}

/* Fields of which a challenge has one at most. */
static const char *const unique[] = {"from",    "to",         "reply-to",
                                     "subject", "message-id", "auto-submitted"};

static const char *refuse_fields(const RawMessage *message) {
  for (guint i = 0; i < G_N_ELEMENTS(unique); i++)
    if (raw_message_count(message, unique[i]) > 1)
      return "it has a field twice";
  return NULL;
}

/* "auto-generated" and parameters (RFC 3834 section 5.1). */
static gboolean is_generated(const RawMessage *message) {
  static const char word[] = "auto-generated";
  const gsize length = sizeof word - 1;
  const RawField *field = raw_message_first(message, "auto-submitted");
  if (field == NULL)
    return FALSE;
  g_autofree char *value = raw_field_value(field);
  return g_ascii_strncasecmp(value, word, length) == 0 &&
         (value[length] == '\0' || strchr("; \t(", value[length]) != NULL);
}

static char *single_mailbox(const RawMessage *message, const char *name) {
  const RawField *field = raw_message_first(message, name);
  return field == NULL ? NULL : mime_text_mailbox(field, MAX_FIELD_OCTETS);
}

static const char *read_addresses(ReceivedChallenge *challenge, const RawMessage *message) {
  challenge->from = single_mailbox(message, "from");
  if (challenge->from == NULL)
    return "its From is not one mailbox";
  challenge->to = single_mailbox(message, "to");
  if (challenge->to == NULL)
    return "its To is not one mailbox";
  challenge->reply_to = raw_message_first(message, "reply-to") == NULL
                            ? g_strdup(challenge->from)
                            : single_mailbox(message, "reply-to");
  return challenge->reply_to == NULL ? "its Reply-To is not one mailbox" : NULL;
}

/* Section 3.1 item 1: white space within the token is ignored. */
static char *squeeze(const char *text) {
  GString *squeezed = g_string_new(NULL);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
    if (!g_unichar_isspace(g_utf8_get_char(p)))
      g_string_append_unichar(squeezed, g_utf8_get_char(p));
  return g_string_free(squeezed, FALSE);
}

/* A prefix with a colon is that of a reply or a forwarded message ("Re:"); what a gateway puts
   before the label ("[EXTERNAL]") is not. */
static const char *read_subject(ReceivedChallenge *challenge, const RawMessage *message) {
  const RawField *field = raw_message_first(message, "subject");
  if (field == NULL)
    return "it has no Subject";
  challenge->subject = mime_text_decode(field, MAX_FIELD_OCTETS);
  const char *label = strstr(challenge->subject, TOKEN_LABEL);
  if (label == NULL)
    return "its Subject has no \"ACME:\"";
  if (memchr(challenge->subject, ':', (gsize)(label - challenge->subject)) != NULL)
    return "its Subject is that of a reply";
  challenge->token = squeeze(label + strlen(TOKEN_LABEL));
  return challenge_field_is_token(challenge->token) ? NULL : "its Subject has no token";
}

static void read_message_id(ReceivedChallenge *challenge, const RawMessage *message) {
  const RawField *field = raw_message_first(message, "message-id");
  g_autofree char *value = field == NULL ? NULL : raw_field_value(field);
  if (challenge_field_is_message_id(value))
    challenge->message_id = g_steal_pointer(&value);
}

static const char *read_all(ReceivedChallenge *challenge, const RawMessage *message) {
  const char *why = refuse_fields(message);
  if (why == NULL && !is_generated(message))
    why = "it has no \"Auto-Submitted: auto-generated\"";
  if (why == NULL)
    why = read_addresses(challenge, message);
  if (why == NULL)
    why = read_subject(challenge, message);
  read_message_id(challenge, message);
  return why;
}

ReceivedChallenge *received_challenge_read(GBytes *bytes, GError **error) {
  g_autoptr(ReceivedChallenge) challenge = g_new0(ReceivedChallenge, 1);
  const char *why = g_bytes_get_size(bytes) > CHALLENGE_MAX_MESSAGE_OCTETS
                        ? "it is larger than 1 MiB"
                        : raw_refuse_octets(bytes);
  g_autoptr(RawMessage) message = why == NULL ? raw_message_new(bytes, &why) : NULL;
  if (message != NULL)
    why = read_all(challenge, message);
  challenge->message = g_bytes_ref(bytes);
  if (why == NULL)
    return g_steal_pointer(&challenge);
  g_set_error(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_MESSAGE, "no ACME challenge: %s",
              why);
  return NULL;
}
