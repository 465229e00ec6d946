/* SPDX-License-Identifier: Apache-2.0 */
/* Account keys as JSON Web Keys (RFC 7517, 7518 section 6, 7638, 8037 section 2) and their
   signatures (RFC 7518 section 3, RFC 8037 section 3.1). */
#ifndef SIGNET_ACME_JWK_H
#define SIGNET_ACME_JWK_H

#include <glib.h>
#include <jansson.h>
#include <openssl/evp.h>

/* One kind of key: the row of the table of what is supported. */
typedef struct JwkKind JwkKind;

/* A public key; shared by reference. */
typedef struct {
  const JwkKind *kind;
  EVP_PKEY *key;
  EVP_PKEY_CTX *verifying; /* with key; NULL: made for each signature */
  const char *algorithm;   /* the one JWS algorithm it verifies: "ES256", ... */
  GBytes *thumbprint;      /* SHA-256 (RFC 7638) */
  char *thumbprint_text;   /* base64url */
  char *text;              /* its required members, JSON */
} Jwk;

/* Whether a kind of key signs with algorithm. */
gboolean jwk_supports(const char *algorithm);
/* The names of all such algorithms, a new reference. */
json_t *jwk_algorithms(void);

/* NULL with why, for the client, when it is no public key of a supported kind; the caller frees
   why. */
Jwk *jwk_parse(json_t *jwk, char **why);
Jwk *jwk_parse_text(const char *text, char **why);
void jwk_unref(Jwk *jwk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Jwk, jwk_unref)
/* SubjectPublicKeyInfo, DER. */
GBytes *jwk_spki(const Jwk *jwk);
/* The RFC 7638 thumbprint that the key of a SubjectPublicKeyInfo (DER) has as an account key; NULL
   when it is of no kind that accounts may have. */
GBytes *jwk_thumbprint_of_spki(GBytes *spki);
/* Whether signature is over input in the form of JWS: r||s for ECDSA, each as long as the curve's
   order and not zero. */
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
