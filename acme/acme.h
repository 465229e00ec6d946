/* SPDX-License-Identifier: Apache-2.0 */
/* The ACME engine: what every handler is given. Handlers are straight-line; they see clock,
   randomness and store only through this, and keep nothing in memory that a rollback would have to
   undo. */
#ifndef SIGNET_ACME_ACME_H
#define SIGNET_ACME_ACME_H

#include "acme/http.h"
#include "acme/jwk.h"
#include "acme/nonce.h"
#include "acme/problem.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "ca/issuer.h"
#include "ca/root_list.h"
#include "ca/weak_keys.h"
#include "store/account.h"

/* The processes of signetd: role, index among those of its role, pid (0: it does not run), since
   when (milliseconds), how often it was started again. */
#define ACME_ROLES_TYPE "a(uuuxu)"

/* What a challenge, an authorization or an order belongs to. */
typedef struct {
  Id id, order, account;
} Owner;

#define ACME_OWNERS 4096 /* some three for each order that is under way */

typedef struct {
  Store *store;
  const Clock *clock;
  void (*random)(void *octets, gsize length); /* a CSPRNG */
  const Config *config;
  Nonces *nonces;
  const char *node; /* the name of this one; NULL: nobody else writes to the store */
  JwkCache *keys;
  WeakKeys *weak_keys;   /* NULL: no list is given */
  Issuer *issuer;        /* that issues now; without key */
  char *chain;           /* PEM of it, appended to its certificates */
  GPtrArray *alternates; /* of char*: other such chains, offered as alternates */
  GPtrArray *others;     /* of IssuingCa: earlier and coming ones; NULL: none */
  GHashTable *root_keys; /* of GBytes: SubjectPublicKeyInfo of each root; NULL: none */
  GPtrArray *root_lists; /* of AcmeRootList: those that are published; NULL: none */
  /* Files to be written to the published folder when the transaction is committed: name, GBytes,
   * ... */
  GPtrArray *publications;
  GVariant *roles;   /* ACME_ROLES_TYPE; NULL: not told yet */
  GVariant *ends;    /* ACME_ENDS_TYPE; NULL: not told yet */
  Metrics *metrics;  /* NULL: nothing is counted */
  GPtrArray *events; /* of char**: what record() will say in the log then; NULL: nothing yet */
  /* What record() was about lately: neither the order nor the account of a thing ever changes, but
     where something is undone; then all is forgotten. Each at a place that its id says. */
  Owner owners[ACME_OWNERS];
} Acme;

/* A root's revocation list, and the configuration key of its file. */
typedef struct {
  char *key;
  RootList list;
} AcmeRootList;

/* One request on its way through its handler. */
typedef struct {
  Acme *acme;
  const Request *request;
  Response *response;
  gint64 now;
  Id id;            /* from the path */
  const char *tail; /* the rest of a path that has one (route.h); NULL */
  Jwk *key;         /* that signed the request */
  Account *account; /* of the kid; NULL when the request carries a jwk */
  json_t *payload;  /* NULL for POST-as-GET */
} Call;

/* Answers one ACME request (RFC 8555). Runs inside a transaction of the store; FALSE when its
   changes must be undone (the response is right all the same). */
gboolean acme_handle(Acme *acme, const Request *request, Response *response);

/* A new id of this moment. */
Id acme_id(const Acme *acme, gint64 now);
/* length random letters and digits (lower case); the caller frees it. */
char *acme_random_word(const Acme *acme, gsize length);
/* What makes an address of ours one that nobody guesses: letters and digits (lower case), 9 of
   time, so that those of one time lie together in an index, then 26 random, which are 130 bits. The
   caller frees it. */
char *acme_tag(const Acme *acme, gint64 now);
/* base64url of length random octets; the caller frees it. */
char *acme_random_token(const Acme *acme, gsize length);
/* The external URL of an object: base "/" collection "/" id suffix; the caller frees it. */
char *acme_url(const Acme *acme, const char *collection, const Id *id, const char *suffix);
/* Names a file for the published folder; octets is taken by reference. */
void acme_publish(Acme *acme, const char *name, GBytes *octets);

#endif
