/* SPDX-License-Identifier: Apache-2.0 */
/* --mail pipe: messages on standard input, each ended by a line "." or the end of the input. Lines
   are taken as they are: a message that holds such a line is cut there, which the challenge's
   header survives. */
#include "client/failure.h"
#include "client/line_input.h"
#include "client/mail_way.h"

#include <string.h>

typedef struct {
  MailWay way;
  const MailReplier *replier;
  LineInput *input;
  GString *message; /* its lines so far, CRLF */
} MailPipe;

static ReceivedChallenge *end_message(MailPipe *pipe) {
  if (pipe->message->len == 0)
    return NULL;
  ReceivedChallenge *mail = mail_way_read(pipe->message->str, pipe->message->len);
  g_string_truncate(pipe->message, 0);
  return mail;
}

/* What is beyond the limit is dropped; one octet more makes the reader refuse the message. */
static void add_line(MailPipe *pipe, const char *line) {
  if (pipe->message->len <= MAIL_WAY_MAX_MESSAGE)
    g_string_append_printf(pipe->message, "%s\r\n", line);
}

/* TRUE when a message has ended; *mail may still be NULL. */
static gboolean take_line(MailPipe *pipe, const char *line, ReceivedChallenge **mail) {
  gboolean end = strcmp(line, ".") == 0;
  if (end)
    *mail = end_message(pipe);
  else
    add_line(pipe, line);
  return end;
}

static gboolean take_end(MailPipe *pipe, const Proof *proof, ReceivedChallenge **mail,
                         GError **error) {
  *mail = end_message(pipe);
  if (*mail == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "standard input ended before the challenge mail for %s came", proof->address);
  return *mail != NULL;
}

static gboolean mail_pipe_receive(MailWay *way, const GPtrArray *proofs, gint64 milliseconds,
                                  ReceivedChallenge **mail, GError **error) {
  MailPipe *pipe = (MailPipe *)way;
  const Proof *proof = proof_awaited(proofs);
  gint64 until = g_get_monotonic_time() + milliseconds * 1000;
  *mail = NULL;
  if (proof == NULL) {
    g_usleep((gulong)milliseconds * 1000);
    return TRUE;
  }
  for (;;) {
    g_autofree char *line = NULL;
    gint64 left = MAX(until - g_get_monotonic_time(), 0) / 1000;
    LineInputResult result = line_input_next(pipe->input, left, &line);
    if (result == LINE_INPUT_END)
      return take_end(pipe, proof, mail, error);
    if (result == LINE_INPUT_NOTHING || take_line(pipe, line, mail))
      return TRUE;
  }
}

static gboolean mail_pipe_reply(MailWay *way, const Proof *proof, const ReceivedChallenge *mail,
                                const char *digest, GError **error) {
  return mail_replier_send(((MailPipe *)way)->replier, proof->address, mail, digest, error);
}

static void mail_pipe_free(MailWay *way) {
  MailPipe *pipe = (MailPipe *)way;
  line_input_free(pipe->input);
  g_string_free(pipe->message, TRUE);
  g_free(pipe);
}

static const MailWayKind mail_pipe_kind = {
    .receive = mail_pipe_receive,
    .reply = mail_pipe_reply,
    .free = mail_pipe_free,
};

MailWay *mail_pipe_new(int input, const MailReplier *replier) {
  MailPipe *pipe = g_new0(MailPipe, 1);
  pipe->way.kind = &mail_pipe_kind;
  pipe->replier = replier;
  pipe->input = line_input_new(input);
  pipe->message = g_string_new(NULL);
  return &pipe->way;
}
