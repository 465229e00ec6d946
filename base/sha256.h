/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by OpenSSL, which uses the processor's instructions for it; GLib's GChecksum takes five
   times as long. */
#ifndef SIGNET_BASE_SHA256_H
#define SIGNET_BASE_SHA256_H

#include <glib.h>

#define SHA256_OCTETS 32

typedef struct Sha256 Sha256;

Sha256 *sha256_new(void);
void sha256_free(Sha256 *sum);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sha256, sha256_free)

void sha256_add(Sha256 *sum, const void *octets, gsize size);
/* The digest of what was added; then sum begins anew. */
void sha256_end(Sha256 *sum, guint8 digest[SHA256_OCTETS]);
/* The same in hexadecimal, lower case; the caller frees it. */
char *sha256_end_hex(Sha256 *sum);

void sha256_of(GBytes *octets, guint8 digest[SHA256_OCTETS]);
/* Of octets as a whole, in hexadecimal; the caller frees it. */
char *sha256_hex(GBytes *octets);

#endif
