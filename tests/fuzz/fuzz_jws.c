/* SPDX-License-Identifier: Apache-2.0 */
/* Input: text. Holds: JSON that is taken is written and read as the same; a key that is taken has
   one thumbprint, kept through its own text, and a SubjectPublicKeyInfo; base64url has one
   spelling.
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
  g_assert_cmpuint(g_bytes_get_size(spki), >, 0);
  g_autoptr(GBytes) signature = g_bytes_new_static(key->text, 64);
  g_assert_false(jwk_verify(key, key->text, 10, signature));
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
  json_decref(again);
  json_decref(value);
  free(dumped);
  return 0;
}
