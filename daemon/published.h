/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of published files (CRLs, CA certificates): core fills it by rename, edges read it. */
#ifndef SIGNET_DAEMON_PUBLISHED_H
#define SIGNET_DAEMON_PUBLISHED_H

#include <glib.h>

#define PUBLISHED_MAX_OCTETS (2 * 1024 * 1024)

typedef struct Published Published;

/* fd: the open folder, owned from now on. */
Published *published_new(int fd);

/* The file's content and media type; NULL when there is none, or the name is not of letters,
   digits, "-" and "." with the ending .crl or .der. */
GBytes *published_read(Published *published, const char *name, const char **type);

/* Puts a file in place: written aside, fsynced, renamed, folder fsynced. */
gboolean published_write(Published *published, const char *name, GBytes *content, GError **error);

#endif
