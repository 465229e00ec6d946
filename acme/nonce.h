/* SPDX-License-Identifier: Apache-2.0 */
/* Anti-replay nonces (RFC 8555 section 6.5): a counter sealed with a key of this start; used ones
   are bits in memory. No nonce of an earlier start, and none twice, is ever accepted. */
#ifndef SIGNET_ACME_NONCE_H
#define SIGNET_ACME_NONCE_H

#include <glib.h>

#define NONCE_KEY_OCTETS 32
#define NONCE_BLOCK 4096                /* nonces that share a time of making */
#define NONCE_LIFETIME (90 * 60 * 1000) /* milliseconds: at least an hour for every one */
#define NONCE_MAX_BLOCKS 16384 /* then the oldest go early: 64 million nonces in 90 minutes */

typedef struct Nonces Nonces;

Nonces *nonces_new(const guint8 key[NONCE_KEY_OCTETS]);
void nonces_free(Nonces *nonces);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Nonces, nonces_free)

/* A fresh nonce, base64url; now in milliseconds. The caller frees it. */
char *nonces_issue(Nonces *nonces, gint64 now);
/* A value of the same form that no Nonces accepts (but for a guessed seal, 1 in 2^128), for an
   answer while there is nobody to ask for a real one: its user gets badNonce and with it a fresh
   one. The caller frees it. */
char *nonce_placeholder(void);
/* TRUE exactly once for a nonce that was issued and has not aged out. */
gboolean nonces_use(Nonces *nonces, const char *nonce, gint64 now);

#endif
