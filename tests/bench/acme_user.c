/* SPDX-License-Identifier: Apache-2.0 */
#include "acme_user.h"
#include "base/base64url.h"

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define COORDINATE_OCTETS 32
#define DER_MAX_OCTETS 80

const char *const acme_kind_names[ACME_KINDS] = {"newNonce", "newAccount", "newOrder",
                                                 "authorization", "order"};

/* A key, ready to sign. */
typedef struct {
  EVP_PKEY *pair;
  EVP_PKEY_CTX *signing;
  char *jwk;
} Key;

struct AcmeUser {
  const AcmeServer *acme;
  Key key;
  char *account, *nonce, *order, *authorization; /* URLs; NULL: none yet */
};

/* --- the directory
 * ---------------------------------------------------------------------------------------------- */

static char *take_url(json_t *directory, const char *name) {
  const char *url = json_string_value(json_object_get(directory, name));
  if (url == NULL)
    https_fail("the directory has no", name);
  return g_strdup(url);
}

static void on_directory(const HttpsAnswer *answer, gpointer user) {
  AcmeServer *acme = user;
  json_t *directory =
      answer->status == 200 ? json_loadb(answer->body, answer->length, 0, NULL) : NULL;
  if (directory == NULL)
    https_fail("the directory", answer->status != 0 ? answer->body : "no connection");
  acme->new_nonce = take_url(directory, "newNonce");
  acme->new_account = take_url(directory, "newAccount");
  acme->new_order = take_url(directory, "newOrder");
  json_decref(directory);
  event_base_loopbreak(acme->server->base);
}

AcmeServer *acme_server_new(HttpsServer *server, const char *directory, const char *identifier) {
  AcmeServer *acme = g_new0(AcmeServer, 1);
  acme->server = server;
  acme->identifier = identifier;
  HttpsConnection *connection = https_connection_new(server, INADDR_ANY, on_directory, acme);
  https_connection_send(connection, "GET", https_path(server, directory), NULL);
  event_base_dispatch(server->base);
  https_connection_free(connection);
  return acme;
}

void acme_server_free(AcmeServer *acme) {
  g_free(acme->new_nonce);
  g_free(acme->new_account);
  g_free(acme->new_order);
  g_free(acme);
}

/* --- keys and signatures
 * ---------------------------------------------------------------------------------------------- */

static char *coordinate(EVP_PKEY *pair, const char *name) {
  BIGNUM *number = NULL;
  guint8 octets[COORDINATE_OCTETS];
  EVP_PKEY_get_bn_param(pair, name, &number);
  BN_bn2binpad(number, octets, sizeof(octets));
  BN_free(number);
  return base64url_encode(octets, sizeof(octets));
}

static Key key_new(void) {
  Key key = {.pair = EVP_EC_gen("P-256")};
  key.signing = EVP_PKEY_CTX_new(key.pair, NULL);
  EVP_PKEY_sign_init(key.signing);
  g_autofree char *x = coordinate(key.pair, OSSL_PKEY_PARAM_EC_PUB_X);
  g_autofree char *y = coordinate(key.pair, OSSL_PKEY_PARAM_EC_PUB_Y);
  key.jwk = g_strdup_printf("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
  return key;
}

static void key_clear(Key *key) {
  EVP_PKEY_CTX_free(key->signing);
  EVP_PKEY_free(key->pair);
  g_free(key->jwk);
}

static char *encoded(const char *text) {
  return base64url_encode(text, strlen(text));
}

/* r||s in base64url (RFC 7518 section 3.4). */
static char *signature(const Key *key, const char *input) {
  static EVP_MD *sha256 = NULL;
  guint8 digest[EVP_MAX_MD_SIZE], der[DER_MAX_OCTETS], plain[2 * COORDINATE_OCTETS];
  guint length = 0;
  size_t size = sizeof(der);
  if (sha256 == NULL)
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  if (EVP_Digest(input, strlen(input), digest, &length, sha256, NULL) != 1 ||
      EVP_PKEY_sign(key->signing, der, &size, digest, length) != 1)
    https_fail("signature", "OpenSSL refused");
  const guint8 *from = der;
  ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &from, (long)size);
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), plain, COORDINATE_OCTETS);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), plain + COORDINATE_OCTETS, COORDINATE_OCTETS);
  ECDSA_SIG_free(pair);
  return base64url_encode(plain, sizeof(plain));
}

/* kid NULL: the key itself is in the header. */
static char *jws(const Key *key, const char *kid, const char *nonce, const char *url,
                 const char *payload) {
  g_autofree char *named = kid != NULL ? g_strdup_printf("\"kid\":\"%s\"", kid)
                                       : g_strdup_printf("\"jwk\":%s", key->jwk);
  g_autofree char *header =
      g_strdup_printf("{\"alg\":\"ES256\",%s,\"nonce\":\"%s\",\"url\":\"%s\"}", named, nonce, url);
  g_autofree char *header64 = encoded(header), *payload64 = encoded(payload);
  g_autofree char *input = g_strconcat(header64, ".", payload64, NULL);
  g_autofree char *signed64 = signature(key, input);
  return g_strdup_printf("{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}", header64,
                         payload64, signed64);
}

/* --- requests
 * ---------------------------------------------------------------------------------------------- */

AcmeUser *acme_user_new(const AcmeServer *acme) {
  AcmeUser *user = g_new0(AcmeUser, 1);
  user->acme = acme;
  user->key = key_new();
  return user;
}

void acme_user_free(AcmeUser *user) {
  key_clear(&user->key);
  g_free(user->account);
  g_free(user->nonce);
  g_free(user->order);
  g_free(user->authorization);
  g_free(user);
}

gboolean acme_user_has_order(const AcmeUser *user) {
  return user->order != NULL && user->authorization != NULL;
}

static char *order_payload(const AcmeServer *acme) {
  guint32 random[2];
  RAND_bytes((guint8 *)random, sizeof(random));
  gboolean mail = strcmp(acme->identifier, "email") == 0;
  return g_strdup_printf("{\"identifiers\":[{\"type\":\"%s\",\"value\":\"u%08x%08x%suser.test\"}]}",
                         acme->identifier, random[0], random[1], mail ? "@" : ".");
}

static void post(const AcmeUser *user, const char *url, const char *payload,
                 HttpsConnection *connection) {
  g_autofree char *body =
      jws(&user->key, user->account, user->nonce != NULL ? user->nonce : "", url, payload);
  https_connection_send(connection, "POST", https_path(user->acme->server, url), body);
}

static void post_account(const AcmeUser *user, HttpsConnection *connection) {
  const char *url = user->acme->new_account;
  Key other = user->account != NULL ? key_new() : (Key){NULL, NULL, NULL};
  const Key *key = user->account != NULL ? &other : &user->key;
  g_autofree char *body = jws(key, NULL, user->nonce != NULL ? user->nonce : "", url,
                              "{\"termsOfServiceAgreed\":true}");
  https_connection_send(connection, "POST", https_path(user->acme->server, url), body);
  key_clear(&other);
}

void acme_user_ask(AcmeUser *user, AcmeKind kind, HttpsConnection *connection) {
  const AcmeServer *acme = user->acme;
  if (kind == NEW_NONCE) {
    https_connection_send(connection, "HEAD", https_path(acme->server, acme->new_nonce), NULL);
  } else if (kind == NEW_ACCOUNT) {
    post_account(user, connection);
  } else if (kind == NEW_ORDER) {
    g_autofree char *payload = order_payload(acme);
    post(user, acme->new_order, payload, connection);
  } else {
    post(user, kind == ORDER ? user->order : user->authorization, "", connection);
  }
  g_clear_pointer(&user->nonce, g_free);
}

static void set(char **text, const char *value) {
  g_free(*text);
  *text = g_strdup(value);
}

static void take_order(AcmeUser *user, const HttpsAnswer *answer) {
  json_t *order = json_loadb(answer->body, answer->length, 0, NULL);
  json_t *first = json_array_get(json_object_get(order, "authorizations"), 0);
  if (answer->location == NULL || !json_is_string(first))
    https_fail("an order without Location or authorizations", answer->body);
  set(&user->order, answer->location);
  set(&user->authorization, json_string_value(first));
  json_decref(order);
}

gboolean acme_user_take(AcmeUser *user, AcmeKind kind, const HttpsAnswer *answer) {
  if (answer->nonce != NULL)
    set(&user->nonce, answer->nonce);
  if (answer->status == 400 && strstr(answer->body, ":badNonce\"") != NULL)
    return FALSE;
  if (answer->status == 201 && kind == NEW_ORDER)
    take_order(user, answer);
  if (answer->status == 201 && kind == NEW_ACCOUNT && user->account == NULL)
    set(&user->account, answer->location);
  return TRUE;
}
