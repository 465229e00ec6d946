/* SPDX-License-Identifier: Apache-2.0 */
/* A key that signs ACME requests: its JWK, thumbprint and JWS signatures (RFC 7517, 7518, 7638). */
#ifndef SIGNET_CLIENT_ACCOUNT_KEY_H
#define SIGNET_CLIENT_ACCOUNT_KEY_H

#include "client/openssl_types.h"

#include <jansson.h>

/* Immutable. */
typedef struct {
  EVP_PKEY *key;
  const char *algorithm; /* JWS alg: ES256, ES384 or RS256 */
  json_t *jwk;           /* the public key, required members only */
  char *thumbprint;      /* base64url(SHA-256(jwk)), RFC 7638 */
} AccountKey;

/* Keeps key by reference. CLIENT_LOCAL when it is not P-256, P-384 or RSA. */
AccountKey *account_key_new(EVP_PKEY *key, GError **error);

/* The raw JWS signature over text; CLIENT_LOCAL when OpenSSL fails. */
GBytes *account_key_sign(const AccountKey *account, const char *text, GError **error);

/* The thumbprint of a JWK; the caller frees it. */
char *account_key_jwk_thumbprint(const json_t *jwk);

/* FILE, or when it is NULL the one for the server of this directory (an https URL): a key serves
   one account (RFC 8555 section 11.1). The caller frees it. */
char *account_key_path(const char *file, const char *directory);

void account_key_free(AccountKey *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccountKey, account_key_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

#endif
