/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that a transaction decides by on a shared store: locked to its end, so that what was read
   stays as it is. Where several are, always in the order account, order, authorization, key.
   A lock waits for another transaction that has it; without others (SQLite) it does nothing. */
#ifndef SIGNET_STORE_LOCK_H
#define SIGNET_STORE_LOCK_H

#include "store/store.h"

/* A row that is not there locks nothing. */
gboolean store_lock_account(Store *store, const Id *id, GError **error);
gboolean store_lock_order(Store *store, const Id *id, GError **error);
/* With its challenge. */
gboolean store_lock_authorization(Store *store, const Id *id, GError **error);
gboolean store_lock_challenge(Store *store, const Id *id, GError **error);

/* For what has no row yet. Those who decide by its absence share it, whoever makes it has it alone:
   so after that is committed nobody goes on who has not seen it. */
typedef enum { LOCK_KEY, LOCK_ISSUANCE_STOP, LOCK_SCHEMA, LOCK_WRITER } LockKind;

/* octets: which of the kind. */
gboolean store_lock_absent(Store *store, LockKind kind, const void *octets, gsize size,
                           GError **error);
gboolean store_lock_making(Store *store, LockKind kind, const void *octets, gsize size,
                           GError **error);
/* What several tables say of a key: blocked, an account's, a certificate's. digest: SHA-256 of its
   SubjectPublicKeyInfo. Of two who decide by it one waits. */
gboolean store_lock_key(Store *store, GBytes *digest, GError **error);
/* Whether no process works on the store as owner, or this one does; none begins to then. */
gboolean store_lock_owner(Store *store, const char *owner, gboolean *free, GError **error);
/* The number that the database knows the lock by. */
gint64 lock_number(LockKind kind, const void *octets, gsize size);

#endif
