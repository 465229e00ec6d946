/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/jws.h"
#include "acme/account_right.h"
#include "acme/test_mode.h"
#include "base/base64url.h"

#include <string.h>

void jws_clear(Jws *jws) {
  g_clear_pointer(&jws->header, json_decref);
  g_clear_pointer(&jws->signature, g_bytes_unref);
}

static gboolean too_deep(json_t *value, int left) {
  const char *key = NULL;
  json_t *member = NULL;
  size_t i = 0;
  if (!json_is_object(value) && !json_is_array(value))
    return FALSE;
  if (left == 0)
    return TRUE;
  json_object_foreach(value, key, member) {
    if (too_deep(member, left - 1))
      return TRUE;
  }
  json_array_foreach(value, i, member) {
    if (too_deep(member, left - 1))
      return TRUE;
  }
  return FALSE;
}

json_t *jws_parse_json(const void *text, gsize length) {
  json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
  if (value != NULL && too_deep(value, JWS_MAX_DEPTH)) {
    json_decref(value);
    return NULL;
  }
  return value;
}

static Problem *malformed(const char *detail) {
  return problem_new(PROBLEM_MALFORMED, 0, "%s", detail);
}

Problem *jws_problem_in(const char *what, Problem *problem) {
  if (problem == NULL)
    return NULL;
  char *detail = g_strdup_printf("%s: %s", what, problem->detail);
  g_free(problem->detail);
  problem->detail = detail;
  return problem;
}

static const char *text_of(const Jws *jws, const char *member) {
  return json_string_value(json_object_get(jws->header, member));
}

static gboolean has(const Jws *jws, const char *member) {
  return json_object_get(jws->header, member) != NULL;
}

/* --- one JWS
 * --------------------------------------------------------------------------------------------- */

static Problem *read_form(json_t *message, Jws *jws) {
  if (!json_is_object(message))
    return malformed("A flattened JWS must be a JSON object with no member twice.");
  if (json_object_get(message, "signatures") != NULL || json_object_get(message, "header") != NULL)
    return malformed("Only the flattened JWS form without unprotected header is taken.");
  jws->protected = json_string_value(json_object_get(message, "protected"));
  jws->payload = json_string_value(json_object_get(message, "payload"));
  const char *signature = json_string_value(json_object_get(message, "signature"));
  if (jws->protected == NULL || jws->payload == NULL || signature == NULL)
    return malformed("A JWS must have the members protected, payload and signature, each a text.");
  jws->signature = base64url_decode(signature);
  if (jws->signature == NULL)
    return malformed("The signature is not base64url without padding.");
  return NULL;
}

static Problem *read_header(Jws *jws) {
  g_autoptr(GBytes) octets = base64url_decode(jws->protected);
  if (octets == NULL)
    return malformed("The protected header is not base64url without padding.");
  jws->header = jws_parse_json(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
  if (!json_is_object(jws->header))
    return malformed("The protected header is not a JSON object, or has a member twice.");
  if (has(jws, "crit") || has(jws, "b64"))
    return malformed("The header parameters crit and b64 are not supported.");
  jws->algorithm = text_of(jws, "alg");
  jws->url = text_of(jws, "url");
  if (jws->algorithm == NULL || jws->url == NULL)
    return malformed("The protected header needs alg and url, each a text.");
  return NULL;
}

Problem *jws_read(json_t *message, Jws *jws) {
  Problem *problem = read_form(message, jws);
  return problem != NULL ? problem : read_header(jws);
}

char *jws_signing_input(const Jws *jws) {
  return g_strconcat(jws->protected, ".", jws->payload, NULL);
}

Problem *jws_algorithm_problem(const char *detail, json_t *algorithms) {
  Problem *problem = problem_new(PROBLEM_BAD_SIGNATURE_ALGORITHM, 0, "%s", detail);
  problem_set(problem, "algorithms", algorithms);
  return problem;
}

/* RFC 8555 section 6.2: said before anything about the key. */
static Problem *check_algorithm(const Jws *jws) {
  return jwk_supports(jws->algorithm)
             ? NULL
             : jws_algorithm_problem("The signature algorithm (alg) is not supported; algorithms "
                                     "lists those that are.",
                                     jwk_algorithms());
}

Problem *jws_read_key(const Jws *jws, Jwk **key) {
  g_autofree char *why = NULL;
  Problem *problem = check_algorithm(jws);
  if (problem != NULL)
    return problem;
  *key = jwk_parse(json_object_get(jws->header, "jwk"), &why);
  if (*key == NULL)
    return problem_new(PROBLEM_BAD_PUBLIC_KEY, 0, "The jwk was refused: %s.", why);
  /* The same section: "alg" is "ES256" but "jwk" does not contain a valid P-256 public key. */
  return strcmp(jws->algorithm, (*key)->algorithm) == 0
             ? NULL
             : problem_new(PROBLEM_BAD_PUBLIC_KEY, 0,
                           "The jwk is a key that signs with %s, not with the alg of the header.",
                           (*key)->algorithm);
}

Problem *jws_check_signature(const Jws *jws, const Jwk *key) {
  g_autofree char *input = jws_signing_input(jws);
  return jwk_verify(key, input, strlen(input), jws->signature)
             ? NULL
             : malformed("The signature does not fit the key and the request.");
}

Problem *jws_read_payload(const Jws *jws, json_t **payload) {
  if (*jws->payload == '\0')
    return NULL;
  g_autoptr(GBytes) octets = base64url_decode(jws->payload);
  if (octets != NULL)
    *payload = jws_parse_json(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
  return json_is_object(*payload) ? NULL
                                  : malformed("The payload is not a JSON object in base64url.");
}

/* --- a JWS inside another
 * -------------------------------------------------------------------------------- */

Problem *jws_check_inner_header(const Jws *jws, const char *named_by) {
  const char *other = strcmp(named_by, "jwk") == 0 ? "kid" : "jwk";
  if (has(jws, "nonce"))
    return malformed("Its protected header must not have a nonce.");
  if (!has(jws, named_by) || has(jws, other))
    return problem_new(PROBLEM_MALFORMED, 0, "Its protected header needs %s and must not have %s.",
                       named_by, other);
  return NULL;
}

static gboolean is_url_of(const Call *call, const Jws *jws) {
  g_autofree char *url =
      g_strconcat(config_text(call->acme->config, "acme.url"), call->request->path, NULL);
  return strcmp(jws->url, url) == 0;
}

Problem *jws_check_inner_url(const Call *call, const Jws *jws) {
  return is_url_of(call, jws) ? NULL
                              : problem_new(PROBLEM_UNAUTHORIZED, 0,
                                            "Its url is not that of the request around it.");
}

/* --- the gate
 * -------------------------------------------------------------------------------------------- */

static Problem *read_message(const Request *request, json_t **message) {
  gsize size = 0;
  const void *body = g_bytes_get_data(request->body, &size);
  if (strcmp(request->content_type, "application/jose+json") != 0)
    return problem_new(PROBLEM_MALFORMED, 415, "The content type must be application/jose+json.");
  if (size > HTTP_MAX_BODY)
    return problem_new(PROBLEM_MALFORMED, 413, "The request is larger than %d octets.",
                       HTTP_MAX_BODY);
  *message = jws_parse_json(body, size);
  return *message != NULL
             ? NULL
             : problem_new(PROBLEM_MALFORMED, 0,
                           "The body is not JSON in UTF-8, has a member twice, or is more than %d "
                           "deep.",
                           JWS_MAX_DEPTH);
}

/* RFC 8555 section 6.5.2. One that is missing is a bad nonce (section 6.5), said with the others.
 */
static Problem *check_nonce_form(const Jws *jws) {
  const char *text = text_of(jws, "nonce");
  g_autoptr(GBytes) octets = text != NULL && *text != '\0' ? base64url_decode(text) : NULL;
  return octets != NULL || !has(jws, "nonce") ? NULL : malformed("The nonce is not base64url.");
}

static Problem *check_header(const Jws *jws, JwsSigner signer) {
  Problem *problem = check_nonce_form(jws);
  if (problem != NULL)
    return problem;
  if (has(jws, "jwk") == has(jws, "kid"))
    return malformed("The protected header needs exactly one of jwk and kid.");
  if (has(jws, "jwk") && signer == JWS_ACCOUNT)
    return malformed("This resource takes requests signed by an account: use kid.");
  if (has(jws, "kid") && signer == JWS_KEY)
    return malformed("This resource takes requests that carry their key: use jwk.");
  return NULL;
}

static Problem *find_account(Call *call, const char *kid) {
  g_autofree char *prefix =
      g_strconcat(config_text(call->acme->config, "acme.url"), "/account/", NULL);
  g_autoptr(GError) error = NULL;
  Id id;
  StoreFind found = STORE_MISSING;
  if (kid == NULL)
    return malformed("The kid must be a text: the account's URL.");
  if (g_str_has_prefix(kid, prefix) && id_from_text(kid + strlen(prefix), &id))
    found = account_find(call->acme->store, &id, &call->account, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING)
    return problem_new(
        PROBLEM_ACCOUNT_DOES_NOT_EXIST, 0,
        "The kid names no account of this server; newAccount gives the URL of yours.");
  call->key = jwk_cache_get(call->acme->keys, call->account->thumbprint, call->account->jwk);
  return call->key != NULL ? NULL : problem_internal(NULL);
}

static Problem *read_account(Call *call, const Jws *jws) {
  Problem *problem = check_algorithm(jws);
  if (problem == NULL)
    problem = find_account(call, text_of(jws, "kid"));
  if (problem != NULL || strcmp(jws->algorithm, call->key->algorithm) == 0)
    return problem;
  g_autofree char *detail = g_strdup_printf(
      "The key of this account signs with %s, which alg must say.", call->key->algorithm);
  return jws_algorithm_problem(detail, jwk_algorithms());
}

static Problem *check_account_status(const Call *call) {
  return call->account != NULL ? account_status_problem(call->account) : NULL;
}

static Problem *check_nonce_and_url(const Call *call, const Jws *jws) {
  g_autoptr(GError) error = NULL;
  const char *nonce = text_of(jws, "nonce");
  if (nonce == NULL)
    return problem_new(PROBLEM_BAD_NONCE, 0,
                       "The protected header has no nonce; try again with the one of this answer.");
  gboolean only_reads = *jws->payload == '\0'; /* POST-as-GET */
  StoreChange used =
      nonces_use(call->acme->nonces, call->acme->store, nonce, call->now, only_reads, &error);
  if (used == STORE_FAILED)
    return problem_internal(&error);
  if (used == STORE_UNCHANGED || test_mode_rejects_nonce(call->acme))
    return problem_new(PROBLEM_BAD_NONCE, 0,
                       "The nonce is unknown, used or too old; try again with the new one.");
  return is_url_of(call, jws)
             ? NULL
             : problem_new(PROBLEM_UNAUTHORIZED, 0,
                           "The url in the protected header is not that of the request.");
}

static Problem *open_message(Call *call, json_t *message, JwsSigner signer) {
  g_auto(Jws) jws = {0};
  Problem *problem = jws_read(message, &jws);
  if (problem == NULL)
    problem = check_header(&jws, signer);
  if (problem == NULL)
    problem = has(&jws, "jwk") ? jws_read_key(&jws, &call->key) : read_account(call, &jws);
  if (problem == NULL)
    problem = jws_check_signature(&jws, call->key);
  if (problem == NULL)
    problem = check_account_status(call);
  if (problem == NULL)
    problem = check_nonce_and_url(call, &jws);
  if (problem == NULL)
    problem = jws_read_payload(&jws, &call->payload);
  return problem;
}

Problem *jws_open(Call *call, JwsSigner signer) {
  json_t *message = NULL;
  Problem *problem = read_message(call->request, &message);
  if (problem == NULL)
    problem = open_message(call, message, signer);
  json_decref(message);
  return problem;
}
