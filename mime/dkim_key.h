/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and key records (RFC 6376 section 3.6.1, RFC 8463 section 4, RFC 8301). Internal to mime/.
 */
#ifndef SIGNET_MIME_DKIM_KEY_H
#define SIGNET_MIME_DKIM_KEY_H

#include "mime/dkim_hash.h"

#include <openssl/evp.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

/* context: of dkim_key_context. */
typedef struct {
  EVP_PKEY *key;
  EVP_PKEY_CTX *context;
  gboolean strict; /* t=s: i= must have the very domain of d= */
} DkimKey;

/* Reads a key record for a signature with this a=. NULL with *why (static text) when it cannot be
 * used. */
DkimKey *dkim_key_read(const char *record, const char *algorithm, const char **why);
void dkim_key_free(DkimKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkimKey, dkim_key_free)

/* The a= that a key can make; NULL for a kind of key that DKIM does not have. */
const char *dkim_key_algorithm(EVP_PKEY *key);

/* Why the key is not to be used (static text), or NULL. */
const char *dkim_key_weakness(EVP_PKEY *key);

/* What an RSA key verifies with, or signs with, every time; NULL: it is none, or cannot. */
EVP_PKEY_CTX *dkim_key_context(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *));

gboolean dkim_key_verify(const DkimKey *key, const guint8 hash[DKIM_HASH_OCTETS],
                         GBytes *signature);

/* NULL when OpenSSL cannot sign. context: of dkim_key_context with EVP_PKEY_sign_init. */
GBytes *dkim_key_sign(EVP_PKEY *key, EVP_PKEY_CTX *context, const guint8 hash[DKIM_HASH_OCTETS]);

#endif
