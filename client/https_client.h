/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS requests over one libcurl handle, so that connections are used again. */
#ifndef SIGNET_CLIENT_HTTPS_CLIENT_H
#define SIGNET_CLIENT_HTTPS_CLIENT_H

#include <glib.h>

#define HTTPS_MAX_BODY (1024 * 1024) /* octets of an answer's body */
#define HTTPS_CONNECT_SECONDS 15
#define HTTPS_REQUEST_SECONDS 60

typedef struct HttpsClient HttpsClient;

/* One answer. Texts are NULL when the field was missing. */
typedef struct {
  long status;
  char *content_type; /* without parameters, lower case */
  char *location;
  char *nonce;
  char *retry_after;
  GByteArray *body;
} HttpsAnswer;

/* ca_file: PEM file of the only roots trusted, NULL: the system's. deadline: monotonic microseconds
   after which every request fails with CLIENT_TIMEOUT. */
HttpsClient *https_client_new(const char *ca_file, gint64 deadline);
void https_client_free(HttpsClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpsClient, https_client_free)

/* Each takes https URLs only and follows no redirect. NULL with CLIENT_NETWORK or CLIENT_TIMEOUT
   when there is no whole answer; any HTTP status is an answer. */
HttpsAnswer *https_client_head(HttpsClient *client, const char *url, GError **error);
HttpsAnswer *https_client_get(HttpsClient *client, const char *url, GError **error);
/* A JWS as application/jose+json (RFC 8555 section 6.2). */
HttpsAnswer *https_client_post(HttpsClient *client, const char *url, const char *jws,
                               GError **error);

void https_answer_free(HttpsAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpsAnswer, https_answer_free)

#endif
