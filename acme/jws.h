/* SPDX-License-Identifier: Apache-2.0 */
/* The gate that every POST passes (RFC 8555 section 6.2 to 6.5, RFC 7515), and what it shares with
   the JWS inside a payload (sections 7.3.4 and 7.3.5). */
#ifndef SIGNET_ACME_JWS_H
#define SIGNET_ACME_JWS_H

#include "acme/acme.h"

#define JWS_MAX_DEPTH 8 /* of JSON, in header and payload */

/* What identifies the signer, by resource. */
typedef enum { JWS_KEY, JWS_ACCOUNT, JWS_EITHER } JwsSigner;

/* Checks in this order: content type, size, JSON, protected header, key, signature, nonce, url.
   Fills key, account and payload of call. NULL when the request may go on. */
Problem *jws_open(Call *call, JwsSigner signer);

/* JSON of a peer: no duplicate members, no NUL, UTF-8, at most JWS_MAX_DEPTH deep; NULL otherwise.
 */
json_t *jws_parse_json(const void *text, gsize length);

/* The parts of one flattened JWS, of which nothing is verified. The texts belong to the message or
   the header. */
typedef struct {
  json_t *header;                  /* the protected one */
  const char *protected, *payload; /* base64url */
  const char *algorithm, *url;     /* alg and url of the header */
  GBytes *signature;
} Jws;

void jws_clear(Jws *jws);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Jws, jws_clear)

/* Reads a flattened JWS, which must outlive jws: its form, and what every protected header obeys
   (alg and url are texts; no crit, no b64). */
Problem *jws_read(json_t *message, Jws *jws);
/* What the signature is over; the caller frees it. */
char *jws_signing_input(const Jws *jws);
/* The key in the header's jwk, which must be one that signs with the header's alg. */
Problem *jws_read_key(const Jws *jws, Jwk **key);
Problem *jws_check_signature(const Jws *jws, const Jwk *key);
/* The payload, a JSON object; NULL when it is empty. */
Problem *jws_read_payload(const Jws *jws, json_t **payload);

/* The refusal of an alg; algorithms, those that are taken, is taken over. */
Problem *jws_algorithm_problem(const char *detail, json_t *algorithms);
/* problem, with what stands before its detail ("The inner JWS"); NULL when that is NULL. */
Problem *jws_problem_in(const char *what, Problem *problem);

/* A JWS inside a payload has no nonce, is named by exactly the member that is asked for ("jwk" or
   "kid"), and has the url of the request. The second is asked after the signature. */
Problem *jws_check_inner_header(const Jws *jws, const char *named_by);
Problem *jws_check_inner_url(const Call *call, const Jws *jws);

#endif
