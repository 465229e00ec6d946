/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/problem.h"
#include "base/log.h"
#include "store/store.h"

#include <stdlib.h>

#define REPLACEMENT 0xfffd

static const struct {
  const char *name;
  guint status;
} types[PROBLEM_COUNT] = {
    [PROBLEM_ACCOUNT_DOES_NOT_EXIST] = {"accountDoesNotExist", 400},
    [PROBLEM_ALREADY_REPLACED] = {"alreadyReplaced", 409},
    [PROBLEM_ALREADY_REVOKED] = {"alreadyRevoked", 400},
    [PROBLEM_BAD_CSR] = {"badCSR", 400},
    [PROBLEM_BAD_NONCE] = {"badNonce", 400},
    [PROBLEM_BAD_PUBLIC_KEY] = {"badPublicKey", 400},
    [PROBLEM_BAD_REVOCATION_REASON] = {"badRevocationReason", 400},
    [PROBLEM_BAD_SIGNATURE_ALGORITHM] = {"badSignatureAlgorithm", 400},
    [PROBLEM_CAA] = {"caa", 403},
    [PROBLEM_COMPOUND] = {"compound", 400},
    [PROBLEM_CONNECTION] = {"connection", 400},
    [PROBLEM_DNS] = {"dns", 400},
    [PROBLEM_EXTERNAL_ACCOUNT_REQUIRED] = {"externalAccountRequired", 403},
    [PROBLEM_INCORRECT_RESPONSE] = {"incorrectResponse", 403},
    [PROBLEM_INVALID_CONTACT] = {"invalidContact", 400},
    [PROBLEM_INVALID_PROFILE] = {"invalidProfile", 400},
    [PROBLEM_MALFORMED] = {"malformed", 400},
    [PROBLEM_ORDER_NOT_READY] = {"orderNotReady", 403},
    [PROBLEM_RATE_LIMITED] = {"rateLimited", 429},
    [PROBLEM_REJECTED_IDENTIFIER] = {"rejectedIdentifier", 400},
    [PROBLEM_SERVER_INTERNAL] = {"serverInternal", 500},
    [PROBLEM_TLS] = {"tls", 400},
    [PROBLEM_UNAUTHORIZED] = {"unauthorized", 403},
    [PROBLEM_UNSUPPORTED_CONTACT] = {"unsupportedContact", 400},
    [PROBLEM_UNSUPPORTED_IDENTIFIER] = {"unsupportedIdentifier", 400},
    [PROBLEM_USER_ACTION_REQUIRED] = {"userActionRequired", 403},
};

/* Details repeat what clients, mails and relays said: valid UTF-8, and nothing that would move or
   hide what is beside it on a screen. */
static char *make_printable(char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  GString *printable = g_string_new(NULL);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    GUnicodeType type = g_unichar_type(c);
    gboolean hidden = type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ||
                      type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR;
    g_string_append_unichar(printable, hidden ? REPLACEMENT : c);
  }
  g_free(text);
  return g_string_free(printable, FALSE);
}

Problem *problem_new(ProblemType type, guint status, const char *format, ...) {
  Problem *problem = g_new0(Problem, 1);
  problem->type = type;
  problem->status = status != 0 ? status : types[type].status;
  va_list values;
  va_start(values, format);
  problem->detail = make_printable(g_strdup_vprintf(format, values));
  va_end(values);
  return problem;
}

/* The request is run again, or the store is away, which is said for all at once. */
static gboolean is_passing(const GError *error) {
  return g_error_matches(error, STORE_ERROR, STORE_ERROR_AGAIN) ||
         g_error_matches(error, STORE_ERROR, STORE_ERROR_AWAY);
}

Problem *problem_internal(GError **error) {
  const GError *why = error != NULL ? *error : NULL;
  gboolean passing = is_passing(why);
  if (!passing)
    log_error("request failed", "reason", why != NULL ? why->message : "unknown", NULL);
  g_clear_error(error);
  Problem *problem =
      problem_new(PROBLEM_SERVER_INTERNAL, 0, "The server could not do this now. Try again later.");
  problem->passing = passing;
  return problem;
}

void problem_set(Problem *problem, const char *member, json_t *value) {
  if (problem->members == NULL)
    problem->members = json_object();
  json_object_set_new(problem->members, member, value);
}

void problem_set_header(Problem *problem, const char *name, const char *value) {
  problem->header = g_strdup(name);
  problem->header_value = g_strdup(value);
}

void problem_free(Problem *problem) {
  if (problem == NULL)
    return;
  g_free(problem->detail);
  json_decref(problem->members);
  g_free(problem->header);
  g_free(problem->header_value);
  g_free(problem);
}

static gint64 wait_of(const Problem *problem) {
  if (problem->type == PROBLEM_SERVER_INTERNAL)
    return G_MAXINT64;
  return g_strcmp0(problem->header, "Retry-After") == 0
             ? g_ascii_strtoll(problem->header_value, NULL, 10)
             : 0;
}

Problem *problem_longer(Problem *one, Problem *other) {
  if (one == NULL || other == NULL)
    return one != NULL ? one : other;
  gboolean longer = wait_of(other) > wait_of(one);
  problem_free(longer ? one : other);
  return longer ? other : one;
}

const char *problem_type_name(ProblemType type) {
  return types[type].name;
}

json_t *problem_json(const Problem *problem) {
  json_t *document = json_object();
  g_autofree char *urn =
      g_strconcat("urn:ietf:params:acme:error:", types[problem->type].name, NULL);
  json_object_set_new(document, "type", json_string(urn));
  json_object_set_new(document, "status", json_integer(problem->status));
  json_object_set_new(document, "detail", json_string(problem->detail));
  if (problem->members != NULL)
    json_object_update(document, problem->members);
  return document;
}

char *problem_text(const Problem *problem) {
  json_t *document = problem_json(problem);
  char *dumped = json_dumps(document, JSON_COMPACT);
  json_decref(document);
  char *text = g_strdup(dumped);
  free(dumped);
  return text;
}
