/* SPDX-License-Identifier: Apache-2.0 */
/* The store: one connection, transactions, schema. Objects have a file each beside this one. Every
   function of store/ that has a GError runs inside a transaction that the caller began. */
#ifndef SIGNET_STORE_STORE_H
#define SIGNET_STORE_STORE_H

#include "base/id.h"

#define STORE_ERROR (store_error_quark())
GQuark store_error_quark(void);
typedef enum {
  STORE_ERROR_OPEN,  /* the database cannot be opened, or its schema is newer than this program */
  STORE_ERROR_BUSY,  /* another process holds it */
  STORE_ERROR_FAILED /* a statement or a commit failed: nothing of the transaction may be
                        acknowledged */
} StoreError;

/* What a conditional change did. */
typedef enum { STORE_FAILED = -1, STORE_UNCHANGED = 0, STORE_CHANGED = 1 } StoreChange;

/* What a look-up found. */
typedef enum { STORE_LOOKUP_FAILED = -1, STORE_MISSING = 0, STORE_FOUND = 1 } StoreFind;

typedef struct Store Store;

/* Opens folder/signet.db (made when missing), takes the lock beside it (folder/signet.lock) that
   keeps a second writer out, and brings the schema up to date. */
Store *store_open(const char *folder, GError **error);
/* The same for reading alone, beside a server or without one: takes no lock, changes nothing. The
   functions that read need no transaction then. STORE_ERROR_OPEN for another schema version. */
Store *store_open_reader(const char *folder, GError **error);
void store_close(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)

gboolean store_begin(Store *store, GError **error);
/* Durable when TRUE; when FALSE everything since store_begin is undone. */
gboolean store_commit(Store *store, GError **error);
void store_rollback(Store *store);
/* Marks the beginning of one handler's work inside the transaction. */
gboolean store_handler_begin(Store *store, GError **error);
/* Ends it; keep FALSE undoes what it did. */
gboolean store_handler_end(Store *store, gboolean keep, GError **error);

#endif
