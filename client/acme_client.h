/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation with one ACME server: directory, nonces, account, signed requests (RFC 8555
   sections 6, 7.1 to 7.3). */
#ifndef SIGNET_CLIENT_ACME_CLIENT_H
#define SIGNET_CLIENT_ACME_CLIENT_H

#include "client/account_key.h"
#include "client/https_client.h"

#define ACME_CLIENT_MAX_TRIES 4 /* of one request: bad nonces, 503, lost connections */

typedef struct AcmeClient AcmeClient;

/* A 2xx answer. */
typedef struct {
  long status;
  char *location;     /* NULL when missing */
  gint64 wait;        /* seconds by Retry-After, bounded; 0 when there was none */
  gint64 retry_after; /* the same as the server said it */
  json_t *json;       /* NULL when the body is not a JSON object */
  GByteArray *body;
} AcmeAnswer;

typedef struct {
  const char *directory; /* https URL */
  const char *ca_file;   /* NULL: the system's roots */
  gint64 deadline;       /* monotonic microseconds */
} AcmeClientOptions;

/* How an account is made; every text may be NULL. */
typedef struct {
  const char *const *contacts; /* mail addresses, NULL-terminated */
  gboolean agree;              /* to the terms of service */
  const char *binding_kid;     /* external account, with its key as base64url text */
  const char *binding_key;
} AcmeRegistration;

/* Fetches the directory. key is kept, not owned; NULL for one that only gets. CLIENT_NETWORK when
 * there is no directory there.
 */
AcmeClient *acme_client_new(const AcmeClientOptions *options, const AccountKey *key,
                            GError **error);
void acme_client_free(AcmeClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcmeClient, acme_client_free)

/* Finds key's account or makes it; later requests name it. CLIENT_USAGE when there are terms to be
 * agreed to. */
gboolean acme_client_register(AcmeClient *client, const AcmeRegistration *registration,
                              GError **error);
/* Finds key's account; CLIENT_REFUSED when there is none. */
gboolean acme_client_find_account(AcmeClient *client, GError **error);
const char *acme_client_account(const AcmeClient *client); /* its URL, NULL before */

/* Changes the account (RFC 8555 section 7.3.2, 7.3.6), or with payload NULL only asks for it. */
AcmeAnswer *acme_client_post_account(AcmeClient *client, const json_t *payload, GError **error);
/* Puts fresh in the place of the account's key (section 7.3.5); later requests are signed by it. */
gboolean acme_client_change_key(AcmeClient *client, const AccountKey *fresh, GError **error);

/* The contact member for mail addresses (NULL-terminated). */
json_t *acme_client_contacts(const char *const *addresses);

/* meta.termsOfService of the directory; NULL when there is none. */
const char *acme_client_terms(const AcmeClient *client);

/* A directory entry such as "newOrder"; CLIENT_NETWORK when the server has none. */
const char *acme_client_resource(const AcmeClient *client, const char *name, GError **error);

gboolean acme_client_offers(const AcmeClient *client, const char *name);

/* POST of payload, POST-as-GET when it is NULL; signed by the account, or by the bare key before
   one is found. NULL with CLIENT_REFUSED (problem document in the message), CLIENT_NETWORK or
   CLIENT_TIMEOUT. */
AcmeAnswer *acme_client_post(AcmeClient *client, const char *url, const json_t *payload,
                             GError **error);

/* An unsigned GET (RFC 9773 section 4.1); errors the same. */
AcmeAnswer *acme_client_get(AcmeClient *client, const char *url, GError **error);

/* Whether a request failed with the problem urn:ietf:params:acme:error:NAME. */
gboolean acme_client_refused_as(const GError *error, const char *name);
/* Retry-After of the last request that failed, in seconds; 0 when there was none. */
gint64 acme_client_refused_for(const AcmeClient *client);

void acme_answer_free(AcmeAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcmeAnswer, acme_answer_free)

#endif
