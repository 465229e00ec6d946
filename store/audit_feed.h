/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log as it is read again: by verifiers and for exports, also beside a server that goes
 * on writing it. */
#ifndef SIGNET_STORE_AUDIT_FEED_H
#define SIGNET_STORE_AUDIT_FEED_H

#include "base/audit_walk.h"
#include "store/store.h"

typedef struct {
  AuditRecord record; /* texts that are none are NULL */
  GBytes *hash;       /* NULL when it is none */
  char *texts[3];
} AuditRow;

typedef struct {
  AuditCheckpoint checkpoint;
  GBytes *key, *signature; /* NULL when it is none, or the hash has not its size */
} AuditCheckpointRow;

/* Who takes what is read: chains one after the other, records in order, each checkpoint after the
   record that it covers. Each may be NULL. */
typedef struct {
  void (*chain)(const AuditChain *chain, gpointer user);
  void (*record)(const AuditRow *row, gpointer user);
  void (*checkpoint)(const AuditCheckpointRow *row, gpointer user);
  void (*chain_end)(gpointer user);
  void (*progress)(gint64 done, gint64 of, gpointer user); /* now and then */
  gpointer user;
} AuditTaker;

/* Which part of each chain; number 0 and zero times: from the first, to the last. */
typedef struct {
  gint64 from, to;     /* numbers, both included */
  gint64 since, until; /* times; the part is of whole records from the first to the last of them */
} AuditRange;

/* range NULL: all. strange: rows that name a chain that cannot be; they are not read. */
gboolean audit_feed(Store *store, const AuditRange *range, const AuditTaker *taker, gint64 *strange,
                    GError **error);
/* One piece of a chain, from the record of a number to that of another: records and checkpoints. */
gboolean audit_feed_piece(Store *store, const AuditChain *chain, gint64 from, gint64 to,
                          const AuditTaker *taker, GError **error);
/* Number of the first checkpoint of a chain that covers a record; 0: none does yet. */
gboolean audit_covered_by(Store *store, const AuditChain *chain, gint64 number, gint64 *checkpoint,
                          GError **error);
/* What records are about: with open, also those in whose subject more follows the text. */
typedef struct {
  char *text;
  gboolean open;
} AuditSubject;

/* The records about any of the subjects, of AuditSubject; of AuditRow, each subject's by number. */
GPtrArray *audit_rows_about(Store *store, const GArray *subjects, GError **error);
/* To such rows, a record of which no more is known; its texts are NULL. */
void audit_rows_add(GPtrArray *rows, const AuditHead *head);
/* Number and hash of the last record of a chain below a number; number 0: there is none. */
gboolean audit_row_before(Store *store, const AuditChain *chain, gint64 number, AuditHead *before,
                          GError **error);
/* Feeds a verifier with the whole log, to its end. */
gboolean audit_verify_store(Store *store, AuditWalk *walk,
                            void (*progress)(gint64 done, gint64 of, gpointer user), gpointer user,
                            GError **error);

#endif
