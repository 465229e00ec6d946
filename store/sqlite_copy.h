/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a SQLite store beside a server that writes it: for backups. */
#ifndef SIGNET_STORE_SQLITE_COPY_H
#define SIGNET_STORE_SQLITE_COPY_H

#include "store/store.h"

/* Told now and then how many pages are copied. */
typedef void (*SqliteCopyProgress)(gint64 done, gint64 of, gpointer user);

/* Whether the database at path is there and may be read; else STORE_ERROR_OPEN, and what to do. */
gboolean sqlite_is_readable(const char *path, GError **error);
/* Copies folder/signet.db as it was at one moment to the new file path, mode 0600, durably; the
   server goes on meanwhile, its write-ahead log grows as long. The copy has none beside it. */
gboolean sqlite_copy(const char *folder, const char *path, SqliteCopyProgress progress,
                     gpointer user, GError **error);
/* Whether the database at path is whole (PRAGMA integrity_check). STORE_ERROR_FAILED with what is
   wrong. */
gboolean sqlite_copy_check(const char *path, GError **error);

#endif
