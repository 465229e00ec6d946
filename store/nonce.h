/* SPDX-License-Identifier: Apache-2.0 */
/* Anti-replay nonces where several processes take them (RFC 8555 section 6.5): the key that seals
   them, and those that were used. */
#ifndef SIGNET_STORE_NONCE_H
#define SIGNET_STORE_NONCE_H

#include "store/store.h"

/* The key of all processes: fresh (of a CSPRNG) when there was none yet. NULL on failure. */
GBytes *nonce_key(Store *store, GBytes *fresh, GError **error);
/* Marks a nonce as used; STORE_UNCHANGED: it was. expires_at: when it is refused for its age.
   only_reads: its request asks for no change: the commit is not waited for, unless there is a
   change nevertheless, or the handler is undone. */
StoreChange nonce_use(Store *store, GBytes *nonce, gint64 expires_at, gboolean only_reads,
                      GError **error);
/* Forgets at most limit of those that expired; *more: some are left. */
gboolean nonce_purge(Store *store, gint64 now, guint limit, gboolean *more, GError **error);

#endif
