/* SPDX-License-Identifier: Apache-2.0 */
#include "load_http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

struct LoadHttp {
  struct event_base *base;
  SSL_CTX *tls;
  guint16 port;
  struct bufferevent *connection; /* NULL: none */
  LoadConnected connected;        /* NULL: it is */
  LoadAnswered answered;          /* NULL: nothing is asked */
  gpointer user;
  gboolean no_body; /* of the answer that is awaited */
};

void load_fail(const char *what, const char *words) {
  g_printerr("%s: %s: %s\n", g_get_prgname(), what, words);
  exit(1);
}

char *load_answer_field(const LoadAnswer *answer, const char *name) {
  gsize length = strlen(name);
  for (const char *line = strchr(answer->head, '\n'); line != NULL; line = strchr(line, '\n')) {
    line++;
    if (g_ascii_strncasecmp(line, name, length) == 0 && line[length] == ':')
      return g_strstrip(g_strndup(line + length + 1, strcspn(line + length + 1, "\r\n")));
  }
  return NULL;
}

/* --- answers
 * ---------------------------------------------------------------------------------------------- */

static gsize body_length(const LoadHttp *http, const LoadAnswer *answer) {
  g_autofree char *length = load_answer_field(answer, "Content-Length");
  if (http->no_body || answer->status == 204)
    return 0;
  if (length == NULL)
    load_fail("an answer without Content-Length", answer->head);
  return strtoul(length, NULL, 10);
}

/* FALSE: not all of it is there yet. */
static gboolean take_answer(LoadHttp *http, struct evbuffer *input) {
  struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
  if (end.pos < 0)
    return FALSE;
  gsize head_length = (gsize)end.pos + 4;
  g_autofree char *head = g_malloc0(head_length + 1);
  evbuffer_copyout(input, head, head_length);
  LoadAnswer answer = {.head = head};
  if (sscanf(head, "HTTP/1.1 %u ", &answer.status) != 1)
    load_fail("no HTTP", head);
  answer.length = body_length(http, &answer);
  if (evbuffer_get_length(input) < head_length + answer.length)
    return FALSE;
  g_autofree char *body = g_malloc0(answer.length + 1);
  evbuffer_drain(input, head_length);
  evbuffer_remove(input, body, answer.length);
  answer.body = body;
  LoadAnswered answered = http->answered;
  http->answered = NULL;
  answered(&answer, http->user);
  return TRUE;
}

static void on_input(struct bufferevent *connection, void *user) {
  LoadHttp *http = user;
  struct evbuffer *input = bufferevent_get_input(connection);
  if (http->answered != NULL)
    take_answer(http, input);
  else if (evbuffer_get_length(input) > 0)
    load_fail("HTTP", "an answer that nobody asked for");
}

/* --- the connection
 * ---------------------------------------------------------------------------------------------- */

static void hang_up(LoadHttp *http) {
  if (http->connection == NULL)
    return;
  SSL_shutdown(bufferevent_openssl_get_ssl(http->connection));
  bufferevent_free(http->connection);
  http->connection = NULL;
}

static void on_event(struct bufferevent *connection, short what, void *user) {
  LoadHttp *http = user;
  if ((what & BEV_EVENT_CONNECTED) != 0) {
    int on = 1;
    setsockopt(bufferevent_getfd(connection), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    LoadConnected connected = http->connected;
    http->connected = NULL;
    connected(http->user);
    return;
  }
  if (http->answered != NULL || http->connected != NULL)
    load_fail("HTTP", "the server closed the connection");
  hang_up(http); /* nobody waits: it was idle for long */
}

LoadHttp *load_http_new(struct event_base *base, SSL_CTX *tls, guint16 port) {
  LoadHttp *http = g_new0(LoadHttp, 1);
  SSL_CTX_up_ref(tls);
  *http = (LoadHttp){.base = base, .tls = tls, .port = port};
  return http;
}

void load_http_free(LoadHttp *http) {
  hang_up(http);
  SSL_CTX_free(http->tls);
  g_free(http);
}

void load_http_connect(LoadHttp *http, guint16 port, LoadConnected connected, gpointer user) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  hang_up(http);
  http->connected = connected;
  http->user = user;
  http->connection = bufferevent_openssl_socket_new(
      http->base, -1, SSL_new(http->tls), BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_openssl_set_allow_dirty_shutdown(http->connection, 1);
  bufferevent_setcb(http->connection, on_input, NULL, on_event, http);
  bufferevent_enable(http->connection, EV_READ | EV_WRITE);
  if (bufferevent_socket_connect(http->connection, (struct sockaddr *)&address, sizeof(address)) !=
      0)
    load_fail("connect", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

gboolean load_http_is_connected(const LoadHttp *http) {
  return http->connection != NULL && http->connected == NULL;
}

void load_http_ask(LoadHttp *http, const char *method, const char *path, const char *body,
                   LoadAnswered answered, gpointer user) {
  struct evbuffer *output = bufferevent_get_output(http->connection);
  struct evbuffer *request = evbuffer_new();
  evbuffer_add_printf(request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: bench\r\n",
                      method, path, http->port);
  if (body != NULL)
    evbuffer_add_printf(request,
                        "Content-Type: application/jose+json\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(body), body);
  else
    evbuffer_add(request, "\r\n", 2);
  http->answered = answered;
  http->user = user;
  http->no_body = strcmp(method, "HEAD") == 0;
  evbuffer_add_buffer(output, request);
  evbuffer_free(request);
}
