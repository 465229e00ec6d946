/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: append-only chains of hashes, written in the commit of what they record (ca-rules
   33). Each owner of a shared store has its chain, which it alone appends to; "the chain" below is
   that of the store's owner. */
#ifndef SIGNET_STORE_AUDIT_H
#define SIGNET_STORE_AUDIT_H

#include "base/audit_record.h"
#include "store/store.h"

/* At start: goes on with the chain, or begins one with that id, whose first record names the end of
   the one before, where the store was not shared until now. */
gboolean audit_begin(Store *store, gint64 now, const Id *chain, GError **error);
/* Names of all that have a chain; of char*. NULL on failure. */
GPtrArray *audit_owners(Store *store, GError **error);
/* Of a restored store: an owner's chain may have gone on in what was lost, so it has its end here
   and another one begins, with that id. before: where that end is. STORE_MISSING: it has none. */
StoreFind audit_begin_anew(Store *store, const char *owner, gint64 now, const Id *chain,
                           AuditHead *before, GError **error);
/* Appends a record to the chain (base/audit_record.h).
   subject: the id of what it is about, text; detail: one line, key=value. */
gboolean audit_append(Store *store, gint64 now, const char *kind, const char *subject,
                      const char *detail, GError **error);
/* From now on the place of each record about the order is kept in memory where nobody else writes:
   the order was made in this transaction, with authorizations of its own, and has no record yet. */
void audit_keep(Store *store, const Id *order);
/* The places of all records about such an order, of AuditHead, the first one first; they are kept
   no longer. NULL: they have to be read, for there are many or something was undone since. The
   caller unrefs them. */
GArray *audit_take_kept(Store *store, const Id *order);
/* The latest time of any record, also of one before the last: when the clock fell back the next
   record must not hide it. 0: none. */
gboolean audit_last_time(Store *store, gint64 *at, GError **error);

/* The chain's last record as what a checkpoint would say of it, with the number of the last
   checkpoint in previous; at is left 0. key: the digest of that one's key, NULL when there is none;
   the caller unrefs it. */
gboolean audit_head(Store *store, AuditCheckpoint *head, GBytes **key, GError **error);
/* STORE_UNCHANGED when the last checkpoint of the chain is not the one that it names as previous.
   key: SHA-256 of the SubjectPublicKeyInfo. */
StoreChange audit_add_checkpoint(Store *store, const AuditCheckpoint *checkpoint, GBytes *key,
                                 GBytes *signature, GError **error);

/* Whether the chain's last record is of a stop, or there is none yet. */
gboolean audit_was_stopped(Store *store, gboolean *stopped, GError **error);

/* Subject -> detail, both char*, of all records of a kind. NULL on failure. */
GHashTable *audit_of_kind(Store *store, const char *kind, GError **error);

#endif
