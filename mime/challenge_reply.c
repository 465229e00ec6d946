/* SPDX-License-Identifier: Apache-2.0 */
/* The client's answer (RFC 8823 section 3.2). */
#include "base/clock.h"
#include "mime/challenge_field.h"
#include "mime/reply_block.h"

#include <string.h>

static gboolean check(const ReceivedChallenge *challenge, const char *identifier,
                      const char *digest, const char *message_id, gint64 date, GError **error) {
  return challenge_field_check_mailbox("the identifier", identifier, error) &&
         challenge_field_check_mailbox("the reply address", challenge->reply_to, error) &&
         challenge_field_check_token(challenge->token, error) &&
         challenge_field_check_digest(digest, error) &&
         challenge_field_check_message_id("the Message-ID", message_id, error) &&
         (challenge->message_id == NULL ||
          challenge_field_check_message_id("the challenge's Message-ID", challenge->message_id,
                                           error)) &&
         challenge_field_check_date(date, error);
}

static char *header_fields(const ReceivedChallenge *challenge, const char *identifier,
                           const char *message_id, gint64 date) {
  g_autofree char *written = clock_rfc5322(date);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "From: %s\r\n", identifier);
  g_string_append_printf(text, "To: %s\r\n", challenge->reply_to);
  /* The label and the token, not the Subject as it came: that may hold anything. */
  g_string_append_printf(text, "Subject: Re: ACME: %s\r\n", challenge->token);
  g_string_append_printf(text, "Date: %s\r\n", written);
  g_string_append_printf(text, "Message-ID: %s\r\n", message_id);
  if (challenge->message_id != NULL)
    g_string_append_printf(text, "In-Reply-To: %s\r\nReferences: %s\r\n", challenge->message_id,
                           challenge->message_id);
  return g_string_free(text, FALSE);
}

GBytes *challenge_reply_compose(const ReceivedChallenge *challenge, const char *identifier,
                                const char *digest, const char *message_id, gint64 date,
                                const SmimeSigner *signer, GError **error) {
  if (!check(challenge, identifier, digest, message_id, date, error))
    return NULL;
  g_autofree char *fields = header_fields(challenge, identifier, message_id, date);
  g_autofree char *entity =
      g_strdup_printf("Content-Type: text/plain; charset=us-ascii%s\r\n"
                      "Content-Transfer-Encoding: 7bit\r\n"
                      "\r\n" REPLY_BLOCK_BEGIN "\r\n%s\r\n" REPLY_BLOCK_END "\r\n",
                      signer != NULL ? SMIME_PARAMETER : "", digest);
  g_autofree char *whole = signer != NULL ? smime_sign(signer, fields, entity, message_id, error)
                                          : g_steal_pointer(&entity);
  if (whole == NULL)
    return NULL;
  char *text = g_strconcat(fields, "MIME-Version: 1.0\r\n", whole, NULL);
  return g_bytes_new_take(text, strlen(text));
}
