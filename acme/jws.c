/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/jws.h"
#include "base/base64url.h"

#include <string.h>

/* The parts of one flattened JWS. */
typedef struct {
  json_t *message, *header;
  const char *protected, *payload;
  GBytes *signature;
} Jws;

static void jws_clear(Jws *jws) {
  json_decref(jws->message);
  json_decref(jws->header);
  g_clear_pointer(&jws->signature, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Jws, jws_clear)

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

static Problem *read_message(const Request *request, Jws *jws) {
  gsize size = 0;
  const void *body = g_bytes_get_data(request->body, &size);
  if (strcmp(request->content_type, "application/jose+json") != 0)
    return problem_new(PROBLEM_MALFORMED, 415, "The content type must be application/jose+json.");
  if (size > HTTP_MAX_BODY)
    return problem_new(PROBLEM_MALFORMED, 413, "The request is larger than %d octets.",
                       HTTP_MAX_BODY);
  jws->message = jws_parse_json(body, size);
  if (!json_is_object(jws->message))
    return malformed("The body is not a JSON object, or has a member twice.");
  if (json_object_get(jws->message, "signatures") != NULL ||
      json_object_get(jws->message, "header") != NULL)
    return malformed("Only the flattened JWS form without unprotected header is taken.");
  jws->protected = json_string_value(json_object_get(jws->message, "protected"));
  jws->payload = json_string_value(json_object_get(jws->message, "payload"));
  const char *signature = json_string_value(json_object_get(jws->message, "signature"));
  if (jws->protected == NULL || jws->payload == NULL || signature == NULL)
    return malformed("A JWS has the members protected, payload and signature, each a text.");
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
  if (json_object_get(jws->header, "crit") != NULL || json_object_get(jws->header, "b64") != NULL)
    return malformed("The header parameters crit and b64 are not supported.");
  if (!json_is_string(json_object_get(jws->header, "alg")) ||
      !json_is_string(json_object_get(jws->header, "nonce")) ||
      !json_is_string(json_object_get(jws->header, "url")))
    return malformed("The protected header needs alg, nonce and url, each a text.");
  if ((json_object_get(jws->header, "jwk") != NULL) ==
      (json_object_get(jws->header, "kid") != NULL))
    return malformed("The protected header needs exactly one of jwk and kid.");
  return NULL;
}

static gboolean is_supported(const char *algorithm) {
  return g_strv_contains((const char *const[]){"ES256", "RS256", NULL}, algorithm);
}

static Problem *unsupported_algorithm(const char *wanted) {
  Problem *problem = wanted != NULL ? problem_new(PROBLEM_BAD_SIGNATURE_ALGORITHM, 0,
                                                  "A key of this type signs with %s.", wanted)
                                    : problem_new(PROBLEM_BAD_SIGNATURE_ALGORITHM, 0,
                                                  "The signature algorithm is not supported.");
  problem_set(problem, "algorithms", json_pack("[s, s]", "ES256", "RS256"));
  return problem;
}

static Problem *read_account(Call *call, const char *kid) {
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
    return problem_new(PROBLEM_ACCOUNT_DOES_NOT_EXIST, 0,
                       "The kid names no account of this server.");
  call->key = jwk_cache_get(call->acme->keys, call->account->thumbprint, call->account->jwk);
  return call->key != NULL ? NULL : problem_internal(NULL);
}

static Problem *read_key(Call *call, const Jws *jws, JwsSigner signer) {
  json_t *jwk = json_object_get(jws->header, "jwk");
  g_autofree char *why = NULL;
  /* RFC 8555 section 6.2: said before anything about the key. */
  if (!is_supported(json_string_value(json_object_get(jws->header, "alg"))))
    return unsupported_algorithm(NULL);
  if (jwk != NULL && signer == JWS_ACCOUNT)
    return malformed("This resource takes requests signed by an account: use kid.");
  if (jwk == NULL && signer == JWS_KEY)
    return malformed("This resource takes requests that carry their key: use jwk.");
  if (jwk == NULL)
    return read_account(call, json_string_value(json_object_get(jws->header, "kid")));
  call->key = jwk_parse(jwk, &why);
  return call->key != NULL
             ? NULL
             : problem_new(PROBLEM_BAD_PUBLIC_KEY, 0, "The jwk was refused: %s.", why);
}

static Problem *check_signature(const Call *call, const Jws *jws) {
  const char *algorithm = json_string_value(json_object_get(jws->header, "alg"));
  if (strcmp(algorithm, call->key->algorithm) != 0)
    return unsupported_algorithm(call->key->algorithm);
  g_autofree char *input = g_strconcat(jws->protected, ".", jws->payload, NULL);
  if (!jwk_verify(call->key, input, strlen(input), jws->signature))
    return malformed("The signature does not fit the key and the request.");
  if (call->account != NULL && strcmp(call->account->status, "valid") != 0)
    return problem_new(PROBLEM_UNAUTHORIZED, 401, "The account is %s.", call->account->status);
  return NULL;
}

static Problem *check_nonce_and_url(Call *call, const Jws *jws) {
  g_autofree char *url =
      g_strconcat(config_text(call->acme->config, "acme.url"), call->request->path, NULL);
  if (!nonces_use(call->acme->nonces, json_string_value(json_object_get(jws->header, "nonce")),
                  call->now))
    return problem_new(PROBLEM_BAD_NONCE, 0,
                       "The nonce is unknown, used or too old; try again with the new one.");
  if (strcmp(json_string_value(json_object_get(jws->header, "url")), url) != 0)
    return problem_new(PROBLEM_UNAUTHORIZED, 0,
                       "The url in the protected header is not that of the request.");
  return NULL;
}

static Problem *read_payload(Call *call, const Jws *jws) {
  if (*jws->payload == '\0')
    return NULL;
  g_autoptr(GBytes) octets = base64url_decode(jws->payload);
  if (octets != NULL)
    call->payload = jws_parse_json(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
  return json_is_object(call->payload)
             ? NULL
             : malformed("The payload is not a JSON object in base64url.");
}

Problem *jws_open(Call *call, JwsSigner signer) {
  g_auto(Jws) jws = {0};
  Problem *problem = read_message(call->request, &jws);
  if (problem == NULL)
    problem = read_header(&jws);
  if (problem == NULL)
    problem = read_key(call, &jws, signer);
  if (problem == NULL)
    problem = check_signature(call, &jws);
  if (problem == NULL)
    problem = check_nonce_and_url(call, &jws);
  if (problem == NULL)
    problem = read_payload(call, &jws);
  return problem;
}
