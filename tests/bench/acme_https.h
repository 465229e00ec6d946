/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS connections of a load generator: HTTP/1.1, kept alive, one request at a time each. */
#ifndef SIGNET_BENCH_ACME_HTTPS_H
#define SIGNET_BENCH_ACME_HTTPS_H

#include <event2/event.h>
#include <glib.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

/* The server that all connections go to. */
typedef struct {
  struct event_base *base;
  SSL_CTX *tls;
  struct sockaddr_in address;
  char *host; /* as in the URL, with the port */
} HttpsServer;

/* status 0: the connection broke before the answer was whole. Texts are NULL when there are none,
   and live until the callback returns. */
typedef struct {
  guint status;
  const char *nonce, *location;
  const char *body; /* ends in a NUL */
  gsize length;
} HttpsAnswer;

typedef struct HttpsConnection HttpsConnection;
typedef void (*HttpsAnswered)(const HttpsAnswer *answer, gpointer user);

/* Ends the process with a word. */
void G_GNUC_NORETURN https_fail(const char *what, const char *words);

/* url: https://ADDRESS:PORT/..., whose certificate must be one of the CA's. Raises the number of
   descriptors to what the system allows. */
HttpsServer *https_server_new(const char *url, const char *ca_file);
void https_server_free(HttpsServer *server);
/* The path of a URL of this server. */
const char *https_path(const HttpsServer *server, const char *url);

/* source: this host's address that it comes from, 0 for any, in network order. Connects with its
   first request, and again when the server closed it. */
HttpsConnection *https_connection_new(const HttpsServer *server, in_addr_t source,
                                      HttpsAnswered answered, gpointer user);
/* body NULL: none. Not while another request waits; from within answered it may be called. */
void https_connection_send(HttpsConnection *connection, const char *method, const char *path,
                           const char *body);
/* Not from within answered. */
void https_connection_free(HttpsConnection *connection);
gboolean https_connection_is_open(const HttpsConnection *connection);

#endif
