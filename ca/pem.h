/* SPDX-License-Identifier: Apache-2.0 */
/* PEM files of certificates and encrypted keys (RFC 7468). */
#ifndef SIGNET_CA_PEM_H
#define SIGNET_CA_PEM_H

#include "ca/issuer.h"

#define PEM_KEY_ITERATIONS 600000 /* PBKDF2 with HMAC-SHA256 */

/* The caller frees the text. */
char *pem_certificate(GBytes *der);

/* PKCS#8; with a passphrase PBES2, AES-256-CBC. The caller clears and frees the text. */
char *pem_write_private_key(EVP_PKEY *key, const char *passphrase);

#endif
