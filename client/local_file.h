/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the user: read whole with a bound, written so that a crash leaves the old one or the new
 * one. */
#ifndef SIGNET_CLIENT_LOCAL_FILE_H
#define SIGNET_CLIENT_LOCAL_FILE_H

#include <glib.h>

#define LOCAL_FILE_MAX (256 * 1024) /* octets of a file that is read */

typedef enum {
  LOCAL_FILE_NEW,    /* fails when the file exists */
  LOCAL_FILE_REPLACE /* takes the place of an older one */
} LocalFileRule;

/* All functions fail with CLIENT_LOCAL and name the path. */

GBytes *local_file_read(const char *path, GError **error);

/* The first line without its end, at least one octet, no control characters: a password. */
char *local_file_read_secret(const char *path, GError **error);

/* Temporary file in the same folder, fsync, rename (LOCAL_FILE_NEW: link), fsync of the folder. */
gboolean local_file_write(const char *path, GBytes *content, guint mode, LocalFileRule rule,
                          GError **error);

/* Within a folder; takes the place of an older one, with fsync of the folder. */
gboolean local_file_rename(const char *from, const char *to, GError **error);

/* Makes the folder (0700) and those above it. */
gboolean local_file_make_folder(const char *path, GError **error);

#endif
