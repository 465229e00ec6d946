/* SPDX-License-Identifier: Apache-2.0 */
/* --mail listen: the client is the mail server of the requested addresses for as long as it runs.
 */
#include "base/mailbox.h"
#include "client/listen_socket.h"
#include "client/mail_way.h"
#include "client/output.h"
#include "smtp/server.h"

#include <event2/event.h>

#define FLUSH_MILLISECONDS                                                                         \
  100 /* for the answer to a message to leave before the client turns to it */

typedef struct {
  MailWay way;
  const MailReplier *replier;
  GPtrArray *addresses; /* of Mailbox */
  struct event_base *base;
  struct event *timer; /* ends the loop */
  SmtpServer *server;
  GQueue mails; /* of ReceivedChallenge */
} MailListen;

static void run_loop(MailListen *listener, gint64 milliseconds) {
  struct timeval wait = {.tv_sec = (time_t)(milliseconds / 1000),
                         .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)};
  evtimer_add(listener->timer, &wait);
  event_base_dispatch(listener->base);
}

static void end_loop(evutil_socket_t fd, short what, void *user) {
  (void)fd, (void)what;
  event_base_loopbreak(((MailListen *)user)->base);
}

static void on_recipient(SmtpQuestion *question, const char *address, gpointer user) {
  MailListen *listener = user;
  g_autoptr(Mailbox) mailbox = mailbox_parse(address, NULL);
  for (guint i = 0; mailbox != NULL && i < listener->addresses->len; i++)
    if (mailbox_equal(mailbox, g_ptr_array_index(listener->addresses, i), FALSE)) {
      smtp_question_answer(question, 250, "2.1.5", "Recipient accepted");
      return;
    }
  smtp_question_answer(question, 550, "5.1.1",
                       "No mailbox here but those of the certificate request");
}

/* Nothing is stored, so what is no challenge goes back to its sender. */
static void on_message(SmtpQuestion *question, const SmtpEnvelope *envelope, GBytes *message,
                       gpointer user) {
  MailListen *listener = user;
  (void)envelope;
  ReceivedChallenge *mail =
      mail_way_read(g_bytes_get_data(message, NULL), g_bytes_get_size(message));
  if (mail == NULL) {
    smtp_question_answer(question, 554, "5.7.1", "Only ACME challenges are taken here");
    return;
  }
  g_queue_push_tail(&listener->mails, mail);
  smtp_question_answer(question, 250, "2.0.0", "Challenge taken");
  struct timeval wait = {.tv_usec = FLUSH_MILLISECONDS * 1000};
  evtimer_add(listener->timer, &wait);
}

static gboolean mail_listen_receive(MailWay *way, const GPtrArray *proofs, gint64 milliseconds,
                                    ReceivedChallenge **mail, GError **error) {
  MailListen *listener = (MailListen *)way;
  (void)proofs, (void)error;
  if (g_queue_is_empty(&listener->mails))
    run_loop(listener, milliseconds);
  *mail = g_queue_pop_head(&listener->mails);
  return TRUE;
}

static gboolean mail_listen_reply(MailWay *way, const Proof *proof, const ReceivedChallenge *mail,
                                  const char *digest, GError **error) {
  return mail_replier_send(((MailListen *)way)->replier, proof->address, mail, digest, error);
}

static void free_mail(gpointer mail) {
  received_challenge_free(mail);
}

static void mail_listen_free(MailWay *way) {
  MailListen *listener = (MailListen *)way;
  g_clear_pointer(&listener->server, smtp_server_free);
  g_clear_pointer(&listener->timer, event_free);
  event_base_free(listener->base);
  g_queue_clear_full(&listener->mails, free_mail);
  g_ptr_array_unref(listener->addresses);
  g_free(listener);
}

static const MailWayKind mail_listen_kind = {
    .receive = mail_listen_receive,
    .reply = mail_listen_reply,
    .free = mail_listen_free,
};

static void start_server(MailListen *listener, int fd) {
  static const SmtpServerHandlers handlers = {.recipient = on_recipient, .message = on_message};
  const SmtpServerOptions options = {
      .hostname = ((const Mailbox *)g_ptr_array_index(listener->addresses, 0))->domain,
      .max_message = MAIL_WAY_MAX_MESSAGE,
      .max_sessions = 50,
      .max_per_source = 20,
      .command_seconds = 60,
      .session_seconds = 600,
  };
  listener->server = smtp_server_new(listener->base, fd, &options, &handlers, listener);
}

static void free_mailbox(gpointer mailbox) {
  mailbox_free(mailbox);
}

MailWay *mail_listen_new(const char *listen, const char *const *addresses,
                         const MailReplier *replier, GError **error) {
  int fd = listen_socket_open(listen, error);
  if (fd < 0)
    return NULL;
  MailListen *listener = g_new0(MailListen, 1);
  listener->way.kind = &mail_listen_kind;
  listener->replier = replier;
  listener->addresses = g_ptr_array_new_with_free_func(free_mailbox);
  for (; *addresses != NULL; addresses++)
    g_ptr_array_add(listener->addresses, mailbox_parse(*addresses, NULL));
  g_queue_init(&listener->mails);
  listener->base = event_base_new();
  g_assert(listener->base != NULL);
  listener->timer = evtimer_new(listener->base, end_loop, listener);
  start_server(listener, fd);
  output_step("listen", "for mail on %s", listen);
  return &listener->way;
}
