/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/http_front_proxy.h"
#include "acme/proxy_header.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>

/* bufferevent lives as long as this: without descriptor and time limits nothing reaches evhttp that
   would make it free it. */
typedef struct {
  ProxyHeaders *headers;
  struct bufferevent *bufferevent;
  struct event *readable;
  int fd;
  gsize have;
  guint8 octets[PROXY_HEADER_MAX];
} Reading;

struct ProxyHeaders {
  struct event_base *base;
  Connections *connections;
  GHashTable *readings; /* set of Reading */
};

static void reading_free(gpointer data) {
  static const struct timeval idle = {HTTP_FRONT_IDLE_SECONDS, 0};
  Reading *reading = data;
  event_free(reading->readable);
  bufferevent_setfd(reading->bufferevent, reading->fd);
  bufferevent_set_timeouts(reading->bufferevent, &idle, &idle);
  g_free(reading);
}

/* fault NULL: the header is whole. */
static void finish(Reading *reading, const char *fault) {
  Connections *connections = reading->headers->connections;
  if (fault != NULL) {
    connections_refuse(connections, reading->fd, fault);
  } else {
    g_autofree char *client = proxy_header_client(reading->octets);
    if (!connections_count(connections, reading->fd, client))
      connections_refuse(connections, reading->fd, "too many connections");
  }
  g_hash_table_remove(reading->headers->readings, reading);
}

static void on_readable(evutil_socket_t fd, short what G_GNUC_UNUSED, void *user) {
  Reading *reading = user;
  const char *fault = NULL;
  gsize missing = proxy_header_missing(reading->octets, reading->have, &fault);
  gssize got = recv(fd, reading->octets + reading->have, missing, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (got <= 0) {
    finish(reading, "the connection ended, or its time, before the end of the PROXY header");
    return;
  }
  reading->have += (gsize)got;
  if (proxy_header_missing(reading->octets, reading->have, &fault) == 0)
    finish(reading, fault);
}

ProxyHeaders *proxy_headers_new(struct event_base *base, Connections *connections) {
  ProxyHeaders *headers = g_new0(ProxyHeaders, 1);
  headers->base = base;
  headers->connections = connections;
  headers->readings = g_hash_table_new_full(g_direct_hash, g_direct_equal, reading_free, NULL);
  return headers;
}

void proxy_headers_free(ProxyHeaders *headers) {
  g_hash_table_unref(headers->readings);
  g_free(headers);
}

void proxy_headers_read(ProxyHeaders *headers, struct bufferevent *bufferevent) {
  Reading *reading = g_new0(Reading, 1);
  reading->headers = headers;
  reading->bufferevent = bufferevent;
  reading->fd = bufferevent_getfd(bufferevent);
  bufferevent_set_timeouts(bufferevent, NULL, NULL);
  bufferevent_setfd(bufferevent, -1);
  reading->readable =
      event_new(headers->base, reading->fd, EV_READ | EV_PERSIST, on_readable, reading);
  event_add(reading->readable, NULL);
  g_hash_table_add(headers->readings, reading);
}
