/* SPDX-License-Identifier: Apache-2.0 */
/* What was read stays in memory as it is in the database, and is found there by its id: a request
   or a step of an issuance reads the same few objects as the one before. That this is right:
   - Nobody else writes. An embedded store has one writer, which holds its lock; signetctl changes
     it through core, or where no core runs. A shared store and a reader keep nothing.
   - A table's rows are changed in the file of its objects alone, by functions that change or forget
     what is kept with the row. Those that remove rows (store/purge.c) forget everything.
   - Where something is undone, what came here in its transaction is forgotten, changed or not
     (store/store.c:forget_undone); where a script ran everything is.
   What is kept is lent to all who find it, and so never changed: a copy that has the change takes
   its place. Records are put there again when they are added to. */
#ifndef SIGNET_STORE_KEPT_H
#define SIGNET_STORE_KEPT_H

#include "store/store.h"

typedef struct Kept Kept;

typedef enum {
  KEPT_ACCOUNTS,
  KEPT_ORDERS,
  KEPT_AUTHORIZATIONS,
  KEPT_CHALLENGES,
  KEPT_CERTIFICATES,
  KEPT_AUTHORIZATIONS_OF_ORDERS,     /* KeptIds, in their order; by the order's id */
  KEPT_CHALLENGES_OF_AUTHORIZATIONS, /* KeptIds, of one; by the authorization's id */
  KEPT_CHALLENGES_OF_RECIPIENTS,     /* KeptIds, of one; by kept_id_of its mail_from */
  KEPT_CERTIFICATES_OF_ORDERS,       /* KeptIds, of one; by the order's id */
  KEPT_RECORDS_OF_ORDERS,            /* a GArray, which store/audit.c adds to; by the order's id */
  KEPT_KINDS
} KeptKind;

/* Where parts of an object are to be found. */
typedef struct {
  guint count;
  Id ids[];
} KeptIds;

/* All objects here but records are blocks of g_rc_box_alloc. Where kept is NULL nothing is. */
Kept *kept_new(void);
void kept_free(Kept *kept);
/* NULL: it has to be read. The caller holds it (g_rc_box_acquire) beyond the next change. */
gpointer kept_find(Kept *kept, KeptKind kind, const Id *id);
/* Takes the object over. A kind has some places, several ids one: what was there before is
   forgotten. */
void kept_put(Kept *kept, KeptKind kind, const Id *id, gpointer object);
void kept_put_ids(Kept *kept, KeptKind kind, const Id *id, const Id *ids, guint count);
/* For what is found by a text: another text may have the same. */
Id kept_id_of(const char *text);
/* To be changed as the row was, before anything else is looked up: a copy of what is kept, which
   has its place from now on; NULL: nothing is kept. */
gpointer kept_change(Kept *kept, KeptKind kind, const Id *id, gpointer (*copy)(gconstpointer));
void kept_set_text(char **text, const char *value);
/* Another hold on them; NULL for NULL. */
GBytes *kept_octets(GBytes *octets);
void kept_forget(Kept *kept, KeptKind kind, const Id *id);
void kept_forget_all(Kept *kept);
/* A transaction begins; what was done in it so far is undone, all or some. */
void kept_begin(Kept *kept);
void kept_undo(Kept *kept);

/* Of a store; NULL: it keeps nothing. */
Kept *store_kept(Store *store);

#endif
