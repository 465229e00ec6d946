/* SPDX-License-Identifier: Apache-2.0 */
/* Orders and authorizations as the server shows them (RFC 8555 section 7.1, RFC 8823 section 3). */
#ifndef SIGNET_CLIENT_SERVER_OBJECTS_H
#define SIGNET_CLIENT_SERVER_OBJECTS_H

#include <glib.h>
#include <jansson.h>

#define SERVER_MAX_AUTHORIZATIONS 100 /* of an order */

typedef enum {
  SERVER_PENDING,
  SERVER_READY,
  SERVER_PROCESSING,
  SERVER_VALID,
  SERVER_INVALID /* and deactivated, expired, revoked, or a word of no RFC */
} ServerStatus;

typedef struct {
  ServerStatus status;
  GPtrArray *authorizations; /* of char*: URLs */
  char *finalize;
  char *certificate; /* NULL until valid */
  char *problem;     /* "error" for a person; NULL when there is none */
} ServerOrder;

/* An authorization and its one email-reply-00 challenge. */
typedef struct {
  ServerStatus status;
  char *identifier;
  char *challenge; /* URL; NULL when there is no such challenge */
  char *from;      /* where the mail will come from */
  char *token;     /* token-part2 */
  char *problem;   /* the challenge's "error" for a person; NULL when there is none */
} ServerAuthorization;

/* CLIENT_NETWORK when json (may be NULL) is not what the RFCs say. */
ServerOrder *server_order_read(const json_t *json, GError **error);
ServerAuthorization *server_authorization_read(const json_t *json, GError **error);

void server_order_free(ServerOrder *order);
void server_authorization_free(ServerAuthorization *authorization);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServerOrder, server_order_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServerAuthorization, server_authorization_free)

#endif
