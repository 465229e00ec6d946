/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/http_front.h"
#include "base/log.h"

#include <arpa/inet.h>
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
#include <sys/stat.h>
#include <unistd.h>

#define SWEEP_SECONDS 2
#define IDLE_SECONDS 90

/* One connection, known by its descriptor; inode tells whether the descriptor is still the same
   socket, since evhttp says nothing when it frees a connection. */
typedef struct {
  ino_t inode;
  char *peer;
  gint64 deadline; /* monotonic seconds; G_MAXINT64 while a request is being answered */
  gboolean served; /* a request was read */
} Connection;

struct HttpFront {
  struct event_base *base;
  struct evhttp *http;
  HttpFrontOptions options;
  char *base_path;
  GHashTable *connections; /* fd -> Connection */
  GHashTable *per_peer;    /* address -> count */
  struct event *sweep;
};

struct HttpExchange {
  HttpFront *front;
  struct evhttp_request *raw;
  Request request;
  char *path, *content_type, *peer;
  gboolean head, close_after;
};

static gint64 seconds_now(void) {
  return g_get_monotonic_time() / G_USEC_PER_SEC;
}

/* --- connections and their deadlines
 * -------------------------------------------------------------------- */

static void count_peer(HttpFront *front, const char *peer, int change) {
  int count = GPOINTER_TO_INT(g_hash_table_lookup(front->per_peer, peer)) + change;
  if (count > 0)
    g_hash_table_replace(front->per_peer, g_strdup(peer), GINT_TO_POINTER(count));
  else
    g_hash_table_remove(front->per_peer, peer);
}

static void connection_free(gpointer data) {
  Connection *connection = data;
  g_free(connection->peer);
  g_free(connection);
}

static gboolean is_gone(int fd, const Connection *connection) {
  struct stat status;
  return fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode) || status.st_ino != connection->inode;
}

/* evhttp answers what it cannot read by itself (400, 413, 501) and tells nobody: this is its trace.
 */
static void settle_gone(HttpFront *front, const Connection *connection) {
  count_peer(front, connection->peer, -1);
  if (!connection->served)
    log_info("connection ended", "reason", "no HTTP request that can be read", "peer",
             connection->peer, NULL);
}

static void forget(HttpFront *front, int fd) {
  Connection *connection = g_hash_table_lookup(front->connections, GINT_TO_POINTER(fd));
  if (connection == NULL)
    return;
  settle_gone(front, connection);
  g_hash_table_remove(front->connections, GINT_TO_POINTER(fd));
}

static char *peer_of(int fd) {
  struct sockaddr_storage address;
  socklen_t length = sizeof(address);
  char text[INET6_ADDRSTRLEN] = "?";
  if (getpeername(fd, (struct sockaddr *)&address, &length) != 0)
    return g_strdup(text);
  if (address.ss_family == AF_INET)
    inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, text, sizeof(text));
  else if (address.ss_family == AF_INET6)
    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, text, sizeof(text));
  return g_strdup(g_str_has_prefix(text, "::ffff:") ? text + 7 : text);
}

static void register_connection(HttpFront *front, int fd) {
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0)
    return;
  forget(front, fd);
  Connection *connection = g_new0(Connection, 1);
  connection->inode = status.st_ino;
  connection->peer = peer_of(fd);
  connection->deadline = seconds_now() + HTTP_FRONT_FIRST_SECONDS;
  g_hash_table_insert(front->connections, GINT_TO_POINTER(fd), connection);
  count_peer(front, connection->peer, 1);
  gboolean many = g_hash_table_size(front->connections) > HTTP_FRONT_MAX_CONNECTIONS ||
                  GPOINTER_TO_INT(g_hash_table_lookup(front->per_peer, connection->peer)) >
                      HTTP_FRONT_MAX_PER_ADDRESS;
  if (many) {
    log_warning("connection refused", "reason", "too many connections", "peer", connection->peer,
                NULL);
    shutdown(fd, SHUT_RDWR);
  }
}

static void on_sweep(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  HttpFront *front = user;
  GHashTableIter iter;
  gpointer key = NULL, value = NULL;
  gint64 now = seconds_now();
  g_hash_table_iter_init(&iter, front->connections);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    Connection *connection = value;
    if (is_gone(GPOINTER_TO_INT(key), connection)) {
      settle_gone(front, connection);
      g_hash_table_iter_remove(&iter);
    } else if (connection->deadline <= now) {
      log_debug("connection closed", "reason", "no whole request in time", "peer", connection->peer,
                NULL);
      shutdown(GPOINTER_TO_INT(key), SHUT_RDWR);
      connection->deadline = now + IDLE_SECONDS;
    }
  }
}

static void set_deadline(HttpFront *front, int fd, gint64 deadline) {
  Connection *connection = g_hash_table_lookup(front->connections, GINT_TO_POINTER(fd));
  if (connection == NULL)
    return;
  connection->deadline = deadline;
  connection->served = TRUE;
}

/* evhttp sets the descriptor after it has asked for the bufferevent: it is read as soon as this
   loop turn's other callbacks have run. */
typedef struct {
  HttpFront *front;
  struct bufferevent *bufferevent;
} Accepted;

static void on_accepted(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Accepted *accepted = user;
  register_connection(accepted->front, bufferevent_getfd(accepted->bufferevent));
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
    return "A header field is malformed.";
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
    return "The request is too large.";
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

/* The path below the base, or NULL; without query, printable ASCII only. */
static char *path_of(const HttpFront *front, struct evhttp_request *raw) {
  const char *uri = evhttp_request_get_uri(raw);
  gsize prefix = strlen(front->base_path);
  g_autofree char *path = g_strndup(uri, strcspn(uri, "?#"));
  for (const char *p = path; *p != '\0'; p++)
    if (!g_ascii_isgraph(*p))
      return NULL;
  if (strncmp(path, front->base_path, prefix) != 0 || path[prefix] != '/')
    return NULL;
  return g_strdup(path + prefix);
}

static HttpExchange *exchange_new(HttpFront *front, struct evhttp_request *raw) {
  HttpExchange *exchange = g_new0(HttpExchange, 1);
  struct evbuffer *input = evhttp_request_get_input_buffer(raw);
  const char *type = evhttp_find_header(evhttp_request_get_input_headers(raw), "Content-Type");
  struct evhttp_connection *connection = evhttp_request_get_connection(raw);
  char *peer = NULL;
  ev_uint16_t port = 0;
  evhttp_connection_get_peer(connection, &peer, &port);
  exchange->front = front;
  exchange->raw = raw;
  exchange->path = path_of(front, raw);
  exchange->content_type = g_strdup(type != NULL && g_utf8_validate(type, -1, NULL) ? type : "");
  exchange->peer = g_strdup(peer != NULL ? peer : "?");
  exchange->request.method = method_name(evhttp_request_get_command(raw));
  exchange->request.path = exchange->path != NULL ? exchange->path : "";
  exchange->request.content_type = exchange->content_type;
  exchange->request.peer = exchange->peer;
  gsize size = MIN(evbuffer_get_length(input), HTTP_MAX_BODY);
  guint8 *body = g_malloc(size + 1);
  evbuffer_copyout(input, body, size);
  exchange->request.body = g_bytes_new_take(body, size);
  exchange->head = evhttp_request_get_command(raw) == EVHTTP_REQ_HEAD;
  return exchange;
}

static void on_request(struct evhttp_request *raw, void *user) {
  HttpFront *front = user;
  struct bufferevent *bufferevent =
      evhttp_connection_get_bufferevent(evhttp_request_get_connection(raw));
  guint status = 0;
  HttpExchange *exchange = exchange_new(front, raw);
  set_deadline(front, bufferevent_getfd(bufferevent), G_MAXINT64);
  const char *fault = framing_fault(raw, &status);
  if (fault != NULL) {
    exchange->close_after = TRUE;
    front->options.refuse(exchange, status, fault, front->options.user);
  } else if (exchange->path == NULL) {
    front->options.refuse(exchange, 404, "There is no such resource on this server.",
                          front->options.user);
  } else {
    front->options.handle(exchange, &exchange->request, front->options.user);
  }
}

const Request *http_exchange_request(const HttpExchange *exchange) {
  return &exchange->request;
}

void http_exchange_close_after(HttpExchange *exchange) {
  exchange->close_after = TRUE;
}

void http_exchange_answer(HttpExchange *exchange, guint status, GPtrArray *headers, GBytes *body) {
  struct evkeyvalq *output = evhttp_request_get_output_headers(exchange->raw);
  struct evhttp_connection *connection = evhttp_request_get_connection(exchange->raw);
  for (guint i = 0; i + 1 < headers->len; i += 2)
    evhttp_add_header(output, headers->pdata[i], headers->pdata[i + 1]);
  if (exchange->close_after)
    evhttp_add_header(output, "Connection", "close");
  if (connection != NULL)
    set_deadline(exchange->front, bufferevent_getfd(evhttp_connection_get_bufferevent(connection)),
                 seconds_now() + HTTP_FRONT_NEXT_SECONDS);
  struct evbuffer *buffer = evbuffer_new();
  if (body != NULL && !exchange->head)
    evbuffer_add(buffer, g_bytes_get_data(body, NULL), g_bytes_get_size(body));
  evhttp_send_reply(exchange->raw, (int)status, NULL, buffer);
  evbuffer_free(buffer);
  g_free(exchange->path);
  g_free(exchange->content_type);
  g_free(exchange->peer);
  g_bytes_unref(exchange->request.body);
  g_free(exchange);
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

HttpFront *http_front_new(struct event_base *base, const HttpFrontOptions *options) {
  HttpFront *front = g_new0(HttpFront, 1);
  static const struct timeval interval = {SWEEP_SECONDS, 0};
  front->base = base;
  front->options = *options;
  front->base_path = g_strdup(options->base_path);
  if (front->options.tls != NULL)
    SSL_CTX_up_ref(front->options.tls);
  front->connections = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, connection_free);
  front->per_peer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  front->http = evhttp_new(base);
  evhttp_set_bevcb(front->http, make_bufferevent, front);
  evhttp_set_gencb(front->http, on_request, front);
  evhttp_set_allowed_methods(front->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                              EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                              EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                              EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
  evhttp_set_max_headers_size(front->http, HTTP_FRONT_MAX_HEADERS);
  evhttp_set_max_body_size(front->http, HTTP_FRONT_MAX_READ);
  evhttp_set_timeout(front->http, IDLE_SECONDS);
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

void http_front_free(HttpFront *front) {
  if (front == NULL)
    return;
  event_free(front->sweep);
  evhttp_free(front->http);
  SSL_CTX_free(front->options.tls);
  g_hash_table_unref(front->connections);
  g_hash_table_unref(front->per_peer);
  g_free(front->base_path);
  g_free(front);
}
