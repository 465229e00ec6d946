/* SPDX-License-Identifier: Apache-2.0 */
/* The store: one connection, transactions, schema. Objects have a file each beside this one. Every
   function of store/ that has a GError runs inside a transaction that the caller began. Behind it
   is SQLite, which one process writes, or PostgreSQL, which many do. */
#ifndef SIGNET_STORE_STORE_H
#define SIGNET_STORE_STORE_H

#include "base/id.h"

#define STORE_ERROR (store_error_quark())
GQuark store_error_quark(void);
typedef enum {
  STORE_ERROR_OPEN,   /* the database cannot be opened, or its schema is newer than this program */
  STORE_ERROR_BUSY,   /* another process holds it, or another one has this one's name */
  STORE_ERROR_FAILED, /* a statement or a commit failed: nothing of the transaction may be
                         acknowledged */
  STORE_ERROR_AGAIN, /* the same, but by what others did at that moment, or by a connection that was
                        lost before the commit: the transaction can be run again, from its begin */
  STORE_ERROR_AWAY   /* the database cannot be reached now; whether a commit that failed so is there
                        is not known */
} StoreError;

/* What a conditional change did. */
typedef enum { STORE_FAILED = -1, STORE_UNCHANGED = 0, STORE_CHANGED = 1 } StoreChange;

/* What a look-up found. */
typedef enum { STORE_LOOKUP_FAILED = -1, STORE_MISSING = 0, STORE_FOUND = 1 } StoreFind;

typedef struct Store Store;

/* Where a store is, and who works on it. */
typedef struct {
  const char *folder;        /* of SQLite's files */
  const char *postgresql;    /* connection string or URI of libpq; NULL or "": SQLite in folder */
  const char *password_file; /* in the form of .pgpass; NULL or "": as libpq has it */
  const char *owner;         /* of a writer on PostgreSQL: "node/index", one process at a time */
} StorePlace;

/* While a file of this name is in the folder a store that was being put back there is not whole,
   and nobody opens it. */
#define STORE_UNFINISHED "restore.unfinished"

/* What is wrong with a connection string, NULL: nothing that can be seen; the caller frees it. */
char *store_place_fault(const char *postgresql);

/* Opens the database for writing and brings its schema up to date. Of SQLite it makes
   folder/signet.db when missing, and takes the lock beside it (folder/signet.lock) that keeps a
   second writer out; on PostgreSQL a lock in the database keeps a second one of that owner out. */
Store *store_open(const StorePlace *place, GError **error);
/* The same for reading alone, beside a server or without one: takes no lock, changes nothing. The
   functions that read need no transaction then. STORE_ERROR_OPEN for another schema version. */
Store *store_open_reader(const StorePlace *place, GError **error);
void store_close(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)

/* Whether others write to it too (PostgreSQL). One transaction then has one handler, and rows that
   are read to decide by are locked first. */
gboolean store_is_shared(const Store *store);
/* What a shared one takes on its server's disk, indexes included; 0: it is in the folder's files.
 */
gboolean store_octets(Store *store, gint64 *octets, GError **error);
/* The place's owner; "" when the store is not shared. */
const char *store_owner(const Store *store);

/* Where the connection was lost: connects again, to any host of the connection string. */
gboolean store_begin(Store *store, GError **error);
/* Durable when TRUE; when FALSE everything since store_begin is undone (but see STORE_ERROR_AWAY).
 */
gboolean store_commit(Store *store, GError **error);
void store_rollback(Store *store);
/* Before store_begin. FALSE: the transactions from now on keep no place to go back to in front of
   each handler, which costs time; one that is to be undone may then give STORE_ERROR_AGAIN. */
void store_expect_undo(Store *store, gboolean expected);
/* Marks the beginning of one handler's work inside the transaction. */
gboolean store_handler_begin(Store *store, GError **error);
/* Ends it; keep FALSE undoes what it did. FALSE when the transaction itself cannot go on: roll it
   back; STORE_ERROR_AGAIN and STORE_ERROR_AWAY come out here, whatever the handler made of them. */
gboolean store_handler_end(Store *store, gboolean keep, GError **error);
/* What the handler did until now stays, also when it is undone. */
gboolean store_keep_so_far(Store *store, GError **error);

#endif
