/* SPDX-License-Identifier: Apache-2.0 */
/* A backup: one tar archive (POSIX ustar), so that it can be opened without Signet too. Its first
   member, manifest.json, names the others with their sizes and SHA-256. */
#ifndef SIGNET_DAEMON_BACKUP_FILE_H
#define SIGNET_DAEMON_BACKUP_FILE_H

#include "base/audit_record.h"

#define BACKUP_STORE "signet.db"
#define BACKUP_LOG "signer.log"
#define BACKUP_CHECKPOINT "signer.checkpoint"
#define BACKUP_CONFIG "signet.conf"

typedef struct {
  gint64 made;         /* when the store was as it is in it; milliseconds */
  gint64 certificates; /* rows of the store */
  AuditHead head;      /* of the audit log */
} BackupFacts;

/* A member that is on the disk. */
typedef struct {
  const char *name, *path;
  gint64 size; /* of it, from its begin */
} BackupMember;

/* Told now and then how many octets are done. */
typedef void (*BackupProgress)(gint64 done, gint64 of, gpointer user);

/* Whether a backup may take this name: nothing has it, an empty file, or a backup. */
gboolean backup_may_replace(const char *path, GError **error);
/* Writes members (the end has a name NULL) to the new file path, mode 0600, durably. */
gboolean backup_write(const char *path, const BackupFacts *facts, const BackupMember *members,
                      BackupProgress progress, gpointer user, GError **error);
/* Reads a backup: everything is there, and as it was written. folder: where members are put, as new
   files, durably; NULL: nowhere. */
gboolean backup_read(const char *path, const char *folder, BackupFacts *facts,
                     BackupProgress progress, gpointer user, GError **error);

#endif
