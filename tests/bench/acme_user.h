/* SPDX-License-Identifier: Apache-2.0 */
/* An ACME account of a load generator (RFC 8555): what it asks, and what it learns from answers. */
#ifndef SIGNET_BENCH_ACME_USER_H
#define SIGNET_BENCH_ACME_USER_H

#include "acme_https.h"

typedef enum {
  NEW_NONCE,
  NEW_ACCOUNT,   /* of this user when it has none, else of a new key that is forgotten */
  NEW_ORDER,     /* of an identifier of its own */
  AUTHORIZATION, /* POST-as-GET of that of the last order */
  ORDER,         /* POST-as-GET of the last order */
  ACME_KINDS
} AcmeKind;
extern const char *const acme_kind_names[ACME_KINDS];

typedef struct AcmeUser AcmeUser;

/* The URLs of the server's directory, which is asked for now. */
typedef struct {
  const HttpsServer *server;
  const char *identifier; /* the type of identifiers: "email" or "dns" */
  char *new_nonce, *new_account, *new_order;
} AcmeServer;

AcmeServer *acme_server_new(HttpsServer *server, const char *directory, const char *identifier);
void acme_server_free(AcmeServer *acme);

/* With a key of its own (P-256), and no account yet. */
AcmeUser *acme_user_new(const AcmeServer *acme);
void acme_user_free(AcmeUser *user);
gboolean acme_user_has_order(const AcmeUser *user);
/* Asks; the answer belongs to acme_user_take. */
void acme_user_ask(AcmeUser *user, AcmeKind kind, HttpsConnection *connection);
/* Learns from an answer. FALSE: it refused the nonce, ask again. */
gboolean acme_user_take(AcmeUser *user, AcmeKind kind, const HttpsAnswer *answer);

#endif
