/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stream_write.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define PENDING_MAX                                                                                \
  65536 /* octets of a client that are not handled yet: above, nothing more is read */
#define OUTPUT_MAX 65536   /* octets that a client has not taken: above, it is dropped */
#define LINGER_MAX 1048576 /* octets read and dropped after the last reply */
#define LINGER_SECONDS 5   /* for taking the last reply and closing */
#define ACCEPT_PAUSE_SECONDS 1

typedef struct Connection Connection;

struct SmtpServer {
  struct event_base *base;
  struct evconnlistener *listener; /* NULL when stopped */
  struct event *resume;            /* ends the pause after a failing accept */
  SmtpServerOptions options;       /* its texts are ours */
  SmtpServerHandlers handlers;
  gpointer user;
  GHashTable *connections; /* of Connection */
  GHashTable *sources;     /* char* -> number of connections */
};

/* Invariant: question is the open one (its connection is this) or NULL. */
struct Connection {
  SmtpServer *server;
  char *peer, *source;
  SmtpSession *session;
  gint64 heard; /* monotonic microseconds: when its last reply was made */
  gsize taken;  /* octets read since the command timer was set */
  struct bufferevent *stream;
  struct event *command_timer;
  struct event *session_timer;
  SmtpQuestion *question;
  gboolean handling;  /* inside pump: an answer that comes now is taken up there */
  gboolean handshake; /* from START_TLS to the end of the handshake */
  gboolean closing;   /* the last reply is on its way */
  gsize lingered;
};

/* connection is NULL when the client has left. */
struct SmtpQuestion {
  Connection *connection;
  char *recipient;
  SmtpEnvelope *envelope;
  GBytes *message;
};

static void question_free(SmtpQuestion *question) {
  g_free(question->recipient);
  g_clear_pointer(&question->envelope, smtp_envelope_free);
  g_clear_pointer(&question->message, g_bytes_unref);
  g_free(question);
}

/* Connections: counting and ending them */

static guint count_of(const SmtpServer *server, const char *source) {
  return GPOINTER_TO_UINT(g_hash_table_lookup(server->sources, source));
}

static void set_count(SmtpServer *server, const char *source, guint count) {
  if (count == 0)
    g_hash_table_remove(server->sources, source);
  else
    g_hash_table_insert(server->sources, g_strdup(source), GUINT_TO_POINTER(count));
}

static void orphan_question(Connection *connection) {
  if (connection->question != NULL)
    connection->question->connection = NULL;
  connection->question = NULL;
}

static void connection_free(Connection *connection) {
  SmtpServer *server = connection->server;
  set_count(server, connection->source, count_of(server, connection->source) - 1);
  orphan_question(connection);
  event_free(connection->command_timer);
  event_free(connection->session_timer);
  bufferevent_free(connection->stream);
  smtp_session_free(connection->session);
  g_free(connection->peer);
  g_free(connection->source);
  g_free(connection);
}

/* Ends it without a further word. */
static void drop(Connection *connection, const char *reason) {
  log_info("smtp session dropped", "peer", connection->peer, "reason", reason, NULL);
  g_hash_table_remove(connection->server->connections, connection);
}

static void arm(struct event *timer, guint seconds) {
  const struct timeval time = {.tv_sec = (time_t)seconds};
  event_add(timer, &time);
}

static gsize output_length(const Connection *connection) {
  return evbuffer_get_length(bufferevent_get_output(connection->stream));
}

/* Once the last reply is with the kernel our side is shut, and what the peer still sends is read
   and dropped for a while: a close on unread octets would send a reset, and that can take the reply
   away from the peer. */
static void linger(Connection *connection) {
  if (output_length(connection) > 0)
    return;
  SSL *ssl = bufferevent_openssl_get_ssl(connection->stream);
  if (ssl != NULL)
    SSL_shutdown(ssl);
  shutdown(bufferevent_getfd(connection->stream), SHUT_WR);
}

static void finish(Connection *connection) {
  const char *refusal = smtp_session_refusal(connection->session);
  if (refusal != NULL)
    log_info("smtp session refused", "peer", connection->peer, "reason", refusal, NULL);
  else
    log_debug("smtp session closed", "peer", connection->peer, NULL);
  orphan_question(connection);
  connection->closing = TRUE;
  event_del(connection->session_timer);
  arm(connection->command_timer, LINGER_SECONDS);
  bufferevent_enable(connection->stream, EV_READ);
  linger(connection);
}

/* Questions */

static SmtpEnvelope *copy_envelope(const SmtpEnvelope *envelope) {
  SmtpEnvelope *copy = g_new0(SmtpEnvelope, 1);
  copy->peer = g_strdup(envelope->peer);
  copy->helo = g_strdup(envelope->helo);
  copy->from = g_strdup(envelope->from);
  copy->recipients = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < envelope->recipients->len; i++)
    g_ptr_array_add(copy->recipients, g_strdup(envelope->recipients->pdata[i]));
  copy->tls = envelope->tls;
  copy->utf8 = envelope->utf8;
  return copy;
}

static SmtpQuestion *question_new(Connection *connection) {
  SmtpQuestion *question = g_new0(SmtpQuestion, 1);
  question->connection = connection;
  connection->question = question;
  event_del(connection->command_timer);
  return question;
}

/* What each event asks for. TRUE: the session can go on at once. */

static gboolean ask_recipient(Connection *connection) {
  SmtpServer *server = connection->server;
  SmtpQuestion *question = question_new(connection);
  question->recipient = g_strdup(smtp_session_recipient(connection->session));
  server->handlers.recipient(question, question->recipient, server->user);
  return connection->question == NULL;
}

static gboolean ask_message(Connection *connection) {
  SmtpServer *server = connection->server;
  SmtpQuestion *question = question_new(connection);
  question->envelope = copy_envelope(smtp_session_envelope(connection->session));
  question->message = g_bytes_ref(smtp_session_message(connection->session));
  server->handlers.message(question, question->envelope, question->message, server->user);
  return connection->question == NULL;
}

/* The handshake begins when the 220 has left; until then nothing is read. */
static gboolean start_tls(Connection *connection) {
  connection->handshake = TRUE;
  bufferevent_disable(connection->stream, EV_READ);
  return FALSE;
}

static gboolean wait_input(Connection *connection G_GNUC_UNUSED) {
  return FALSE;
}

static gboolean close_connection(Connection *connection) {
  finish(connection);
  return FALSE;
}

static gboolean (*const reactions[])(Connection *) = {
    [SMTP_WANT_INPUT] = wait_input,   [SMTP_ASK_RECIPIENT] = ask_recipient,
    [SMTP_ASK_MESSAGE] = ask_message, [SMTP_START_TLS] = start_tls,
    [SMTP_CLOSE] = close_connection,
};

/* The command deadline runs from the last reply; octets alone do not move it. */
static void send_output(Connection *connection) {
  g_autoptr(GBytes) output = smtp_session_take_output(connection->session);
  gsize length = g_bytes_get_size(output);
  if (length == 0)
    return;
  connection->heard = g_get_monotonic_time();
  connection->taken = 0;
  arm(connection->command_timer, connection->server->options.command_seconds);
  bufferevent_write(connection->stream, g_bytes_get_data(output, NULL), length);
  stream_write_soon(connection->stream);
}

/* Backpressure: a client that is ahead of the answers is not read. */
static void set_reading(Connection *connection) {
  if (smtp_session_pending(connection->session) > PENDING_MAX)
    bufferevent_disable(connection->stream, EV_READ);
  else
    bufferevent_enable(connection->stream, EV_READ);
}

/* Feeds the session and does what it asks for until it has to wait. May free the connection. */
static void pump(Connection *connection, const void *data, gsize length) {
  gint64 now = clock_now(&clock_system);
  connection->handling = TRUE;
  SmtpSessionEvent event = smtp_session_feed(connection->session, data, length, now);
  send_output(connection);
  /* With a question open the event is still that question: it is asked once. */
  while (connection->question == NULL && reactions[event](connection)) {
    event = smtp_session_feed(connection->session, NULL, 0, now);
    send_output(connection);
  }
  connection->handling = FALSE;
  if (output_length(connection) > OUTPUT_MAX)
    drop(connection, "replies are not taken");
  else if (!connection->closing && !connection->handshake)
    set_reading(connection);
}

void smtp_question_answer(SmtpQuestion *question, int code, const char *enhanced,
                          const char *text) {
  Connection *connection = question->connection;
  question_free(question);
  if (connection == NULL)
    return;
  connection->question = NULL;
  smtp_session_answer(connection->session, code, enhanced, text);
  if (!connection->handling)
    pump(connection, NULL, 0);
}

/* libevent callbacks */

static void on_read(struct bufferevent *stream, void *user) {
  Connection *connection = user;
  struct evbuffer *input = bufferevent_get_input(stream);
  gsize length = evbuffer_get_length(input);
  if (connection->closing) {
    connection->lingered += length;
    evbuffer_drain(input, length);
    if (connection->lingered > LINGER_MAX)
      drop(connection, "sends on after the end");
    return;
  }
  g_autofree guchar *data = g_malloc(length);
  evbuffer_remove(input, data, length);
  connection->taken += length;
  pump(connection, data, length);
}

static void set_callbacks(Connection *connection);

/* Puts TLS on the socket. What was read before has been given to the session, which refuses octets
   behind STARTTLS: none of them reach the TLS session (RFC 3207 section 6). */
static void begin_handshake(Connection *connection) {
  SmtpServer *server = connection->server;
  SSL *ssl = server->options.tls == NULL ? NULL : SSL_new(server->options.tls);
  if (ssl == NULL) {
    drop(connection, "no TLS context");
    return;
  }
  SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
  SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  evutil_socket_t fd = bufferevent_getfd(connection->stream);
  bufferevent_setfd(connection->stream, -1);
  bufferevent_free(connection->stream);
  connection->stream = bufferevent_openssl_socket_new(
      server->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_openssl_set_allow_dirty_shutdown(connection->stream, 1);
  set_callbacks(connection);
  arm(connection->command_timer, server->options.command_seconds);
}

static void on_written(struct bufferevent *stream, void *user) {
  Connection *connection = user;
  if (connection->closing)
    linger(connection);
  else if (connection->handshake && bufferevent_openssl_get_ssl(stream) == NULL)
    begin_handshake(connection);
}

static void end_handshake(Connection *connection) {
  connection->handshake = FALSE;
  smtp_session_tls_started(connection->session);
  arm(connection->command_timer, connection->server->options.command_seconds);
  set_reading(connection);
}

static void on_event(struct bufferevent *stream G_GNUC_UNUSED, short what, void *user) {
  Connection *connection = user;
  if ((what & BEV_EVENT_CONNECTED) != 0)
    end_handshake(connection);
  else if (connection->closing)
    g_hash_table_remove(connection->server->connections, connection);
  else if (connection->handshake)
    drop(connection, "TLS handshake failed");
  else if ((what & BEV_EVENT_EOF) != 0)
    drop(connection, "peer left");
  else
    drop(connection, "connection broke");
}

static void set_callbacks(Connection *connection) {
  bufferevent_setcb(connection->stream, on_read, on_written, on_event, connection);
  bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

static void on_deadline(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Connection *connection = user;
  if (connection->closing)
    g_hash_table_remove(connection->server->connections, connection);
  else if (connection->handshake)
    drop(connection, "TLS handshake too slow");
  else {
    orphan_question(connection);
    smtp_session_timed_out(connection->session);
    pump(connection, NULL, 0);
  }
}

/* A message on a slow line: who sends it octet by octet is not waited for. */
static gboolean goes_on(Connection *connection) {
  const SmtpServerOptions *options = &connection->server->options;
  gint64 spent = (g_get_monotonic_time() - connection->heard) / G_USEC_PER_SEC;
  if (connection->closing || connection->handshake ||
      !smtp_session_in_message(connection->session) || connection->taken < SMTP_SERVER_BLOCK ||
      spent >= options->message_seconds)
    return FALSE;
  connection->taken = 0;
  arm(connection->command_timer,
      MIN(options->command_seconds, options->message_seconds - (guint)spent));
  return TRUE;
}

static void on_command_deadline(evutil_socket_t fd, short what, void *user) {
  if (!goes_on(user))
    on_deadline(fd, what, user);
}

/* Accepting */

/* What one client is told from another by: whoever has an IPv6 network has more addresses than
   there is memory. */
typedef struct {
  char *peer;   /* the address, for logs and fields */
  char *source; /* it, or its /64 */
} Origin;

static void origin_clear(Origin *origin) {
  g_free(origin->peer);
  g_free(origin->source);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Origin, origin_clear)

static Origin origin_of(const struct sockaddr *address) {
  char text[INET6_ADDRSTRLEN] = "unknown";
  if (address->sa_family == AF_UNIX)
    return (Origin){g_strdup(SMTP_LOCAL_PEER), g_strdup(SMTP_LOCAL_PEER)};
  if (address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
              sizeof text);
    return (Origin){g_strdup(text), g_strdup(text)};
  }
  struct in6_addr v6 = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    return (Origin){g_strdup(text), g_strdup(text)};
  }
  Origin origin = {g_strdup(inet_ntop(AF_INET6, &v6, text, sizeof text)), NULL};
  memset(v6.s6_addr + 8, 0, 8);
  origin.source = g_strdup(inet_ntop(AF_INET6, &v6, text, sizeof text));
  return origin;
}

/* A client waits for no answer of ours, and no recipient of its was accepted. */
static gboolean is_idle(const Connection *connection) {
  const SmtpEnvelope *envelope = smtp_session_envelope(connection->session);
  return connection->question == NULL && (envelope == NULL || envelope->recipients->len == 0);
}

/* Connections by the thousand that do nothing keep no mail away: the one that has been idle longest
   makes room. FALSE when none is idle. */
static gboolean make_room(SmtpServer *server) {
  GHashTableIter iter;
  gpointer key = NULL;
  Connection *idlest = NULL;
  g_hash_table_iter_init(&iter, server->connections);
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    Connection *connection = key;
    if (is_idle(connection) && (idlest == NULL || connection->heard < idlest->heard))
      idlest = connection;
  }
  if (idlest == NULL)
    return FALSE;
  drop(idlest, "idle, and its place was needed");
  return TRUE;
}

static const char *find_limit(SmtpServer *server, const char *source) {
  if (count_of(server, source) >= server->options.max_per_source)
    return "too many sessions of one source";
  if (g_hash_table_size(server->connections) >= server->options.max_sessions && !make_room(server))
    return "too many sessions";
  return NULL;
}

/* The socket's buffer is empty: one short line fits, or the peer has gone. */
static void refuse_socket(const SmtpServer *server, evutil_socket_t fd, const char *peer,
                          const char *reason) {
  g_autofree char *line =
      g_strdup_printf("421 4.7.0 %s %s, try again later\r\n", server->options.hostname, reason);
  if (server->handlers.replied != NULL)
    server->handlers.replied(421, server->user);
  log_info("smtp session refused", "peer", peer, "reason", reason, NULL);
  if (send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    log_debug("smtp refusal not sent", "peer", peer, NULL);
  evutil_closesocket(fd);
}

static Connection *connection_new(SmtpServer *server, evutil_socket_t fd, const Origin *origin) {
  const SmtpSessionOptions options = {.hostname = server->options.hostname,
                                      .max_message = server->options.max_message,
                                      .offer_starttls = server->options.tls != NULL,
                                      .replied = server->handlers.replied,
                                      .user = server->user,
                                      .lmtp = server->options.lmtp};
  Connection *connection = g_new0(Connection, 1);
  connection->server = server;
  connection->peer = g_strdup(origin->peer);
  connection->source = g_strdup(origin->source);
  connection->heard = g_get_monotonic_time();
  connection->session = smtp_session_new(&options, origin->peer);
  connection->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
  connection->command_timer = evtimer_new(server->base, on_command_deadline, connection);
  connection->session_timer = evtimer_new(server->base, on_deadline, connection);
  set_count(server, origin->source, count_of(server, origin->source) + 1);
  g_hash_table_add(server->connections, connection);
  return connection;
}

static void on_accept(struct evconnlistener *listener G_GNUC_UNUSED, evutil_socket_t fd,
                      struct sockaddr *address, int length G_GNUC_UNUSED, void *user) {
  SmtpServer *server = user;
  g_auto(Origin) origin = origin_of(address);
  const char *limit = find_limit(server, origin.source);
  if (limit != NULL) {
    refuse_socket(server, fd, origin.peer, limit);
    return;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Connection *connection = connection_new(server, fd, &origin);
  set_callbacks(connection);
  arm(connection->session_timer, server->options.session_seconds);
  /* Octets that lie there before we have sent one come from no SMTP client. They stay in the socket
     for the read that drops them; one is enough to show the session. */
  char early = 0;
  ssize_t waiting = recv(fd, &early, 1, MSG_PEEK | MSG_DONTWAIT);
  if (waiting <= 0)
    send_output(connection);
  else
    pump(connection, &early, 1);
}

/* Out of descriptors, most likely: wait a little instead of spinning. */
static void on_accept_error(struct evconnlistener *listener, void *user) {
  SmtpServer *server = user;
  log_error("smtp accept failed", "reason", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()),
            NULL);
  evconnlistener_disable(listener);
  arm(server->resume, ACCEPT_PAUSE_SECONDS);
}

static void on_resume(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  SmtpServer *server = user;
  if (server->listener != NULL)
    evconnlistener_enable(server->listener);
}

static void free_connection_key(gpointer connection) {
  connection_free(connection);
}

SmtpServer *smtp_server_new(struct event_base *base, int fd, const SmtpServerOptions *options,
                            const SmtpServerHandlers *handlers, gpointer user) {
  SmtpServer *server = g_new0(SmtpServer, 1);
  server->base = base;
  server->options = *options;
  server->options.hostname = g_strdup(options->hostname);
  if (options->tls != NULL)
    SSL_CTX_up_ref(options->tls);
  server->handlers = *handlers;
  server->user = user;
  server->connections = g_hash_table_new_full(NULL, NULL, free_connection_key, NULL);
  server->sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  server->resume = evtimer_new(base, on_resume, server);
  server->listener = evconnlistener_new(base, on_accept, server,
                                        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
  evconnlistener_set_error_cb(server->listener, on_accept_error);
  return server;
}

void smtp_server_stop(SmtpServer *server) {
  g_clear_pointer(&server->listener, evconnlistener_free);
}

void smtp_server_free(SmtpServer *server) {
  smtp_server_stop(server);
  g_hash_table_unref(server->connections);
  g_hash_table_unref(server->sources);
  event_free(server->resume);
  SSL_CTX_free(server->options.tls);
  g_free((char *)server->options.hostname);
  g_free(server);
}

void smtp_server_set_tls(SmtpServer *server, SSL_CTX *tls) {
  if (tls != NULL)
    SSL_CTX_up_ref(tls);
  SSL_CTX_free(server->options.tls);
  server->options.tls = tls;
}
