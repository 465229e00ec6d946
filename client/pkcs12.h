/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#12 files for mail programs (RFC 7292). */
#ifndef SIGNET_CLIENT_PKCS12_H
#define SIGNET_CLIENT_PKCS12_H

#include "client/certificate_chain.h"

#define PKCS12_ITERATIONS 100000
#define PKCS12_LEGACY_ITERATIONS 2048

/* MODERN: PBES2 with AES-256 and HMAC-SHA-256 (RFC 8018). LEGACY, for programs that say of such a
   file that its password is wrong: the key by 3DES, the certificates, which are public, by RC2 of
   40 bit, HMAC-SHA-1, as all programs wrote it until 2021. */
typedef enum { PKCS12_MODERN, PKCS12_LEGACY } Pkcs12Form;

/* Their names, NULL-terminated. */
extern const char *const pkcs12_forms[];

/* DER of key and chain under password; name is shown by the program that imports it. CLIENT_LOCAL
   when OpenSSL fails, or has no legacy provider for PKCS12_LEGACY. */
GBytes *pkcs12_pack(EVP_PKEY *key, const CertificateStack *chain, const char *name,
                    const char *password, Pkcs12Form form, GError **error);

/* A random password of 24 characters (120 bit) that can be typed; the caller frees it. */
char *pkcs12_make_password(void);

#endif
