/* SPDX-License-Identifier: Apache-2.0 */
#include "client/gateway_server.h"

#include "client/gateway_session.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#define AHEAD_MAX (256 * 1024) /* octets that one side is ahead of the other */

struct GatewayServer {
  struct event_base *base;
  struct evconnlistener *listener; /* NULL once it is stopped */
  struct sockaddr_storage behind;
  int behind_length;
  GatewayWaiting *waiting;
  GHashTable *links; /* of Link */
};

/* A connection and the one behind it. */
typedef struct {
  GatewayServer *server;
  struct bufferevent *client, *behind;
  GatewaySession *session;
  GatewayQuestion *question; /* open; NULL */
  gboolean ending;           /* what is written leaves, then it ends */
} Link;

static void link_free(gpointer user) {
  Link *link = user;
  if (link->question != NULL)
    gateway_question_cancel(link->question);
  bufferevent_free(link->client);
  bufferevent_free(link->behind);
  gateway_session_free(link->session);
  g_free(link);
}

static void drop(Link *link) {
  GatewayServer *server = link->server;
  g_hash_table_remove(server->links, link);
  if (server->listener != NULL)
    evconnlistener_enable(server->listener);
}

static gsize unsent(struct bufferevent *stream) {
  return evbuffer_get_length(bufferevent_get_output(stream));
}

static void send_all(struct bufferevent *stream, GBytes *octets) {
  gsize size = 0;
  const void *data = g_bytes_get_data(octets, &size);
  if (size > 0)
    bufferevent_write(stream, data, size);
  g_bytes_unref(octets);
}

/* Who is ahead is not read. */
static void set_reading(Link *link) {
  gboolean ahead =
      unsent(link->behind) > AHEAD_MAX || gateway_session_pending(link->session) > AHEAD_MAX;
  if (ahead)
    bufferevent_disable(link->client, EV_READ);
  else
    bufferevent_enable(link->client, EV_READ);
}

static void react(Link *link, GatewayEvent event);

static void on_verdict(gboolean kept, gpointer user) {
  Link *link = user;
  link->question = NULL;
  react(link, gateway_session_answer(link->session, kept));
}

static void ask(Link *link) {
  g_autoptr(GBytes) message = gateway_session_message(link->session);
  GatewayQuestion *question = gateway_waiting_ask(link->server->waiting, message, on_verdict, link);
  if (question != NULL)
    link->question = question;
}

/* Does what the session wants; may not free the link. */
static void react(Link *link, GatewayEvent event) {
  send_all(link->client, gateway_session_to_client(link->session));
  send_all(link->behind, gateway_session_to_server(link->session));
  if (event == GATEWAY_ENDS)
    link->ending = TRUE;
  else if (event == GATEWAY_ASKS && link->question == NULL)
    ask(link);
  if (!link->ending)
    set_reading(link);
}

static void end_when_sent(Link *link) {
  if (link->ending && unsent(link->client) == 0)
    drop(link);
}

static void feed(Link *link, struct bufferevent *stream,
                 GatewayEvent (*take)(GatewaySession *, const void *, gsize)) {
  struct evbuffer *input = bufferevent_get_input(stream);
  gsize length = evbuffer_get_length(input);
  if (!link->ending)
    react(link, take(link->session, evbuffer_pullup(input, -1), length));
  evbuffer_drain(input, length);
  end_when_sent(link);
}

static void on_client(struct bufferevent *stream, void *user) {
  feed(user, stream, gateway_session_from_client);
}

static void on_behind(struct bufferevent *stream, void *user) {
  feed(user, stream, gateway_session_from_server);
}

static void on_sent(struct bufferevent *stream, void *user) {
  Link *link = user;
  (void)stream;
  if (!link->ending)
    set_reading(link);
  end_when_sent(link);
}

static void on_client_event(struct bufferevent *stream, short what, void *user) {
  (void)stream, (void)what;
  drop(user);
}

static void on_behind_event(struct bufferevent *stream, short what, void *user) {
  Link *link = user;
  (void)stream;
  if ((what & BEV_EVENT_CONNECTED) != 0)
    return;
  if (!link->ending)
    react(link, gateway_session_server_gone(link->session));
  end_when_sent(link);
}

static void set_callbacks(Link *link) {
  const struct timeval idle = {.tv_sec = GATEWAY_IDLE_SECONDS};
  bufferevent_setcb(link->client, on_client, on_sent, on_client_event, link);
  bufferevent_setcb(link->behind, on_behind, on_sent, on_behind_event, link);
  bufferevent_set_timeouts(link->client, &idle, &idle);
  bufferevent_set_timeouts(link->behind, &idle, &idle);
  bufferevent_enable(link->client, EV_READ | EV_WRITE);
  bufferevent_enable(link->behind, EV_READ | EV_WRITE);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *user) {
  GatewayServer *server = user;
  (void)address, (void)length;
  Link *link = g_new0(Link, 1);
  link->server = server;
  link->session = gateway_session_new();
  link->client = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
  link->behind = bufferevent_socket_new(server->base, -1, BEV_OPT_CLOSE_ON_FREE);
  g_hash_table_add(server->links, link);
  set_callbacks(link);
  if (g_hash_table_size(server->links) >= GATEWAY_MAX_LINKS)
    evconnlistener_disable(listener);
  if (bufferevent_socket_connect(link->behind, (const struct sockaddr *)&server->behind,
                                 server->behind_length) != 0)
    react(link, gateway_session_server_gone(link->session));
}

GatewayServer *gateway_server_new(struct event_base *base, int fd,
                                  const struct sockaddr_storage *behind, int behind_length,
                                  GatewayWaiting *waiting) {
  GatewayServer *server = g_new0(GatewayServer, 1);
  server->base = base;
  server->behind = *behind;
  server->behind_length = behind_length;
  server->waiting = waiting;
  server->links = g_hash_table_new_full(NULL, NULL, link_free, NULL);
  server->listener = evconnlistener_new(base, on_accept, server,
                                        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
  return server;
}

void gateway_server_stop(GatewayServer *server) {
  g_clear_pointer(&server->listener, evconnlistener_free);
}

guint gateway_server_open(const GatewayServer *server) {
  return g_hash_table_size(server->links);
}

void gateway_server_free(GatewayServer *server) {
  if (server == NULL)
    return;
  gateway_server_stop(server);
  g_hash_table_unref(server->links);
  g_free(server);
}
