/* SPDX-License-Identifier: Apache-2.0 */
/* Input: text. Holds: JSON that is taken is written and read as the same; a key that is taken has
   one thumbprint, kept through its own text and its SubjectPublicKeyInfo; base64url has one
   spelling; a JWS that is read is refused with a detail or signed by the key that it carries.
 */
#include "acme/jwk.h"
#include "acme/jws.h"
#include "base/base64url.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/x509.h>
#include <stdlib.h>

static void run_base64url(const char *text) {
  g_autoptr(GBytes) octets = base64url_decode(text);
  if (octets == NULL)
    return;
  g_autofree char *again =
      base64url_encode(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
  g_assert_cmpstr(again, ==, text);
}

static void run_encode(const guint8 *data, gsize size) {
  g_autofree char *text = base64url_encode(data, size);
  g_autoptr(GBytes) again = base64url_decode(text);
  g_assert_nonnull(again);
  g_assert_cmpmem(g_bytes_get_data(again, NULL), g_bytes_get_size(again), data, size);
}

static void run_key(json_t *value) {
  g_autofree char *why = NULL, *unused = NULL;
  g_autoptr(Jwk) key = jwk_parse(value, &why);
  g_assert_true((key == NULL) == (why != NULL));
  if (key == NULL)
    return;
  g_autoptr(Jwk) again = jwk_parse_text(key->text, &unused);
  g_assert_nonnull(again);
  g_assert_cmpstr(key->text, ==, again->text);
  g_assert_cmpstr(key->thumbprint_text, ==, again->thumbprint_text);
  g_autoptr(GBytes) spki = jwk_spki(key);
  g_autoptr(GBytes) thumbprint = jwk_thumbprint_of_spki(spki);
  g_assert_true(g_bytes_equal(thumbprint, key->thumbprint));
  g_autoptr(GBytes) signature = g_bytes_new_static(key->text, 64);
  g_assert_false(jwk_verify(key, key->text, 10, signature));
}

/* What the JWS inside a key change goes through. */
static Problem *open_inner(const Jws *jws, Jwk **key, json_t **payload) {
  Problem *problem = jws_check_inner_header(jws, "jwk");
  if (problem == NULL)
    problem = jws_read_key(jws, key);
  if (problem == NULL)
    problem = jws_check_signature(jws, *key);
  return problem != NULL ? problem : jws_read_payload(jws, payload);
}

static void run_message(json_t *message) {
  g_auto(Jws) jws = {0};
  g_autoptr(Jwk) key = NULL;
  json_t *payload = NULL;
  Problem *problem = jws_read(message, &jws);
  if (problem == NULL)
    problem = open_inner(&jws, &key, &payload);
  problem = jws_problem_in("The inner JWS", problem);
  if (problem != NULL)
    g_assert_true(g_str_has_prefix(problem->detail, "The inner JWS: "));
  else
    g_assert_cmpstr(key->algorithm, ==, jws.algorithm);
  problem_free(problem);
  json_decref(payload);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  g_autofree char *text = g_strndup(size == 0 ? "" : (const char *)data, size);
  run_base64url(text);
  run_encode(data, size);
  json_t *value = jws_parse_json(data, size);
  if (value == NULL)
    return 0;
  char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  g_assert_nonnull(dumped);
  json_t *again = jws_parse_json(dumped, strlen(dumped));
  g_assert_true(json_equal(value, again));
  run_key(value);
  run_message(value);
  json_decref(again);
  json_decref(value);
  free(dumped);
  return 0;
}
