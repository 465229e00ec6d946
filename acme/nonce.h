/* SPDX-License-Identifier: Apache-2.0 */
/* Anti-replay nonces (RFC 8555 section 6.5). Of one core: a counter sealed with a key of this
   start; used ones are bits in memory; no nonce of an earlier start is ever accepted. Of several on
   one store: the time and random octets, sealed with a key that all have; used ones are rows. In
   both forms none is accepted twice. */
#ifndef SIGNET_ACME_NONCE_H
#define SIGNET_ACME_NONCE_H

#include "store/store.h"

#define NONCE_KEY_OCTETS 32

#define NONCE_BLOCK 4096                /* nonces that share a time of making */
#define NONCE_LIFETIME (90 * 60 * 1000) /* milliseconds: at least an hour for every one */
#define NONCE_MAX_BLOCKS 16384 /* then the oldest go early: 64 million nonces in 90 minutes */

typedef struct Nonces Nonces;

Nonces *nonces_new(const guint8 key[NONCE_KEY_OCTETS]);
/* The form that the store needs; fresh: random octets, for the first one who makes a key. NULL on
   failure. */
Nonces *nonces_start(Store *store, const guint8 fresh[NONCE_KEY_OCTETS], GError **error);
void nonces_free(Nonces *nonces);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Nonces, nonces_free)

/* A fresh nonce, base64url; now in milliseconds. The caller frees it. */
char *nonces_issue(Nonces *nonces, gint64 now);
/* A value of the same form that no Nonces accepts (but for a guessed seal, 1 in 2^128), for an
   answer while there is nobody to ask for a real one: its user gets badNonce and with it a fresh
   one. The caller frees it. */
char *nonce_placeholder(void);
/* STORE_CHANGED exactly once for a nonce that was issued and has not aged out. Of a shared store in
   the transaction of the request, where it stays also when the request is undone (store);
   only_reads: the request asks for no change (store/nonce.h). */
StoreChange nonces_use(Nonces *nonces, Store *store, const char *nonce, gint64 now,
                       gboolean only_reads, GError **error);
/* Around transactions that may be run again, which will use their nonces anew: from here on those
   that are used are noted; and those noted were not used. For one core; NULL: nothing is done. */
void nonces_keep(Nonces *nonces);
void nonces_give_back(Nonces *nonces);
/* Forgets rows of those that have aged out; at most limit. more: there are others. */
gboolean nonces_purge(const Nonces *nonces, Store *store, gint64 now, guint limit, gboolean *more,
                      GError **error);

#endif
