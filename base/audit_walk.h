/* SPDX-License-Identifier: Apache-2.0 */
/* The verifier of the audit log, without I/O: records and checkpoints in, in their order; sentences
   about what was changed, left out, put in or reordered out. */
#ifndef SIGNET_BASE_AUDIT_WALK_H
#define SIGNET_BASE_AUDIT_WALK_H

#include "base/audit_record.h"

typedef struct AuditWalk AuditWalk;

typedef struct {
  /* One thing that is wrong. */
  void (*fault)(const char *sentence, gpointer user);
  /* Whether the signature is that of the key whose SubjectPublicKeyInfo has that SHA-256. NULL: it
     is; else why not, a text that is not freed. */
  const char *(*check)(GBytes *signed_octets, GBytes *key, GBytes *signature, gpointer user);
  gpointer user;
} AuditWalkHooks;

AuditWalk *audit_walk_new(const AuditWalkHooks *hooks);
void audit_walk_free(AuditWalk *walk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuditWalk, audit_walk_free)

/* A chain begins. before NULL: with its first record; else the record before the first one of a
   part of the log, of which number and hash are taken as they are. */
void audit_walk_chain(AuditWalk *walk, const AuditChain *chain, const AuditHead *before);
/* The next record of the chain; a text or hash that is none is NULL. */
void audit_walk_record(AuditWalk *walk, const AuditRecord *record, GBytes *hash);
/* The next record where only its number and content (audit_record_content) are known; of a chain
   that has an id. */
void audit_walk_hidden(AuditWalk *walk, gint64 number, const guint8 content[AUDIT_HASH_OCTETS]);
/* A checkpoint, after the record that it covers; one of a record that does not come any more stands
   at the end. */
void audit_walk_checkpoint(AuditWalk *walk, const AuditCheckpoint *checkpoint, GBytes *key,
                           GBytes *signature);
/* The chain ends. */
void audit_walk_chain_end(AuditWalk *walk);
/* Something beside the chains is wrong. */
void audit_walk_fault(AuditWalk *walk, const char *sentence);
/* All chains are through: what the first records say of the chains before. first: the least number
   of a part of the log, before which nothing is missed; 0: it is the whole. */
void audit_walk_end(AuditWalk *walk, gint64 first);

typedef struct {
  gint64 chains, records, checkpoints, faults;
  gint64 uncovered; /* records after the last checkpoint of their chain */
  gint64 span;      /* of time, from the first to the last of such; the longest of all chains */
} AuditSums;

const AuditSums *audit_walk_sums(const AuditWalk *walk);
/* Number and hash of the last record that came, and of the last checkpoint. */
gint64 audit_walk_last(const AuditWalk *walk);
gint64 audit_walk_last_checkpoint(const AuditWalk *walk);

#endif
