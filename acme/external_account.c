/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/external_account.h"
#include "acme/jws.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* RFC 7518 section 3.2. */
static const struct {
  const char *algorithm;
  const EVP_MD *(*digest)(void);
} macs[] = {{"HS256", EVP_sha256}, {"HS384", EVP_sha384}, {"HS512", EVP_sha512}};

static const EVP_MD *find_digest(const char *algorithm) {
  for (gsize i = 0; i < G_N_ELEMENTS(macs); i++)
    if (strcmp(macs[i].algorithm, algorithm) == 0)
      return macs[i].digest();
  return NULL;
}

static Problem *unsupported_algorithm(void) {
  json_t *names = json_array();
  for (gsize i = 0; i < G_N_ELEMENTS(macs); i++)
    json_array_append_new(names, json_string(macs[i].algorithm));
  return jws_algorithm_problem("The alg must be HS256, HS384 or HS512.", names);
}

static Problem *check_header(const Jws *jws) {
  Problem *problem = jws_check_inner_header(jws, "kid");
  if (problem != NULL)
    return problem;
  if (!json_is_string(json_object_get(jws->header, "kid")))
    return problem_new(PROBLEM_MALFORMED, 0, "Its kid must be a text.");
  return find_digest(jws->algorithm) != NULL ? NULL : unsupported_algorithm();
}

static gboolean mac_fits(const Jws *jws, GBytes *mac_key) {
  guint8 mac[EVP_MAX_MD_SIZE];
  guint length = 0;
  g_autofree char *input = jws_signing_input(jws);
  gboolean made = HMAC(find_digest(jws->algorithm), g_bytes_get_data(mac_key, NULL),
                       (int)g_bytes_get_size(mac_key), (const guint8 *)input, strlen(input), mac,
                       &length) != NULL;
  gboolean fits = made && g_bytes_get_size(jws->signature) == length &&
                  CRYPTO_memcmp(g_bytes_get_data(jws->signature, NULL), mac, length) == 0;
  OPENSSL_cleanse(mac, sizeof(mac));
  return fits;
}

/* For a kid that is unknown a MAC is made too, with a key that nobody has: neither words nor time
   tell it from a wrong MAC. */
static Problem *check_mac(const Call *call, const Jws *jws, ExternalAccountKey **key) {
  g_autoptr(GError) error = NULL;
  Id id;
  guint8 nobodys[32];
  call->acme->random(nobodys, sizeof(nobodys));
  g_autoptr(GBytes) stand_in = g_bytes_new(nobodys, sizeof(nobodys));
  StoreFind found = STORE_MISSING;
  if (id_from_text(json_string_value(json_object_get(jws->header, "kid")), &id))
    found = external_account_key_find(call->acme->store, &id, key, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  return mac_fits(jws, found == STORE_FOUND ? (*key)->mac_key : stand_in)
             ? NULL
             : problem_new(PROBLEM_UNAUTHORIZED, 0,
                           "Its kid names no key of this server, or its signature is not the MAC "
                           "with that key.");
}

static Problem *check_use(const ExternalAccountKey *key) {
  if (key->revoked_at != 0)
    return problem_new(PROBLEM_UNAUTHORIZED, 0, "Its key was revoked; ask for a new one.");
  if (key->bound)
    return problem_new(PROBLEM_UNAUTHORIZED, 0,
                       "Its key has an account already; each account needs a key of its own.");
  return NULL;
}

static Problem *check_payload(const Call *call, const Jws *jws) {
  json_t *payload = NULL;
  g_autofree char *why = NULL;
  Problem *problem = jws_read_payload(jws, &payload);
  g_autoptr(Jwk) bound = problem == NULL ? jwk_parse(payload, &why) : NULL;
  json_decref(payload);
  if (problem == NULL && bound == NULL)
    problem = problem_new(PROBLEM_MALFORMED, 0, "Its payload is not the account's JWK: %s.", why);
  if (problem == NULL && !g_bytes_equal(bound->thumbprint, call->key->thumbprint))
    problem = problem_new(PROBLEM_UNAUTHORIZED, 0,
                          "Its payload is another key than the one that signed the request.");
  return problem;
}

static Problem *verify(Call *call, json_t *binding, ExternalAccountKey **key) {
  g_auto(Jws) jws = {0};
  Problem *problem = jws_read(binding, &jws);
  if (problem == NULL)
    problem = check_header(&jws);
  if (problem == NULL)
    problem = check_mac(call, &jws, key);
  if (problem == NULL)
    problem = jws_check_inner_url(call, &jws);
  if (problem == NULL)
    problem = check_payload(call, &jws);
  if (problem == NULL)
    problem = check_use(*key);
  return problem;
}

Problem *external_account_read(Call *call, json_t *binding, ExternalAccountKey **key) {
  g_autoptr(ExternalAccountKey) found = NULL;
  Problem *problem = jws_problem_in("externalAccountBinding", verify(call, binding, &found));
  if (problem == NULL)
    *key = g_steal_pointer(&found);
  return problem;
}
