/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys in PEM files (PKCS#8, mode 0600). */
#ifndef SIGNET_CLIENT_PRIVATE_KEY_H
#define SIGNET_CLIENT_PRIVATE_KEY_H

#include "client/openssl_types.h"

#define PRIVATE_KEY_TYPES "P-256, P-384, RSA-2048, RSA-3072 or RSA-4096"

/* Whether name is one of PRIVATE_KEY_TYPES. */
gboolean private_key_type_known(const char *name);

/* A fresh key of a known type; CLIENT_LOCAL when OpenSSL cannot. */
EVP_PKEY *private_key_make(const char *type, GError **error);

/* The name of key's type ("P-256", "RSA-3072", "ED25519" ...); the caller frees it. */
char *private_key_type(EVP_PKEY *key);

/* An unencrypted key; CLIENT_LOCAL with the path. */
EVP_PKEY *private_key_load(const char *path, GError **error);

/* The key in path, or when there is no such file a fresh one, which then stands there. type NULL:
   any existing key will do and a fresh one is P-256; else an existing key of another type is
   CLIENT_LOCAL. *made (may be NULL): whether it is fresh. */
EVP_PKEY *private_key_load_or_make(const char *path, const char *type, gboolean *made,
                                   GError **error);

#endif
