/* SPDX-License-Identifier: Apache-2.0 */
/* The header is written as text: every known client reads exactly this form. An address beyond
   ASCII stands raw in To (RFC 6532), and makes the body quoted-printable. */
#include "mime/challenge_mail.h"
#include "base/clock.h"
#include "mime/challenge_field.h"
#include "mime/mail_body.h"

#include <string.h>

G_DEFINE_QUARK(signet - challenge - mail - error, challenge_mail_error)

static gboolean check(const ChallengeMail *mail, GError **error) {
  return challenge_field_check_address("the sender address", mail->from, error) &&
         (mail->reply_to == NULL ||
          challenge_field_check_address("the reply address", mail->reply_to, error)) &&
         challenge_field_check_mailbox("the recipient address", mail->to, error) &&
         challenge_field_check_token(mail->token, error) &&
         challenge_field_check_message_id("the Message-ID", mail->message_id, error) &&
         challenge_field_check_service(mail->service, error) &&
         challenge_field_check_date(mail->date, error);
}

/* What the DKIM signature covers, and an S/MIME signature protects. */
static char *header_fields(const ChallengeMail *mail) {
  g_autofree char *date = clock_rfc5322(mail->date);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "From: %s\r\n", mail->from);
  g_string_append_printf(text, "Reply-To: %s\r\n",
                         mail->reply_to != NULL ? mail->reply_to : mail->from);
  g_string_append_printf(text, "To: %s\r\n", mail->to);
  g_string_append_printf(text, "Subject: ACME: %s\r\n", mail->token);
  g_string_append_printf(text, "Date: %s\r\n", date);
  g_string_append_printf(text, "Message-ID: %s\r\n", mail->message_id);
  g_string_append(text, "Auto-Submitted: auto-generated; type=acme\r\n");
  return g_string_free(text, FALSE);
}

GBytes *challenge_mail_compose(const ChallengeMail *mail, GError **error) {
  if (!check(mail, error))
    return NULL;
  MailBody body = {.texts = mail->texts, .section = MAIL_TEXT_CHALLENGE, .html = mail->html};
  body.places[MAIL_PLACE_SERVICE] = mail->service;
  body.places[MAIL_PLACE_ADDRESS] = mail->to;
  g_autofree char *fields = header_fields(mail);
  g_autofree char *entity =
      mail_body_entity(&body, mail->message_id, mail->signer != NULL ? SMIME_PARAMETER : "");
  g_autofree char *whole = mail->signer != NULL
                               ? smime_sign(mail->signer, fields, entity, mail->message_id, error)
                               : g_steal_pointer(&entity);
  if (whole == NULL)
    return NULL;
  char *text = g_strconcat(fields, "MIME-Version: 1.0\r\n", whole, NULL);
  return g_bytes_new_take(text, strlen(text));
}
