/* SPDX-License-Identifier: Apache-2.0 */
#include "client/signed_request.h"

#include "base/base64url.h"
#include "client/failure.h"

#include <openssl/hmac.h>
#include <string.h>

static char *encode_json(const json_t *value) {
  char *text = json_dumps(value, JSON_COMPACT);
  char *encoded = base64url_encode(text, strlen(text));
  free(text);
  return encoded;
}

static json_t *flattened(const char *header, const char *payload, const void *signature,
                         gsize length) {
  g_autofree char *encoded = base64url_encode(signature, length);
  return json_pack("{s:s,s:s,s:s}", "protected", header, "payload", payload, "signature", encoded);
}

char *signed_request_new(const AccountKey *key, const char *kid, const char *nonce, const char *url,
                         const json_t *payload, GError **error) {
  g_autoptr(json_t) fields =
      json_pack("{s:s,s:s,s:s}", "alg", key->algorithm, "nonce", nonce, "url", url);
  if (kid != NULL)
    json_object_set_new(fields, "kid", json_string(kid));
  else
    json_object_set(fields, "jwk", key->jwk);
  g_autofree char *header = encode_json(fields);
  g_autofree char *body = payload != NULL ? encode_json(payload) : g_strdup("");
  g_autofree char *input = g_strconcat(header, ".", body, NULL);
  g_autoptr(GBytes) signature = account_key_sign(key, input, error);
  if (signature == NULL)
    return NULL;
  g_autoptr(json_t) jws =
      flattened(header, body, g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
  char *text = json_dumps(jws, JSON_COMPACT);
  char *copy = g_strdup(text);
  free(text);
  return copy;
}

json_t *signed_request_binding(const AccountKey *key, const char *kid, const char *mac_key,
                               const char *url, GError **error) {
  g_autoptr(GBytes) secret = base64url_decode(mac_key);
  if (secret == NULL || g_bytes_get_size(secret) == 0) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "the external account key is not base64url text");
    return NULL;
  }
  g_autoptr(json_t) fields = json_pack("{s:s,s:s,s:s}", "alg", "HS256", "kid", kid, "url", url);
  g_autofree char *header = encode_json(fields);
  g_autofree char *body = encode_json(key->jwk);
  g_autofree char *input = g_strconcat(header, ".", body, NULL);
  guint8 mac[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), g_bytes_get_data(secret, NULL), (int)g_bytes_get_size(secret),
       (const guint8 *)input, strlen(input), mac, &length);
  return flattened(header, body, mac, length);
}

/* No nonce: the outer request has one. */
json_t *signed_request_key_change(const AccountKey *key, const AccountKey *fresh,
                                  const char *account, const char *url, GError **error) {
  g_autoptr(json_t) fields =
      json_pack("{s:s,s:O,s:s}", "alg", fresh->algorithm, "jwk", fresh->jwk, "url", url);
  g_autoptr(json_t) change = json_pack("{s:s,s:O}", "account", account, "oldKey", key->jwk);
  g_autofree char *header = encode_json(fields);
  g_autofree char *body = encode_json(change);
  g_autofree char *input = g_strconcat(header, ".", body, NULL);
  g_autoptr(GBytes) signature = account_key_sign(fresh, input, error);
  return signature != NULL ? flattened(header, body, g_bytes_get_data(signature, NULL),
                                       g_bytes_get_size(signature))
                           : NULL;
}
