/* SPDX-License-Identifier: Apache-2.0 */
/* Written as text: nothing in it needs encoding, and every known client reads exactly this form. */
#include "mime/challenge_mail.h"
#include "base/clock.h"
#include "mime/challenge_field.h"

G_DEFINE_QUARK(signet - challenge - mail - error, challenge_mail_error)

/* No block marker may stand in here: one client takes any block in the body for the token. */
static const char body[] =
    "Hello,\r\n"
    "\r\n"
    "somebody asked the certificate authority\r\n"
    "\r\n"
    "    %s\r\n"
    "\r\n"
    "for an S/MIME certificate (for signing and encrypting e-mail) that names\r\n"
    "this mailbox:\r\n"
    "\r\n"
    "    %s\r\n"
    "\r\n"
    "With this message the authority makes sure that whoever asked can read and\r\n"
    "answer mail here.\r\n"
    "\r\n"
    "If it was you: your certificate program may be waiting for this message and\r\n"
    "answer it by itself. If it asks you for the first part of the token\r\n"
    "(token-part1), copy it from the subject of this message: it is what follows\r\n"
    "\"ACME:\". The program then gives you a short block of text. Reply to this\r\n"
    "message as plain text, leave the subject as it is, and put that block into\r\n"
    "your reply, on lines of its own.\r\n"
    "\r\n"
    "If it was not you: do not reply, do nothing, and give the subject of this\r\n"
    "message to nobody. Without a reply from this mailbox no certificate is made.\r\n"
    "Should such messages keep coming, tell the authority named above.\r\n"
    "\r\n"
    "A program sent this message.\r\n";

static gboolean check(const ChallengeMail *mail, GError **error) {
  return challenge_field_check_address("the sender address", mail->from, error) &&
         challenge_field_check_address("the recipient address", mail->to, error) &&
         challenge_field_check_token(mail->token, error) &&
         challenge_field_check_message_id("the Message-ID", mail->message_id, error) &&
         challenge_field_check_service(mail->service, error) &&
         challenge_field_check_date(mail->date, error);
}

GBytes *challenge_mail_compose(const ChallengeMail *mail, GError **error) {
  if (!check(mail, error))
    return NULL;
  g_autofree char *date = clock_rfc5322(mail->date);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "From: %s\r\n", mail->from);
  g_string_append_printf(text, "Reply-To: %s\r\n", mail->from);
  g_string_append_printf(text, "To: %s\r\n", mail->to);
  g_string_append_printf(text, "Subject: ACME: %s\r\n", mail->token);
  g_string_append_printf(text, "Date: %s\r\n", date);
  g_string_append_printf(text, "Message-ID: %s\r\n", mail->message_id);
  g_string_append(text, "Auto-Submitted: auto-generated; type=acme\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=us-ascii\r\n"
                        "Content-Transfer-Encoding: 7bit\r\n"
                        "\r\n");
  g_string_append_printf(text, body, mail->service, mail->to);
  return g_string_free_to_bytes(text);
}
