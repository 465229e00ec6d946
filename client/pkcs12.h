/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#12 files for mail programs: PBES2 with AES-256 and HMAC-SHA-256 (RFC 7292, RFC 8018). */
#ifndef SIGNET_CLIENT_PKCS12_H
#define SIGNET_CLIENT_PKCS12_H

#include "client/certificate_chain.h"

#define PKCS12_ITERATIONS 100000

/* DER of key and chain under password; name is shown by the program that imports it. CLIENT_LOCAL
   when OpenSSL fails. */
GBytes *pkcs12_pack(EVP_PKEY *key, const CertificateStack *chain, const char *name,
                    const char *password, GError **error);

/* A random password of 24 characters (120 bit) that can be typed; the caller frees it. */
char *pkcs12_make_password(void);

#endif
