/* SPDX-License-Identifier: Apache-2.0 */
/* The last checkpoint of the audit log that the signer signed, in a small file of its own, so that
   it signs no other history after a restart either (ca-rules 33). Two slots, each with a number
   that rises and an SHA-256, written by turns: a write that is cut short leaves the one before. */
#ifndef SIGNET_CA_CHECKPOINT_FILE_H
#define SIGNET_CA_CHECKPOINT_FILE_H

#include "base/audit_record.h"
#include "ca/issuer.h"

typedef struct {
  int fd;               /* opened read-write; the caller's */
  guint64 written;      /* number of the slot written last; 0: none */
  AuditCheckpoint last; /* number 0: none */
} CheckpointFile;

/* Reads what is there. CA_ERROR_LOG when it cannot be read, or is damaged. */
gboolean checkpoint_file_open(CheckpointFile *file, int fd, GError **error);
/* Puts checkpoint in place of the last one, durably: only then may its signature leave the process.
   CA_ERROR_LOG, and last is as it was. */
gboolean checkpoint_file_keep(CheckpointFile *file, const AuditCheckpoint *checkpoint,
                              GError **error);

#endif
