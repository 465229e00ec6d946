/* SPDX-License-Identifier: Apache-2.0 */
#include "acme_https.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX_OCTETS 65536
#define SCHEME "https://"

/* An answer as far as it came; its texts point into octets. */
typedef struct {
  HttpsAnswer answer;
  gsize have, header; /* header: its octets, 0 until it is whole */
  gboolean chunked, close;
  char octets[ANSWER_MAX_OCTETS + 1];
} Heard;

struct HttpsConnection {
  const HttpsServer *server;
  in_addr_t source;
  HttpsAnswered answered;
  gpointer user;
  SSL *tls; /* NULL: not connected */
  int fd;
  struct event *readable, *writable;
  GString *out;  /* what is not sent yet */
  Heard *heard;  /* NULL: no request waits */
  gboolean head; /* the request was HEAD */
  gboolean driving;
};

void https_fail(const char *what, const char *words) {
  g_printerr("%s: %s: %s\n", g_get_prgname(), what, words);
  exit(1);
}

/* --- the server
 * ---------------------------------------------------------------------------------------------- */

static void allow_descriptors(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static SSL_CTX *client_context(const char *ca_file) {
  SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
  if (SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1)
    https_fail("CA file", ca_file);
  SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(tls, 1);
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  return tls;
}

/* Timers of the loop would else be rounded to milliseconds. */
static struct event_base *precise_base(void) {
  struct event_config *config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
  struct event_base *base = event_base_new_with_config(config);
  event_config_free(config);
  return base;
}

HttpsServer *https_server_new(const char *url, const char *ca_file) {
  allow_descriptors();
  g_autoptr(GUri) parsed = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  HttpsServer *server = g_new0(HttpsServer, 1);
  server->address.sin_family = AF_INET;
  if (parsed == NULL || !g_str_has_prefix(url, SCHEME) || g_uri_get_port(parsed) <= 0 ||
      inet_pton(AF_INET, g_uri_get_host(parsed), &server->address.sin_addr) != 1)
    https_fail("not " SCHEME "ADDRESS:PORT/...", url);
  server->address.sin_port = htons((guint16)g_uri_get_port(parsed));
  server->host = g_strdup_printf("%s:%d", g_uri_get_host(parsed), g_uri_get_port(parsed));
  server->tls = client_context(ca_file);
  server->base = precise_base();
  return server;
}

void https_server_free(HttpsServer *server) {
  SSL_CTX_free(server->tls);
  event_base_free(server->base);
  g_free(server->host);
  g_free(server);
}

const char *https_path(const HttpsServer *server, const char *url) {
  gsize length = strlen(server->host);
  if (!g_str_has_prefix(url, SCHEME) || strncmp(url + strlen(SCHEME), server->host, length) != 0 ||
      url[strlen(SCHEME) + length] != '/')
    https_fail("a URL of another server", url);
  return url + strlen(SCHEME) + length;
}

/* --- answers
 * ---------------------------------------------------------------------------------------------- */

static void read_field(char *line, Heard *heard) {
  char *value = strchr(line, ':');
  if (value == NULL)
    https_fail("the server sent", line);
  *value++ = '\0';
  g_strstrip(value);
  if (g_ascii_strcasecmp(line, "Replay-Nonce") == 0)
    heard->answer.nonce = value;
  else if (g_ascii_strcasecmp(line, "Location") == 0)
    heard->answer.location = value;
  else if (g_ascii_strcasecmp(line, "Content-Length") == 0)
    heard->answer.length = strtoul(value, NULL, 10);
  else if (g_ascii_strcasecmp(line, "Transfer-Encoding") == 0)
    heard->chunked = TRUE;
  else if (g_ascii_strcasecmp(line, "Connection") == 0)
    heard->close = g_ascii_strcasecmp(value, "close") == 0;
}

static void read_header(Heard *heard) {
  char *end = memmem(heard->octets, heard->have, "\r\n\r\n", 4), *rest = NULL;
  if (end == NULL)
    return;
  *end = '\0';
  heard->header = (gsize)(end - heard->octets) + 4;
  char *line = strtok_r(heard->octets, "\r\n", &rest);
  if (line == NULL || !g_str_has_prefix(line, "HTTP/1.1 "))
    https_fail("the server sent", line != NULL ? line : "nothing");
  heard->answer.status = (guint)strtoul(line + strlen("HTTP/1.1 "), NULL, 10);
  while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL)
    read_field(line, heard);
}

/* Puts the chunks of a body together in their own place. JSON and PEM have no such end inside. */
static gboolean join_chunks(Heard *heard) {
  static const char last[] = "\r\n0\r\n\r\n";
  char *from = heard->octets + heard->header, *to = from;
  char *end = heard->octets + heard->have;
  *end = '\0';
  if (!g_str_has_suffix(from, last))
    return FALSE;
  heard->answer.length = 0;
  for (gsize size = 0; (size = strtoul(from, &from, 16)) > 0; from += size + 2) {
    from += 2;
    if ((gsize)(end - from) < size + 2)
      https_fail("the server sent", "a chunk that is cut off");
    memmove(to + heard->answer.length, from, size);
    heard->answer.length += size;
  }
  return TRUE;
}

/* Whether the answer is there as a whole. */
static gboolean is_whole(const HttpsConnection *connection) {
  Heard *heard = connection->heard;
  if (heard->header == 0)
    read_header(heard);
  if (heard->header == 0)
    return FALSE;
  heard->answer.body = heard->octets + heard->header;
  if (connection->head || heard->answer.status == 204) {
    heard->answer.length = 0;
  } else if (heard->chunked ? !join_chunks(heard)
                            : heard->have < heard->header + heard->answer.length) {
    return FALSE;
  }
  heard->octets[heard->header + heard->answer.length] = '\0';
  return TRUE;
}

/* --- connections
 * ---------------------------------------------------------------------------------------------- */

static void disconnect(HttpsConnection *connection) {
  if (connection->tls == NULL)
    return;
  event_free(connection->readable);
  event_free(connection->writable);
  SSL_free(connection->tls);
  close(connection->fd);
  connection->tls = NULL;
  g_string_truncate(connection->out, 0);
}

/* What was heard, status 0 when it is not whole, goes to who asked. */
static void hand_on(HttpsConnection *connection) {
  g_autofree Heard *heard = g_steal_pointer(&connection->heard);
  if (heard->close)
    disconnect(connection);
  connection->answered(&heard->answer, connection->user);
}

static void break_off(HttpsConnection *connection) {
  ERR_clear_error();
  disconnect(connection);
  if (connection->heard == NULL)
    return;
  connection->heard->answer = (HttpsAnswer){0};
  hand_on(connection);
}

/* FALSE: the socket is to be waited for, or the connection is gone. */
static gboolean went_on(HttpsConnection *connection, int result) {
  if (result > 0)
    return TRUE;
  int reason = SSL_get_error(connection->tls, result);
  if (reason == SSL_ERROR_WANT_WRITE)
    event_add(connection->writable, NULL);
  else if (reason != SSL_ERROR_WANT_READ)
    break_off(connection);
  return FALSE;
}

static gboolean send_some(HttpsConnection *connection) {
  int sent = SSL_write(connection->tls, connection->out->str, (int)connection->out->len);
  if (!went_on(connection, sent))
    return FALSE;
  g_string_erase(connection->out, 0, sent);
  return TRUE;
}

/* Without a request nothing but the end, or what belongs to TLS, may come. */
static gboolean hear_some(HttpsConnection *connection) {
  Heard *heard = connection->heard;
  char spare = 0;
  gsize room = heard != NULL ? ANSWER_MAX_OCTETS - heard->have : sizeof(spare);
  char *to = heard != NULL ? heard->octets + heard->have : &spare;
  if (room == 0)
    https_fail("the server sent", "an answer that is too long");
  int got = SSL_read(connection->tls, to, (int)room);
  if (!went_on(connection, got))
    return FALSE;
  if (heard == NULL)
    https_fail("the server sent", "an answer to no request");
  heard->have += (gsize)got;
  if (is_whole(connection))
    hand_on(connection);
  return TRUE;
}

static void drive(HttpsConnection *connection) {
  connection->driving = TRUE;
  while (connection->tls != NULL) {
    if (!SSL_is_init_finished(connection->tls)) {
      if (!went_on(connection, SSL_do_handshake(connection->tls)))
        break;
    } else if (connection->out->len > 0) {
      if (!send_some(connection) || !SSL_has_pending(connection->tls))
        break;
    } else if (!hear_some(connection) || (connection->out->len == 0 && connection->heard == NULL &&
                                          !SSL_has_pending(connection->tls))) {
      break;
    }
  }
  connection->driving = FALSE;
}

static void on_ready(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  drive(user);
}

static void open_connection(HttpsConnection *connection) {
  const HttpsServer *server = connection->server;
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = connection->source};
  int on = 1;
  int fd = connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  if (fd < 0 || bind(fd, (struct sockaddr *)&source, sizeof(source)) != 0 ||
      (connect(fd, (const struct sockaddr *)&server->address, sizeof(server->address)) != 0 &&
       errno != EINPROGRESS))
    https_fail("connect", g_strerror(errno));
  connection->tls = SSL_new(server->tls);
  SSL_set_fd(connection->tls, fd);
  SSL_set_connect_state(connection->tls);
  connection->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_ready, connection);
  connection->writable = event_new(server->base, fd, EV_WRITE, on_ready, connection);
  event_add(connection->readable, NULL);
  event_add(connection->writable, NULL);
}

void https_connection_send(HttpsConnection *connection, const char *method, const char *path,
                           const char *body) {
  gboolean opens = connection->tls == NULL;
  g_string_append_printf(connection->out, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: acme_load\r\n",
                         method, path, connection->server->host);
  if (body != NULL)
    g_string_append_printf(connection->out,
                           "Content-Type: application/jose+json\r\nContent-Length: %zu\r\n",
                           strlen(body));
  g_string_append_printf(connection->out, "\r\n%s", body != NULL ? body : "");
  connection->head = strcmp(method, "HEAD") == 0;
  connection->heard = g_malloc(sizeof(Heard));
  memset(connection->heard, 0, G_STRUCT_OFFSET(Heard, octets));
  if (opens)
    open_connection(connection);
  else if (!connection->driving)
    drive(connection);
}

gboolean https_connection_is_open(const HttpsConnection *connection) {
  return connection->tls != NULL;
}

HttpsConnection *https_connection_new(const HttpsServer *server, in_addr_t source,
                                      HttpsAnswered answered, gpointer user) {
  HttpsConnection *connection = g_new0(HttpsConnection, 1);
  connection->server = server;
  connection->source = source;
  connection->answered = answered;
  connection->user = user;
  connection->out = g_string_new(NULL);
  return connection;
}

void https_connection_free(HttpsConnection *connection) {
  disconnect(connection);
  g_string_free(connection->out, TRUE);
  g_free(connection->heard);
  g_free(connection);
}
