/* SPDX-License-Identifier: Apache-2.0 */
#include "load_mail.h"

#include "load_http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_SECONDS 240 /* of a connection: servers end sessions that last */

static struct sockaddr_in this_host(guint16 port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void send_at_once(struct bufferevent *connection) {
  int on = 1;
  setsockopt(bufferevent_getfd(connection), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* --- the sink
 * ---------------------------------------------------------------------------------------------- */

struct LoadSink {
  struct event_base *base;
  struct evconnlistener *listener;
  GPtrArray *sessions;
  LoadMailTaken taken;
  gpointer user;
};

typedef struct {
  LoadSink *sink;
  struct bufferevent *connection;
  GString *message; /* NULL: commands are read */
} SinkSession;

static void session_free(gpointer data) {
  SinkSession *session = data;
  if (session->message != NULL)
    g_string_free(session->message, TRUE);
  bufferevent_free(session->connection);
  g_free(session);
}

static void sink_command(SinkSession *session, const char *line) {
  static const struct {
    const char *verb, *reply;
  } replies[] = {{"EHLO", "250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"},
                 {"HELO", "250 sink\r\n"},
                 {"MAIL", "250 ok\r\n"},
                 {"RCPT", "250 ok\r\n"},
                 {"RSET", "250 ok\r\n"},
                 {"NOOP", "250 ok\r\n"},
                 {"DATA", "354 go\r\n"},
                 {"QUIT", "221 bye\r\n"}};
  for (gsize i = 0; i < G_N_ELEMENTS(replies); i++)
    if (g_ascii_strncasecmp(line, replies[i].verb, 4) == 0) {
      bufferevent_write(session->connection, replies[i].reply, strlen(replies[i].reply));
      if (strcmp(replies[i].verb, "DATA") == 0)
        session->message = g_string_sized_new(8192);
      return;
    }
  load_fail("the sink does not know", line);
}

static void sink_line(SinkSession *session, const char *line) {
  if (session->message == NULL) {
    sink_command(session, line);
  } else if (strcmp(line, ".") != 0) {
    g_string_append(session->message, line[0] == '.' ? line + 1 : line);
    g_string_append(session->message, "\r\n");
  } else {
    g_autoptr(GBytes) message = g_string_free_to_bytes(g_steal_pointer(&session->message));
    bufferevent_write(session->connection, "250 taken\r\n", 11);
    session->sink->taken(message, session->sink->user);
  }
}

static void on_sink_input(struct bufferevent *connection, void *user) {
  struct evbuffer *input = bufferevent_get_input(connection);
  for (char *line = NULL;
       (line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF_STRICT)) != NULL;) {
    sink_line(user, line);
    free(line);
  }
}

static void on_sink_event(struct bufferevent *connection G_GNUC_UNUSED, short what G_GNUC_UNUSED,
                          void *user) {
  SinkSession *session = user;
  g_ptr_array_remove_fast(session->sink->sessions, session);
}

static void on_sink_client(struct evconnlistener *listener G_GNUC_UNUSED, evutil_socket_t fd,
                           struct sockaddr *address G_GNUC_UNUSED, int length G_GNUC_UNUSED,
                           void *user) {
  LoadSink *sink = user;
  SinkSession *session = g_new0(SinkSession, 1);
  session->sink = sink;
  session->connection = bufferevent_socket_new(sink->base, fd, BEV_OPT_CLOSE_ON_FREE);
  g_ptr_array_add(sink->sessions, session);
  send_at_once(session->connection);
  bufferevent_setcb(session->connection, on_sink_input, NULL, on_sink_event, session);
  bufferevent_enable(session->connection, EV_READ | EV_WRITE);
  bufferevent_write(session->connection, "220 sink\r\n", 10);
}

LoadSink *load_sink_new(struct event_base *base, guint16 port, LoadMailTaken taken, gpointer user) {
  struct sockaddr_in address = this_host(port);
  LoadSink *sink = g_new0(LoadSink, 1);
  *sink = (LoadSink){.base = base, .taken = taken, .user = user};
  sink->sessions = g_ptr_array_new_with_free_func(session_free);
  sink->listener = evconnlistener_new_bind(
      base, on_sink_client, sink, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
      -1, (struct sockaddr *)&address, sizeof(address));
  if (sink->listener == NULL)
    load_fail("the sink cannot listen", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
  return sink;
}

void load_sink_free(LoadSink *sink) {
  evconnlistener_free(sink->listener);
  g_ptr_array_unref(sink->sessions);
  g_free(sink);
}

/* --- the sender
 * ---------------------------------------------------------------------------------------------- */

typedef struct {
  char *commands; /* MAIL, RCPT, DATA */
  GString *data;  /* dots doubled, with the final dot */
  LoadMailSent sent;
  gpointer user;
} Letter;

/* replies: how many more are awaited before the next step. */
typedef struct {
  LoadSender *sender;
  struct bufferevent *connection;
  gint64 opened;
  Letter *letter; /* NULL: idle, or not greeted yet */
  enum { STEP_GREETING, STEP_HELLO, STEP_IDLE, STEP_COMMANDS, STEP_MESSAGE } step;
  guint replies;
} Courier;

struct LoadSender {
  struct event_base *base;
  guint16 port;
  guint most;
  GPtrArray *couriers;
  GQueue waiting; /* of Letter */
};

static void letter_free(gpointer data) {
  Letter *letter = data;
  g_free(letter->commands);
  g_string_free(letter->data, TRUE);
  g_free(letter);
}

static void courier_free(gpointer data) {
  Courier *courier = data;
  if (courier->letter != NULL)
    letter_free(courier->letter);
  bufferevent_free(courier->connection);
  g_free(courier);
}

static void courier_go(Courier *courier) {
  if (courier->step != STEP_IDLE || g_queue_is_empty(&courier->sender->waiting))
    return;
  courier->letter = g_queue_pop_head(&courier->sender->waiting);
  courier->step = STEP_COMMANDS;
  courier->replies = 3;
  bufferevent_write(courier->connection, courier->letter->commands,
                    strlen(courier->letter->commands));
}

static void courier_delivered(Courier *courier) {
  Letter *letter = g_steal_pointer(&courier->letter);
  courier->step = STEP_IDLE;
  courier_go(courier);
  letter->sent(letter->user);
  letter_free(letter);
}

static void courier_step(Courier *courier) {
  struct bufferevent *connection = courier->connection;
  courier->replies = 1;
  if (courier->step == STEP_GREETING) {
    courier->step = STEP_HELLO;
    bufferevent_write(connection, "EHLO bench.test\r\n", 17);
  } else if (courier->step == STEP_HELLO) {
    courier->step = STEP_IDLE;
    courier_go(courier);
  } else if (courier->step == STEP_COMMANDS) {
    courier->step = STEP_MESSAGE;
    bufferevent_write(connection, courier->letter->data->str, courier->letter->data->len);
  } else {
    courier_delivered(courier);
  }
}

static void on_courier_input(struct bufferevent *connection, void *user) {
  Courier *courier = user;
  struct evbuffer *input = bufferevent_get_input(connection);
  for (char *line = NULL;
       (line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF_STRICT)) != NULL;) {
    gboolean last = strlen(line) < 4 || line[3] != '-';
    if (line[0] != '2' && line[0] != '3')
      load_fail("the mail server said", line);
    free(line);
    if (last && --courier->replies == 0)
      courier_step(courier);
  }
}

static void on_courier_event(struct bufferevent *connection, short what, void *user) {
  Courier *courier = user;
  if ((what & BEV_EVENT_CONNECTED) != 0)
    send_at_once(connection);
  else if (courier->step != STEP_IDLE)
    load_fail("the mail server", "closed the connection");
  else
    g_ptr_array_remove_fast(courier->sender->couriers, courier);
}

static void hire(LoadSender *sender) {
  struct sockaddr_in address = this_host(sender->port);
  Courier *courier = g_new0(Courier, 1);
  *courier = (Courier){.sender = sender, .opened = g_get_monotonic_time(), .replies = 1};
  courier->connection = bufferevent_socket_new(sender->base, -1, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(courier->connection, on_courier_input, NULL, on_courier_event, courier);
  bufferevent_enable(courier->connection, EV_READ | EV_WRITE);
  if (bufferevent_socket_connect(courier->connection, (struct sockaddr *)&address,
                                 sizeof(address)) != 0)
    load_fail("connect", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
  g_ptr_array_add(sender->couriers, courier);
}

static void dismiss_old(LoadSender *sender) {
  gint64 before = g_get_monotonic_time() - KEEP_SECONDS * G_USEC_PER_SEC;
  for (guint i = sender->couriers->len; i-- > 0;) {
    const Courier *courier = sender->couriers->pdata[i];
    if (courier->step == STEP_IDLE && courier->opened < before)
      g_ptr_array_remove_index_fast(sender->couriers, i);
  }
}

static Courier *idle_courier(const LoadSender *sender) {
  for (guint i = 0; i < sender->couriers->len; i++)
    if (((Courier *)sender->couriers->pdata[i])->step == STEP_IDLE)
      return sender->couriers->pdata[i];
  return NULL;
}

LoadSender *load_sender_new(struct event_base *base, guint16 port, guint connections) {
  LoadSender *sender = g_new0(LoadSender, 1);
  *sender = (LoadSender){.base = base, .port = port, .most = connections};
  sender->couriers = g_ptr_array_new_with_free_func(courier_free);
  g_queue_init(&sender->waiting);
  return sender;
}

void load_sender_free(LoadSender *sender) {
  g_queue_clear_full(&sender->waiting, letter_free);
  g_ptr_array_unref(sender->couriers);
  g_free(sender);
}

static void append_stuffed(GString *data, const char *octets, gsize length) {
  gboolean line_begins = TRUE;
  for (gsize i = 0; i < length; i++) {
    if (line_begins && octets[i] == '.')
      g_string_append_c(data, '.');
    g_string_append_c(data, octets[i]);
    line_begins = octets[i] == '\n';
  }
}

void load_sender_send(LoadSender *sender, const char *from, const char *to, const char *head,
                      GBytes *rest, LoadMailSent sent, gpointer user) {
  gsize length = 0;
  const char *octets = g_bytes_get_data(rest, &length);
  Letter *letter = g_new0(Letter, 1);
  *letter = (Letter){.sent = sent, .user = user, .data = g_string_sized_new(length + 2048)};
  letter->commands = g_strdup_printf("MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", from, to);
  g_string_append(letter->data, head);
  append_stuffed(letter->data, octets, length);
  g_string_append(letter->data, ".\r\n");
  g_queue_push_tail(&sender->waiting, letter);
  dismiss_old(sender);
  Courier *courier = idle_courier(sender);
  if (courier != NULL)
    courier_go(courier);
  else if (sender->couriers->len < sender->most)
    hire(sender);
}
