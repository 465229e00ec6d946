/* SPDX-License-Identifier: Apache-2.0 */
/* Written as text: every known client reads exactly this form. An address beyond ASCII stands raw
   in To (RFC 6532), and makes the body quoted-printable. */
#include "mime/challenge_mail.h"
#include "base/clock.h"
#include "mime/challenge_field.h"
#include "mime/mime_text.h"

#include <string.h>

G_DEFINE_QUARK(signet - challenge - mail - error, challenge_mail_error)

/* No block marker may stand in here: one client takes any block in the body for the token. */
static const char body[] =
    "Hello,\n"
    "\n"
    "somebody asked the certificate authority\n"
    "\n"
    "    %s\n"
    "\n"
    "for an S/MIME certificate (for signing and encrypting e-mail) that names\n"
    "this mailbox:\n"
    "\n"
    "    %s\n"
    "\n"
    "With this message the authority makes sure that whoever asked can read and\n"
    "answer mail here.\n"
    "\n"
    "If it was you: your certificate program may be waiting for this message and\n"
    "answer it by itself. If it asks you for the first part of the token\n"
    "(token-part1), copy it from the subject of this message: it is what follows\n"
    "\"ACME:\". The program then gives you a short block of text. Reply to this\n"
    "message as plain text, leave the subject as it is, and put that block into\n"
    "your reply, on lines of its own.\n"
    "\n"
    "If it was not you: do not reply, do nothing, and give the subject of this\n"
    "message to nobody. Without a reply from this mailbox no certificate is made.\n"
    "Should such messages keep coming, tell the authority named above.\n"
    "\n"
    "A program sent this message.\n";

static gboolean check(const ChallengeMail *mail, GError **error) {
  return challenge_field_check_address("the sender address", mail->from, error) &&
         challenge_field_check_mailbox("the recipient address", mail->to, error) &&
         challenge_field_check_token(mail->token, error) &&
         challenge_field_check_message_id("the Message-ID", mail->message_id, error) &&
         challenge_field_check_service(mail->service, error) &&
         challenge_field_check_date(mail->date, error);
}

/* text (UTF-8, LF line ends) as lines of ASCII, so that no server on the way needs 8BITMIME. The
   caller frees it. */
static char *quoted_printable(const char *text) {
  GMimeEncoding encoder;
  mime_init();
  g_mime_encoding_init_encode(&encoder, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
  gsize length = strlen(text);
  g_autofree char *encoded = g_malloc(g_mime_encoding_outlen(&encoder, length) + 1);
  encoded[g_mime_encoding_flush(&encoder, text, length, encoded)] = '\0';
  return g_steal_pointer(&encoded);
}

static void append_body(GString *out, const ChallengeMail *mail) {
  gboolean ascii = g_str_is_ascii(mail->to);
  g_autofree char *text = g_strdup_printf(body, mail->service, mail->to);
  g_autofree char *encoded = ascii ? NULL : quoted_printable(text);
  g_string_append_printf(out,
                         "Content-Type: text/plain; charset=%s\r\n"
                         "Content-Transfer-Encoding: %s\r\n\r\n",
                         ascii ? "us-ascii" : "utf-8", ascii ? "7bit" : "quoted-printable");
  g_auto(GStrv) lines = g_strsplit(ascii ? text : encoded, "\n", -1);
  g_autofree char *joined = g_strjoinv("\r\n", lines);
  g_string_append(out, joined);
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
                        "MIME-Version: 1.0\r\n");
  append_body(text, mail);
  return g_string_free_to_bytes(text);
}
