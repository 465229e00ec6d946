/* SPDX-License-Identifier: Apache-2.0 */
/* A request as an edge hands it on, and the answer. */
#ifndef SIGNET_ACME_HTTP_H
#define SIGNET_ACME_HTTP_H

#include <glib.h>
#include <jansson.h>

#define HTTP_MAX_BODY (64 * 1024) /* of a request */
#define HTTP_USUAL_HEADERS 24 /* names and values for which a list has room from the beginning */

typedef struct {
  const char *method;
  const char *path;         /* without the base URL's path, no query */
  const char *content_type; /* "" when there is none */
  GBytes *body;
  const char *peer; /* address of the client */
} Request;

typedef struct {
  guint status;
  GPtrArray *headers; /* name, value, name, value ... */
  GBytes *body;       /* NULL: none */
} Response;

Response *response_new(void);
void response_free(Response *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Response, response_free)
void response_header(Response *response, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* The value of a header field, or NULL. */
const char *response_find_header(const Response *response, const char *name);
/* Takes document as the body. */
void response_json(Response *response, guint status, const char *content_type, json_t *document);

#endif
