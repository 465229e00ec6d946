/* SPDX-License-Identifier: Apache-2.0 */
/* --mail print: a person is the mail program. */
#include "base/log.h"
#include "client/failure.h"
#include "client/line_input.h"
#include "client/mail_way.h"
#include "client/output.h"
#include "client/reply_digest.h"

typedef struct {
  MailWay way;
  LineInput *input;
  const Proof *asked; /* whose token was asked for last */
} MailPrint;

static void ask(MailPrint *print, const Proof *proof) {
  if (print->asked == proof)
    return;
  print->asked = proof;
  g_autofree char *from = log_escape(proof->from, 300);
  g_autofree char *address = log_escape(proof->address, 300);
  output_text("\nA mail comes to   %s\n"
              "from              %s\n"
              "Its subject is \"ACME:\" and a token. Paste the subject or the token here and press "
              "Enter:\n",
              address, from);
}

/* The mail as far as its token tells it: the addresses are known from the challenge. */
static ReceivedChallenge *challenge_from_token(const Proof *proof, const char *token) {
  ReceivedChallenge *mail = g_new0(ReceivedChallenge, 1);
  mail->from = g_strdup(proof->from);
  mail->reply_to = g_strdup(proof->from);
  mail->to = g_strdup(proof->address);
  mail->token = g_strdup(token);
  mail->subject = g_strconcat("ACME: ", token, NULL);
  return mail;
}

static ReceivedChallenge *read_pasted(const Proof *proof, const char *line) {
  g_autofree char *token = reply_token_read(line);
  if (token != NULL)
    return challenge_from_token(proof, token);
  if (line[0] != '\0')
    output_text(
        "That is not a token: it has letters, digits, - and _ only, 22 or more. Once more:\n");
  return NULL;
}

static gboolean mail_print_receive(MailWay *way, const GPtrArray *proofs, gint64 milliseconds,
                                   ReceivedChallenge **mail, GError **error) {
  MailPrint *print = (MailPrint *)way;
  const Proof *proof = proof_awaited(proofs);
  *mail = NULL;
  if (proof == NULL) {
    g_usleep((gulong)milliseconds * 1000);
    return TRUE;
  }
  ask(print, proof);
  g_autofree char *line = NULL;
  LineInputResult result = line_input_next(print->input, milliseconds, &line);
  if (result == LINE_INPUT_LINE)
    *mail = read_pasted(proof, line);
  if (result == LINE_INPUT_END)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "standard input ended before the token for %s was pasted", proof->address);
  return result != LINE_INPUT_END;
}

static gboolean mail_print_reply(MailWay *way, const Proof *proof, const ReceivedChallenge *mail,
                                 const char *digest, GError **error) {
  (void)way, (void)error;
  g_autofree char *to = log_escape(mail->reply_to, 300);
  output_text("\nNow reply to that mail from %s, in plain text. If you write the reply by hand:\n"
              "To:      %s\n"
              "Subject: Re: ACME: %s\n"
              "Its text are these three lines; others around them do no harm:\n\n"
              "-----BEGIN ACME RESPONSE-----\n%s\n-----END ACME RESPONSE-----\n\n",
              proof->address, to, mail->token, digest);
  return TRUE;
}

static void mail_print_free(MailWay *way) {
  MailPrint *print = (MailPrint *)way;
  line_input_free(print->input);
  g_free(print);
}

static const MailWayKind mail_print_kind = {
    .receive = mail_print_receive,
    .reply = mail_print_reply,
    .free = mail_print_free,
};

MailWay *mail_print_new(int input) {
  MailPrint *print = g_new0(MailPrint, 1);
  print->way.kind = &mail_print_kind;
  print->input = line_input_new(input);
  return &print->way;
}
