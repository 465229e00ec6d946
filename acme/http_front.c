/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/http_front.h"
#include "acme/http_front_connections.h"
#include "acme/http_front_proxy.h"
#include "base/log.h"
#include "base/network.h"
#include "base/stream_write.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define SWEEP_SECONDS 2

struct HttpFront {
  struct event_base *base;
  struct evhttp *http;
  HttpFrontOptions options;
  char *base_path;
  Connections *connections;
  GArray *proxies; /* of Network */
  ProxyHeaders *proxy_headers;
  struct event *sweep;
  gboolean stopping;
  time_t dated; /* what date says */
  char date[32];
};

struct HttpExchange {
  HttpFront *front;
  struct evhttp_request *raw;
  Request request;
  char *path, *peer;
  gboolean head, close_after;
};

/* --- connections
 * --------------------------------------------------------------------------------------- */

static void on_sweep(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *front) {
  connections_sweep(((HttpFront *)front)->connections);
}

static gboolean is_proxy(const HttpFront *front, const char *peer) {
  for (guint i = 0; i < front->proxies->len; i++)
    if (network_contains(&g_array_index(front->proxies, Network, i), peer))
      return TRUE;
  return FALSE;
}

/* Connections of a proxy are counted for the clients that its headers name. */
static void take(HttpFront *front, struct bufferevent *bufferevent) {
  int fd = bufferevent_getfd(bufferevent);
  if (fd < 0)
    return;
  gboolean few = connections_add(front->connections, fd);
  gboolean proxied = is_proxy(front, connections_peer(front->connections, fd));
  if (!few || (!proxied && !connections_count(front->connections, fd, NULL)))
    connections_refuse(front->connections, fd, "too many connections");
  else if (proxied)
    proxy_headers_read(front->proxy_headers, bufferevent);
}

/* evhttp sets the descriptor after it has asked for the bufferevent: it is read as soon as this
   loop turn's other callbacks have run. */
typedef struct {
  HttpFront *front;
  struct bufferevent *bufferevent;
} Accepted;

static void on_accepted(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Accepted *accepted = user;
  take(accepted->front, accepted->bufferevent);
  g_free(accepted);
}

static struct bufferevent *make_bufferevent(struct event_base *base, void *user) {
  HttpFront *front = user;
  struct bufferevent *bufferevent = NULL;
  if (front->options.tls != NULL) {
    bufferevent = bufferevent_openssl_socket_new(base, -1, SSL_new(front->options.tls),
                                                 BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_openssl_set_allow_dirty_shutdown(bufferevent, 1);
  } else {
    bufferevent = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
  }
  Accepted *accepted = g_new0(Accepted, 1);
  *accepted = (Accepted){front, bufferevent};
  static const struct timeval at_once = {0, 0};
  event_base_once(base, -1, EV_TIMEOUT, on_accepted, accepted, &at_once);
  return bufferevent;
}

/* --- framing
 * ------------------------------------------------------------------------------------------- */

static guint count_header(struct evkeyvalq *headers, const char *name, const char **value) {
  guint count = 0;
  for (struct evkeyval *field = headers->tqh_first; field != NULL; field = field->next.tqe_next)
    if (g_ascii_strcasecmp(field->key, name) == 0) {
      count++;
      *value = field->value;
    }
  return count;
}

static gboolean all_digits(const char *text) {
  gsize length = strlen(text);
  return length > 0 && length < 10 && strspn(text, "0123456789") == length;
}

/* Field names are tokens and values have no control characters; evhttp lets other things through.
 */
static gboolean fields_are_clean(struct evkeyvalq *headers) {
  for (struct evkeyval *field = headers->tqh_first; field != NULL; field = field->next.tqe_next) {
    if (*field->key == '\0')
      return FALSE;
    for (const char *p = field->key; *p != '\0'; p++)
      if (!g_ascii_isalnum(*p) && strchr("!#$%&'*+-.^_`|~", *p) == NULL)
        return FALSE;
    for (const char *p = field->value; *p != '\0'; p++)
      if (g_ascii_iscntrl(*p) && *p != '\t')
        return FALSE;
  }
  return TRUE;
}

/* What is wrong with the framing (RFC 9112 sections 3.2 and 6); NULL when nothing is. Sets the
 * status. */
static const char *framing_fault(struct evhttp_request *raw, guint *status) {
  struct evkeyvalq *headers = evhttp_request_get_input_headers(raw);
  const char *host = NULL, *length = NULL, *coding = NULL;
  guint lengths = count_header(headers, "Content-Length", &length);
  guint codings = count_header(headers, "Transfer-Encoding", &coding);
  *status = 400;
  if (!fields_are_clean(headers))
    return "A header field has a name or a value with a character that fields cannot have.";
  if (count_header(headers, "Host", &host) != 1)
    return "A request has exactly one Host field.";
  if (lengths > 1 || (lengths == 1 && !all_digits(length)))
    return "Content-Length must be given once, in digits.";
  if (codings > 1 || (codings == 1 && g_ascii_strcasecmp(coding, "chunked") != 0) ||
      (lengths > 0 && codings > 0))
    return "Only Transfer-Encoding: chunked, or Content-Length alone, is understood.";
  if (evhttp_request_get_command(raw) == EVHTTP_REQ_POST && lengths + codings == 0) {
    *status = 411;
    return "A POST needs Content-Length.";
  }
  if (evbuffer_get_length(evhttp_request_get_input_buffer(raw)) > HTTP_MAX_BODY) {
    *status = 413;
    return "The body of the request is larger than 64 KiB.";
  }
  return NULL;
}

/* --- requests
 * ------------------------------------------------------------------------------------------ */

static const char *method_name(enum evhttp_cmd_type command) {
  static const struct {
    enum evhttp_cmd_type command;
    const char *name;
  } methods[] = {
      {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},       {EVHTTP_REQ_HEAD, "HEAD"},
      {EVHTTP_REQ_PUT, "PUT"},     {EVHTTP_REQ_DELETE, "DELETE"},   {EVHTTP_REQ_OPTIONS, "OPTIONS"},
      {EVHTTP_REQ_TRACE, "TRACE"}, {EVHTTP_REQ_CONNECT, "CONNECT"}, {EVHTTP_REQ_PATCH, "PATCH"}};
  for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
    if (methods[i].command == command)
      return methods[i].name;
  return "?";
}

/* The path below the base, or NULL; printable ASCII only. A query says nothing to what is read and
   is left out; of a POST it belongs to the URL that was signed (RFC 8555 section 6.4), which is
   that of no resource here. */
static char *path_of(const HttpFront *front, struct evhttp_request *raw) {
  const char *uri = evhttp_request_get_uri(raw);
  gsize prefix = strlen(front->base_path);
  gboolean posts = evhttp_request_get_command(raw) == EVHTTP_REQ_POST;
  gsize length = strcspn(uri, posts ? "#" : "?#");
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph(uri[i]))
      return NULL;
  if (length <= prefix || strncmp(uri, front->base_path, prefix) != 0 || uri[prefix] != '/')
    return NULL;
  return g_strndup(uri + prefix, length - prefix);
}

static HttpExchange *exchange_new(HttpFront *front, struct evhttp_request *raw, int fd) {
  HttpExchange *exchange = g_new0(HttpExchange, 1);
  struct evbuffer *input = evhttp_request_get_input_buffer(raw);
  const char *type = evhttp_find_header(evhttp_request_get_input_headers(raw), "Content-Type");
  exchange->front = front;
  exchange->raw = raw;
  exchange->path = path_of(front, raw);
  exchange->peer = g_strdup(connections_peer(front->connections, fd));
  exchange->request.method = method_name(evhttp_request_get_command(raw));
  exchange->request.path = exchange->path != NULL ? exchange->path : "";
  exchange->request.content_type = type != NULL && g_utf8_validate(type, -1, NULL) ? type : "";
  exchange->request.peer = exchange->peer;
  gsize size = MIN(evbuffer_get_length(input), HTTP_MAX_BODY);
  guint8 *body = g_malloc(size + 1);
  evbuffer_copyout(input, body, size);
  exchange->request.body = g_bytes_new_take(body, size);
  exchange->head = evhttp_request_get_command(raw) == EVHTTP_REQ_HEAD;
  return exchange;
}

static void on_closed(struct evhttp_connection *connection, void *user) {
  HttpFront *front = user;
  connections_closed(front->connections,
                     bufferevent_getfd(evhttp_connection_get_bufferevent(connection)));
}

static void on_request(struct evhttp_request *raw, void *user) {
  HttpFront *front = user;
  struct evhttp_connection *connection = evhttp_request_get_connection(raw);
  int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
  guint status = 0;
  HttpExchange *exchange = exchange_new(front, raw, fd);
  connections_asked(front->connections, fd);
  evhttp_connection_set_closecb(connection, on_closed, front);
  const char *fault = framing_fault(raw, &status);
  if (fault != NULL) {
    exchange->close_after = TRUE;
    front->options.refuse(exchange, status, fault, front->options.user);
  } else if (exchange->path == NULL) {
    front->options.refuse(
        exchange, 404,
        "There is no such resource on this server; the directory lists those that there are.",
        front->options.user);
  } else {
    front->options.handle(exchange, &exchange->request, front->options.user);
  }
}

const Request *http_exchange_request(const HttpExchange *exchange) {
  return &exchange->request;
}

const char *http_exchange_field(const HttpExchange *exchange, const char *name) {
  return evhttp_find_header(evhttp_request_get_input_headers(exchange->raw), name);
}

void http_exchange_close_after(HttpExchange *exchange) {
  exchange->close_after = TRUE;
}

/* --- answers: evhttp's way to write them copies and formats each field by itself, which was a
 * fifth of an edge's work. It hears of the end alone. */

/* The phrase is for people: clients read the number. */
static const char *status_text(guint status) {
  static const struct {
    guint status;
    const char *text;
  } texts[] = {
      {200, "200 OK"},
      {201, "201 Created"},
      {204, "204 No Content"},
      {304, "304 Not Modified"},
      {400, "400 Bad Request"},
      {401, "401 Unauthorized"},
      {403, "403 Forbidden"},
      {404, "404 Not Found"},
      {405, "405 Method Not Allowed"},
      {409, "409 Conflict"},
      {411, "411 Length Required"},
      {413, "413 Content Too Large"},
      {415, "415 Unsupported Media Type"},
      {429, "429 Too Many Requests"},
      {500, "500 Internal Server Error"},
      {503, "503 Service Unavailable"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    if (texts[i].status == status)
      return texts[i].text;
  return NULL;
}

static void append_status(GString *text, guint status) {
  const char *known = status_text(status);
  if (known != NULL)
    g_string_append(text, known);
  else
    g_string_append_printf(text, "%u ", status);
  g_string_append_len(text, "\r\n", 2);
}

static void append_field(GString *text, const char *name, const char *value) {
  gsize length = text->len;
  g_string_set_size(text, length + strlen(name) + strlen(value) + 4);
  stpcpy(stpcpy(stpcpy(stpcpy(text->str + length, name), ": "), value), "\r\n");
}

static const char *date_now(HttpFront *front) {
  time_t now = time(NULL);
  if (now != front->dated)
    evutil_date_rfc1123(front->date, sizeof(front->date), NULL);
  front->dated = now;
  return front->date;
}

static void append_length(GString *text, gsize length) {
  char digits[24];
  g_snprintf(digits, sizeof(digits), "%" G_GSIZE_FORMAT, length);
  append_field(text, "Content-Length", digits);
}

/* Whether the connection ends with this answer: evhttp looks at the same fields, so that one of
   ours is told to it. */
static void append_connection(HttpExchange *exchange, GString *text) {
  const char *wanted = http_exchange_field(exchange, "Connection");
  exchange->close_after = exchange->close_after || exchange->front->stopping;
  if (exchange->close_after)
    evhttp_add_header(evhttp_request_get_output_headers(exchange->raw), "Connection", "close");
  if (exchange->close_after || (wanted != NULL && g_ascii_strcasecmp(wanted, "close") == 0))
    append_field(text, "Connection", "close");
  else if (exchange->raw->minor == 0 && wanted != NULL &&
           g_ascii_strncasecmp(wanted, "keep-alive", strlen("keep-alive")) == 0)
    append_field(text, "Connection", "keep-alive");
}

/* In one piece, for one record and one system call. */
static GString *answer_text(HttpExchange *exchange, guint status, GPtrArray *headers,
                            GBytes *body) {
  gsize length = body != NULL ? g_bytes_get_size(body) : 0;
  GString *text = g_string_sized_new(1024 + length);
  g_string_append(text, exchange->raw->minor > 0 ? "HTTP/1.1 " : "HTTP/1.0 ");
  append_status(text, status);
  for (guint i = 0; i + 1 < headers->len; i += 2)
    append_field(text, headers->pdata[i], headers->pdata[i + 1]);
  append_field(text, "Date", date_now(exchange->front));
  append_connection(exchange, text);
  gboolean has_content = status != 204 && status != 304 && !exchange->head;
  if (has_content)
    append_length(text, length);
  g_string_append_len(text, "\r\n", 2);
  if (has_content && length > 0)
    g_string_append_len(text, g_bytes_get_data(body, NULL), (gssize)length);
  return text;
}

static void free_text(const void *data G_GNUC_UNUSED, size_t length G_GNUC_UNUSED, void *text) {
  g_free(text);
}

/* Nothing more is read until the answer is written: evhttp then begins with the next request. */
static void send_text(struct bufferevent *stream, GString *text) {
  gsize length = text->len;
  char *octets = g_string_free(text, FALSE);
  evbuffer_add_reference(bufferevent_get_output(stream), octets, length, free_text, octets);
  bufferevent_enable(stream, EV_WRITE);
  stream_write_soon(stream);
}

void http_exchange_answer(HttpExchange *exchange, guint status, GPtrArray *headers, GBytes *body) {
  struct evhttp_connection *connection = evhttp_request_get_connection(exchange->raw);
  if (connection != NULL) {
    struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
    connections_answered(exchange->front->connections, bufferevent_getfd(stream));
    send_text(stream, answer_text(exchange, status, headers, body));
  }
  evhttp_send_reply_end(exchange->raw);
  g_free(exchange->path);
  g_free(exchange->peer);
  g_bytes_unref(exchange->request.body);
  g_free(exchange);
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

/* The configuration has been checked: every text is one. */
static GArray *read_networks(const char *const *texts) {
  GArray *networks = g_array_new(FALSE, FALSE, sizeof(Network));
  for (; texts != NULL && *texts != NULL; texts++) {
    Network network;
    const char *why = NULL;
    if (network_parse(*texts, &network, &why))
      g_array_append_val(networks, network);
  }
  return networks;
}

HttpFront *http_front_new(struct event_base *base, const HttpFrontOptions *options) {
  HttpFront *front = g_new0(HttpFront, 1);
  static const struct timeval interval = {SWEEP_SECONDS, 0};
  front->base = base;
  front->options = *options;
  front->base_path = g_strdup(options->base_path);
  if (front->options.tls != NULL)
    SSL_CTX_up_ref(front->options.tls);
  front->connections = connections_new(base);
  front->proxies = read_networks(options->proxies);
  front->proxy_headers = proxy_headers_new(base, front->connections);
  front->http = evhttp_new(base);
  evhttp_set_bevcb(front->http, make_bufferevent, front);
  evhttp_set_gencb(front->http, on_request, front);
  evhttp_set_allowed_methods(front->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                              EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                              EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                              EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
  evhttp_set_max_headers_size(front->http, HTTP_FRONT_MAX_HEADERS);
  evhttp_set_max_body_size(front->http, HTTP_FRONT_MAX_READ);
  evhttp_set_timeout(front->http, HTTP_FRONT_IDLE_SECONDS);
  evhttp_set_default_content_type(front->http, NULL);
  front->sweep = event_new(base, -1, EV_PERSIST, on_sweep, front);
  event_add(front->sweep, &interval);
  return front;
}

void http_front_set_tls(HttpFront *front, SSL_CTX *tls) {
  SSL_CTX_up_ref(tls);
  SSL_CTX_free(front->options.tls);
  front->options.tls = tls;
}

static void on_accept_resumed(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED,
                              void *listener) {
  evconnlistener_enable(listener);
}

/* Mostly no descriptors left: a pause, or the loop would spin on a connection that it cannot take.
 */
static void on_accept_error(struct evconnlistener *listener, void *user G_GNUC_UNUSED) {
  static const struct timeval pause = {1, 0};
  log_error("cannot accept", "reason", g_strerror(errno), NULL);
  evconnlistener_disable(listener);
  event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_accept_resumed, listener,
                  &pause);
}

gboolean http_front_listen(HttpFront *front, int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* inherited by what is accepted */
  struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(front->http, fd);
  if (bound == NULL)
    return FALSE;
  evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound), on_accept_error);
  return TRUE;
}

static void stop_listening(struct evhttp_bound_socket *bound, void *user G_GNUC_UNUSED) {
  evconnlistener_disable(evhttp_bound_socket_get_listener(bound));
}

void http_front_stop(HttpFront *front) {
  front->stopping = TRUE;
  evhttp_foreach_bound_socket(front->http, stop_listening, NULL);
}

void http_front_free(HttpFront *front) {
  if (front == NULL)
    return;
  event_free(front->sweep);
  proxy_headers_free(front->proxy_headers);
  evhttp_free(front->http);
  SSL_CTX_free(front->options.tls);
  connections_free(front->connections);
  g_array_unref(front->proxies);
  g_free(front->base_path);
  g_free(front);
}
