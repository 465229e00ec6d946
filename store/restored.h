/* SPDX-License-Identifier: Apache-2.0 */
/* A store that was put back from a backup knows nothing of what happened since: nothing is issued
   until that was entered from the signer's log and the revocation lists that were out. */
#ifndef SIGNET_STORE_RESTORED_H
#define SIGNET_STORE_RESTORED_H

#include "store/store.h"

typedef struct {
  gint64 at, taken_at; /* when it was put back; the state of when, 0: not known */
  char *source;        /* for people */
  gboolean log_lost;   /* the signer's log is of the backup too */
} Restored;

void restored_free(Restored *restored);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Restored, restored_free)

/* Marks the store as put back, and stops issuance with a reason that takes the place of an
   earlier one. */
gboolean restored_insert(Store *store, const Restored *restored, const char *reason,
                         const char *uid, GError **error);
/* The last time that it was put back and not everything was entered yet. */
StoreFind restored_find_open(Store *store, Restored **restored, GError **error);
/* Everything was entered. */
gboolean restored_close(Store *store, gint64 now, GError **error);

/* A revocation that stands on a list that was out, and not in the store. */
typedef struct {
  GBytes *serial;
  gint64 shard, revoked_at, reason;
  gint64 not_after; /* of the certificate; at the latest */
} Listed;

/* Unless the store has it. */
gboolean listed_insert(Store *store, const Listed *listed, GError **error);
/* Those whose certificate is known, at most limit; of Listed. NULL on failure. */
GPtrArray *listed_known(Store *store, guint limit, GError **error);
gboolean listed_remove(Store *store, GBytes *serial, GError **error);
gboolean listed_count(Store *store, gint64 *count, GError **error);

#endif
