/* SPDX-License-Identifier: Apache-2.0 */
/* Folders in which a backup is made or taken apart, and files there; for signetctl backup and
   restore. */
#ifndef SIGNET_DAEMON_BACKUP_PLACE_H
#define SIGNET_DAEMON_BACKUP_PLACE_H

#include "base/config.h"

/* A folder for work, emptied of what an earlier try left, mode 0700, and locked: -1 with the reason
   while another process works there. Close what is returned, after backup_place_remove. */
int backup_place_make(const char *path, GError **error);
/* Removes it with the files that Signet puts there. */
void backup_place_remove(const char *path);

/* The octets of a signer's log that are whole frames; CA_ERROR_LOG when it is damaged. */
gboolean backup_log_size(const char *path, gint64 *size, GError **error);
/* Whether the log at path begins with all of the one at before, whose size is that. */
gboolean backup_log_goes_on(const char *path, const char *before, gint64 size, gboolean *goes_on,
                            GError **error);
/* The first size octets of a file to a new one, mode 0600, durably; size -1: all. */
gboolean backup_copy(const char *from, const char *to, gint64 size, GError **error);
/* Renames durably. */
gboolean backup_move(const char *from, const char *to, GError **error);
/* Makes the names in the folder of path durable. */
gboolean backup_sync_folder(const char *folder, GError **error);

/* FALSE, with a sentence that says what to do instead, when the store is in PostgreSQL. */
gboolean backup_is_possible(const Config *config, GError **error);

#endif
