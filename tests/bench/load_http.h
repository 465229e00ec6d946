/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1.1 client over TLS that keeps its connection, for load generators: one request at a
   time, to this host. Whatever is not HTTP ends the program. */
#ifndef SIGNET_BENCH_LOAD_HTTP_H
#define SIGNET_BENCH_LOAD_HTTP_H

#include <event2/event.h>
#include <glib.h>
#include <openssl/ssl.h>

typedef struct LoadHttp LoadHttp;

typedef struct {
  guint status;
  const char *head; /* status line and fields */
  const char *body;
  gsize length; /* of body, which ends with a NUL beyond it */
} LoadAnswer;

/* The value of a field, NULL when there is none; the caller frees it. */
char *load_answer_field(const LoadAnswer *answer, const char *name);

typedef void (*LoadConnected)(gpointer user);
/* answer lives until this returns. */
typedef void (*LoadAnswered)(const LoadAnswer *answer, gpointer user);

/* tls is kept by reference; port: of the URL that the server has. */
LoadHttp *load_http_new(struct event_base *base, SSL_CTX *tls, guint16 port);
void load_http_free(LoadHttp *http);

/* Opens a new connection, to whichever port of this host; the one that is there is closed. Calls
   back after the TLS handshake. */
void load_http_connect(LoadHttp *http, guint16 port, LoadConnected connected, gpointer user);

/* FALSE also when the server closed it. */
gboolean load_http_is_connected(const LoadHttp *http);

/* Asks over the connection that is there. body NULL: none. */
void load_http_ask(LoadHttp *http, const char *method, const char *path, const char *body,
                   LoadAnswered answered, gpointer user);

/* Ends the program with words about what failed. */
void load_fail(const char *what, const char *words) G_GNUC_NORETURN;

#endif
