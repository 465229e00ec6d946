/* SPDX-License-Identifier: Apache-2.0 */
/* Problem documents (RFC 7807, RFC 8555 section 6.7): the one type for every refusal. */
#ifndef SIGNET_ACME_PROBLEM_H
#define SIGNET_ACME_PROBLEM_H

#include <glib.h>
#include <jansson.h>

typedef enum {
  PROBLEM_ACCOUNT_DOES_NOT_EXIST,
  PROBLEM_ALREADY_REPLACED, /* RFC 9773 */
  PROBLEM_ALREADY_REVOKED,
  PROBLEM_BAD_CSR,
  PROBLEM_BAD_NONCE,
  PROBLEM_BAD_PUBLIC_KEY,
  PROBLEM_BAD_REVOCATION_REASON,
  PROBLEM_BAD_SIGNATURE_ALGORITHM,
  PROBLEM_CAA,
  PROBLEM_COMPOUND,
  PROBLEM_CONNECTION,
  PROBLEM_DNS,
  PROBLEM_EXTERNAL_ACCOUNT_REQUIRED,
  PROBLEM_INCORRECT_RESPONSE,
  PROBLEM_INVALID_CONTACT,
  PROBLEM_INVALID_PROFILE, /* draft-ietf-acme-profiles */
  PROBLEM_MALFORMED,
  PROBLEM_ORDER_NOT_READY,
  PROBLEM_RATE_LIMITED,
  PROBLEM_REJECTED_IDENTIFIER,
  PROBLEM_SERVER_INTERNAL,
  PROBLEM_TLS,
  PROBLEM_UNAUTHORIZED,
  PROBLEM_UNSUPPORTED_CONTACT,
  PROBLEM_UNSUPPORTED_IDENTIFIER,
  PROBLEM_USER_ACTION_REQUIRED,
  PROBLEM_COUNT
} ProblemType;

typedef struct {
  ProblemType type;
  guint status;                /* HTTP */
  char *detail;                /* for a person */
  json_t *members;             /* further members of the document; NULL: none */
  char *header, *header_value; /* a header field that goes with it; NULL: none */
  const char *limit;           /* that is reached; NULL: none, else there for good */
  gboolean keep;               /* what was done before the refusal stands */
  gboolean passing; /* no answer leaves: the store was away, or the request is run again */
} Problem;

/* status 0: the type's usual one. */
Problem *problem_new(ProblemType type, guint status, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* serverInternal from a failure inside, which is logged and freed; the client is not told its text.
 */
Problem *problem_internal(GError **error);
/* Adds a member; value is taken. */
void problem_set(Problem *problem, const char *member, json_t *value);
void problem_set_header(Problem *problem, const char *name, const char *value);
void problem_free(Problem *problem);
/* Of two refusals, either of which may be NULL, the one that lasts longer, by Retry-After; the
   other is freed. A failure of the server outlasts all. */
Problem *problem_longer(Problem *one, Problem *other);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Problem, problem_free)

/* The last part of the type's URN: "badCSR". */
const char *problem_type_name(ProblemType type);
/* A new reference. */
json_t *problem_json(const Problem *problem);
/* The document as text, for the store; the caller frees it. */
char *problem_text(const Problem *problem);

#endif
