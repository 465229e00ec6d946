/* SPDX-License-Identifier: Apache-2.0 */
/* The last checkpoint of each chain of the audit log that the signer signed, in a small file of its
   own, so that it signs no other history after a restart either (ca-rules 33). Two slots a chain,
   each with a number that rises and an SHA-256, written by turns: a write that is cut short leaves
   the one before. */
#ifndef SIGNET_CA_CHECKPOINT_FILE_H
#define SIGNET_CA_CHECKPOINT_FILE_H

#include "base/audit_record.h"
#include "ca/issuer.h"

/* One for each core, and again after each time that a backup was put back. None is given up for
   another one: who can ask for new chains cannot have an old one forgotten. */
#define CHECKPOINT_FILE_CHAINS 1024

typedef struct {
  int fd;        /* opened read-write; the caller's */
  GArray *pairs; /* of the slots of a chain, as the file has them */
} CheckpointFile;

/* Reads what is there. CA_ERROR_LOG when it cannot be read, or is damaged. */
gboolean checkpoint_file_open(CheckpointFile *file, int fd, GError **error);
/* Frees all but the descriptor. */
void checkpoint_file_clear(CheckpointFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CheckpointFile, checkpoint_file_clear)

/* The last one of a chain; number 0: none. */
AuditCheckpoint checkpoint_file_last(const CheckpointFile *file, const Id *chain);
/* The one of the latest time, of any chain; number 0: none. */
AuditCheckpoint checkpoint_file_newest(const CheckpointFile *file);
/* Puts checkpoint in place of the last one of its chain, durably: only then may its signature leave
   the process. CA_ERROR_LOG, and the last one is as it was. */
gboolean checkpoint_file_keep(CheckpointFile *file, const AuditCheckpoint *checkpoint,
                              GError **error);

#endif
