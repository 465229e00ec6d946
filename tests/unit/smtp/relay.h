/* SPDX-License-Identifier: Apache-2.0 */
/* Relays that play a script, with and without TLS, and messages for them. */
#ifndef SIGNET_TESTS_UNIT_SMTP_RELAY_H
#define SIGNET_TESTS_UNIT_SMTP_RELAY_H

#include "smtp/sender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int listen_on_loopback(guint16 *port, int backlog, int flags) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
  g_assert_cmpint(listen(fd, backlog), ==, 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
  *port = ntohs(address.sin_port);
  return fd;
}

/* --- relays --- */

/* One reply for each command; NULL drops the connection. */
typedef struct {
  const char *greeting;
  const char *ehlo;
  const char *mail;
  const char *rcpt;
  const char *data;
  const char *end;      /* to the message */
  gboolean silent;      /* never says a word */
  const char *repeated; /* said for ever once EHLO has come */
  gboolean implicit;    /* TLS from the first octet on */
  const char *starttls; /* after a 220 TLS begins; what stands behind it goes in the same segment */
  const char *ehlo_tls; /* once TLS is there */
  const char *auth;     /* to each line of AUTH; NULL: 334, then 235 */
  gboolean one_mail;    /* drops the connection at the second MAIL */
  gboolean one_message; /* drops the connection behind the end of a message */
  guint pause;          /* milliseconds before the answer to a message */
  guint drip;           /* milliseconds for each line of a message */
} Script;

#define TO_RCPT .greeting = "220 relay", .mail = "250 ok", .rcpt = "250 ok"
#define OFFERED .greeting = "220 relay", .ehlo = "250-relay\r\n250-8BITMIME\r\n250 SMTPUTF8"
#define TO_RCPT8 OFFERED, .mail = "250 ok", .rcpt = "250 ok"

/* heard and the counts are for the test once relay_stop was called. */
typedef struct {
  GThread *thread;
  const Script *script;
  SSL_CTX *tls; /* NULL: cannot */
  int fd;
  guint16 port;
  GString *heard; /* commands, "tls " before those inside TLS */
  guint sessions;
  int tls_version;
  gint stopping;
  gboolean hurried; /* the sender's socket had TCP_NODELAY at the last DATA */
} Relay;

/* One session. */
typedef struct {
  Relay *relay;
  int fd;
  FILE *in, *out;
  SSL *tls;
  guint mails;
} Talk;

static inline ssize_t tls_read(void *user, char *buffer, size_t size) {
  int got = SSL_read(user, buffer, (int)size);
  return got > 0 ? got : 0;
}

static inline ssize_t tls_write(void *user, const char *buffer, size_t size) {
  int put = SSL_write(user, buffer, (int)size);
  return put > 0 ? put : 0;
}

static inline void talk_close(Talk *talk) {
  fclose(talk->in);
  fclose(talk->out);
}

/* FALSE: the handshake failed. */
static inline gboolean talk_start_tls(Talk *talk) {
  talk_close(talk);
  talk->tls = SSL_new(talk->relay->tls);
  SSL_set_fd(talk->tls, talk->fd);
  gboolean good = SSL_accept(talk->tls) == 1;
  talk->relay->tls_version = good ? SSL_version(talk->tls) : 0;
  talk->in = fopencookie(talk->tls, "r", (cookie_io_functions_t){.read = tls_read});
  talk->out = fopencookie(talk->tls, "w", (cookie_io_functions_t){.write = tls_write});
  return good;
}

static inline gboolean say(Talk *talk, const char *reply) {
  return reply != NULL && fprintf(talk->out, "%s\r\n", reply) > 0 && fflush(talk->out) == 0;
}

static inline gboolean take_message(Talk *talk, const char *reply) {
  char line[1100];
  while (fgets(line, sizeof line, talk->in) != NULL) {
    if (strcmp(line, ".\r\n") == 0) {
      g_usleep(1000UL * talk->relay->script->pause);
      return say(talk, reply) && !talk->relay->script->one_message;
    }
    if (!g_atomic_int_get(&talk->relay->stopping))
      g_usleep(1000UL * talk->relay->script->drip);
  }
  return FALSE;
}

static inline void repeat(Talk *talk, const char *reply) {
  while (say(talk, reply))
    g_usleep(50000);
}

static inline gboolean take_ehlo(Talk *talk) {
  const Script *script = talk->relay->script;
  if (script->repeated != NULL)
    repeat(talk, script->repeated);
  const char *reply =
      talk->tls != NULL && script->ehlo_tls != NULL ? script->ehlo_tls : script->ehlo;
  return say(talk, reply != NULL ? reply : "250 relay");
}

static inline gboolean is_hurried(int fd) {
  int on = 0;
  socklen_t length = sizeof on;
  return getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &length) == 0 && on != 0;
}

/* The sender is in this process: its socket is the one whose own address is our peer's. */
static inline gboolean sender_is_hurried(const Talk *talk) {
  struct sockaddr_in peer = {0}, own = {0};
  socklen_t length = sizeof peer;
  g_assert_cmpint(getpeername(talk->fd, (struct sockaddr *)&peer, &length), ==, 0);
  for (int fd = 0; fd < 1024; fd++) {
    length = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &length) == 0 && own.sin_family == AF_INET &&
        own.sin_port == peer.sin_port)
      return is_hurried(fd);
  }
  return FALSE;
}

static inline gboolean take_data(Talk *talk) {
  const Script *script = talk->relay->script;
  talk->relay->hurried = sender_is_hurried(talk);
  return say(talk, script->data) && (script->data[0] != '3' || take_message(talk, script->end));
}

static inline gboolean play_command(Talk *talk, const char *line) {
  const Script *script = talk->relay->script;
  if (g_str_has_prefix(line, "MAIL"))
    return (++talk->mails == 1 || !script->one_mail) && say(talk, script->mail);
  if (g_str_has_prefix(line, "RCPT"))
    return say(talk, script->rcpt);
  if (g_str_has_prefix(line, "DATA"))
    return take_data(talk);
  if (g_str_has_prefix(line, "STARTTLS"))
    return say(talk, script->starttls) && (script->starttls[0] != '2' || talk_start_tls(talk));
  if (g_str_has_prefix(line, "AUTH"))
    return say(talk, script->auth != NULL ? script->auth : "334 ");
  if (g_str_has_prefix(line, "EHLO"))
    return take_ehlo(talk);
  if (g_ascii_isalnum(line[0]) && strchr(line, ' ') == NULL && strlen(line) > 6)
    return say(talk, "235 in"); /* what AUTH goes on with */
  return say(talk, "250 fine") && !g_str_has_prefix(line, "QUIT");
}

static inline void play(Talk *talk) {
  Relay *relay = talk->relay;
  char line[1100];
  gboolean on = (!relay->script->implicit || talk_start_tls(talk)) &&
                (relay->script->silent || say(talk, relay->script->greeting));
  while (on && fgets(line, sizeof line, talk->in) != NULL) {
    g_string_append_printf(relay->heard, "%s%s", talk->tls != NULL ? "tls " : "", line);
    on = relay->script->silent || play_command(talk, line);
  }
}

static inline gpointer relay_run(gpointer user) {
  Relay *relay = user;
  int fd = -1;
  while ((fd = accept4(relay->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    Talk talk = {relay, fd, fdopen(dup(fd), "r"), fdopen(dup(fd), "w"), NULL, 0};
    relay->sessions++;
    play(&talk);
    talk_close(&talk);
    SSL_free(talk.tls);
    close(fd);
  }
  ERR_clear_error();
  return NULL;
}

/* tls is the caller's; NULL: none. */
static inline Relay *relay_new_tls(const Script *script, SSL_CTX *tls) {
  Relay *relay = g_new0(Relay, 1);
  relay->script = script;
  relay->tls = tls;
  relay->heard = g_string_new(NULL);
  relay->fd = listen_on_loopback(&relay->port, 16, 0);
  relay->thread = g_thread_new("relay", relay_run, relay);
  return relay;
}

static inline Relay *relay_new(const Script *script) {
  return relay_new_tls(script, NULL);
}

static inline void relay_stop(Relay *relay) {
  if (relay->thread == NULL)
    return;
  g_atomic_int_set(&relay->stopping, TRUE);
  shutdown(relay->fd, SHUT_RDWR);
  g_thread_join(g_steal_pointer(&relay->thread));
}

static inline void relay_free(Relay *relay) {
  relay_stop(relay);
  close(relay->fd);
  g_string_free(relay->heard, TRUE);
  g_free(relay);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Relay, relay_free)

/* --- messages --- */

#define GOOD "user@example.org"
#define ANNA "\u0430\u043d\u043d\u0430@xn--bcher-kva.example"

#define HEADER                                                                                     \
  "DKIM-Signature: v=1; a=rsa-sha256;\r\n\tb=abc\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"     \
  "From: ACME <acme@example.net>\r\nTo: user@example.org\r\nSubject: ACME: token\r\nReply-To: "    \
  "acme@example.net\r\n"                                                                           \
  "Message-ID: <1@example.net>\r\nAuto-Submitted: auto-generated; type=acme\r\n\r\n"

static inline SenderMessage *message_of(const char *to, const char *text, gsize length) {
  g_autoptr(GBytes) bytes = g_bytes_new(text, length);
  return sender_message_new("bounce+1@example.net", to, bytes);
}

static inline SenderMessage *letter(const char *to, const char *body) {
  g_autofree char *text = g_strconcat(HEADER, body, NULL);
  return message_of(to, text, strlen(text));
}

static inline GPtrArray *messages_new(void) {
  return g_ptr_array_new_with_free_func((GDestroyNotify)sender_message_free);
}

static inline void send_by(const SenderRelay *first, const SenderRelay *second,
                           GPtrArray *messages) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) relays = g_ptr_array_new();
  g_ptr_array_add(relays, (gpointer)first);
  if (second != NULL)
    g_ptr_array_add(relays, (gpointer)second);
  g_assert_true(sender_send(relays, messages, &error));
  g_assert_no_error(error);
}

static inline SenderRelay relay_at(guint16 port, guint seconds) {
  return (SenderRelay){
      .host = "127.0.0.1", .port = port, .ehlo = "signet.example.net", .timeout_seconds = seconds};
}

static inline void send_all(guint16 port, guint seconds, GPtrArray *messages) {
  const SenderRelay relay = relay_at(port, seconds);
  send_by(&relay, NULL, messages);
}

static inline void check(GPtrArray *messages, guint i, SenderOutcome outcome, int code,
                         const char *text) {
  const SenderMessage *message = messages->pdata[i];
  g_test_message("%d %d %s", message->outcome, message->code, message->text);
  g_assert_cmpint(message->outcome, ==, outcome);
  g_assert_cmpint(message->code, ==, code);
  g_assert_nonnull(strstr(message->text, text));
}

#endif
