/* SPDX-License-Identifier: Apache-2.0 */
/* Account keys as JSON Web Keys (RFC 7517, 7518 section 6, 7638). */
#ifndef SIGNET_ACME_JWK_H
#define SIGNET_ACME_JWK_H

#include <glib.h>
#include <jansson.h>
#include <openssl/evp.h>

/* A public key; shared by reference. */
typedef struct {
  EVP_PKEY *key;
  const char *algorithm; /* the one JWS algorithm it verifies: "RS256" or "ES256" */
  GBytes *thumbprint;    /* SHA-256 (RFC 7638) */
  char *thumbprint_text; /* base64url */
  char *text;            /* its required members, JSON */
} Jwk;

/* What is wrong with a key, for the client; the caller frees it. */
Jwk *jwk_parse(json_t *jwk, char **why);
Jwk *jwk_parse_text(const char *text, char **why);
void jwk_unref(Jwk *jwk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Jwk, jwk_unref)
/* SubjectPublicKeyInfo, DER. */
GBytes *jwk_spki(const Jwk *jwk);
/* Whether signature (JWS form: r||s for ES256) is over input. */
gboolean jwk_verify(const Jwk *jwk, const char *input, gsize length, GBytes *signature);

/* A bounded store of parsed keys by thumbprint: decoding a key costs more than verifying with it.
 */
typedef struct JwkCache JwkCache;
#define JWK_CACHE_MAX 4096
JwkCache *jwk_cache_new(void);
void jwk_cache_free(JwkCache *cache);
/* A reference to the key of thumbprint, parsed from text when it is not there; NULL when text is no
 * key. */
Jwk *jwk_cache_get(JwkCache *cache, GBytes *thumbprint, const char *text);

#endif
