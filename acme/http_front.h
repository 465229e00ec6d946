/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP front of an edge: evhttp with strict framing, limits, and a total deadline for every
   connection; behind a load balancer the client's address comes from its PROXY header. */
#ifndef SIGNET_ACME_HTTP_FRONT_H
#define SIGNET_ACME_HTTP_FRONT_H

#include "acme/http.h"

#include <event2/event.h>
#include <openssl/ssl.h>

#define HTTP_FRONT_MAX_HEADERS (16 * 1024)
#define HTTP_FRONT_MAX_READ (1024 * 1024) /* of a body that is read to be refused with words */
#define HTTP_FRONT_MAX_CONNECTIONS 20000
#define HTTP_FRONT_MAX_PER_ADDRESS 1000
#define HTTP_FRONT_FIRST_SECONDS 20 /* from accept, handshake included, to a whole request */
#define HTTP_FRONT_NEXT_SECONDS 60  /* from an answer to the next whole request */

typedef struct HttpFront HttpFront;

/* A request that waits for its answer. It outlives its client: answering late is safe. */
typedef struct HttpExchange HttpExchange;

/* request lives until the answer; its body is at most HTTP_MAX_BODY. */
typedef void (*HttpHandler)(HttpExchange *exchange, const Request *request, gpointer user);
/* A request that the front refuses itself: answer it with a document of this status and detail. */
typedef void (*HttpRefuse)(HttpExchange *exchange, guint status, const char *detail, gpointer user);

typedef struct {
  SSL_CTX *tls;          /* NULL: plain HTTP; kept by reference */
  const char *base_path; /* "" or "/path": taken off the front of every path; others are 404 */
  /* Networks (base/network.h) whose connections begin with a PROXY header, NULL-terminated; NULL:
     none. From other sources none is looked for. Read by http_front_new. */
  const char *const *proxies;
  HttpHandler handle;
  HttpRefuse refuse;
  gpointer user;
} HttpFrontOptions;

HttpFront *http_front_new(struct event_base *base, const HttpFrontOptions *options);
void http_front_free(HttpFront *front);
/* fd: a listening socket, owned from now on. */
gboolean http_front_listen(HttpFront *front, int fd);
void http_front_set_tls(HttpFront *front, SSL_CTX *tls); /* for connections from now on */
/* No more connections; those that there are end with their next answer. */
void http_front_stop(HttpFront *front);

/* Sends and frees; headers: name, value, ...; the body is left out for HEAD. */
void http_exchange_answer(HttpExchange *exchange, guint status, GPtrArray *headers, GBytes *body);
/* The value of a field of the request's header, NULL when it has none; lives as the request. */
const char *http_exchange_field(const HttpExchange *exchange, const char *name);
const Request *http_exchange_request(const HttpExchange *exchange);
/* The connection is closed after the answer. */
void http_exchange_close_after(HttpExchange *exchange);

#endif
