/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the PROXY header off a connection that evhttp has just accepted, before evhttp or TLS reads
   an octet. Meanwhile the connection's bufferevent has no descriptor: nothing is stacked on it, and
   once the header is read it is like every other. */
#ifndef SIGNET_ACME_HTTP_FRONT_PROXY_H
#define SIGNET_ACME_HTTP_FRONT_PROXY_H

#include "acme/http_front_connections.h"

#include <event2/bufferevent.h>

/* The headers that are being read. */
typedef struct ProxyHeaders ProxyHeaders;

/* connections outlives it. */
ProxyHeaders *proxy_headers_new(struct event_base *base, Connections *connections);
/* Gives every connection that waits for its header back to evhttp. */
void proxy_headers_free(ProxyHeaders *headers);

/* Takes over a bufferevent's descriptor, which connections knows, until the header is there; gives
   it back with the client's address noted, or shut down with a line in the log. */
void proxy_headers_read(ProxyHeaders *headers, struct bufferevent *bufferevent);

#endif
