/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of published files (CRLs, CA certificates): core fills it by rename, edges read it. */
#ifndef SIGNET_DAEMON_PUBLISHED_H
#define SIGNET_DAEMON_PUBLISHED_H

#include <glib.h>

#define PUBLISHED_MAX_OCTETS (2 * 1024 * 1024)

typedef struct Published Published;

typedef struct {
  const char *type; /* media type */
  const char *etag; /* quoted; of the content alone, so that every node gives the same */
  GBytes *content;  /* the caller unrefs it */
} PublishedFile;

/* fd: the open folder, owned from now on. */
Published *published_new(int fd);

/* FALSE when there is no such file, or the name is not of letters, digits, "-" and "." with the
   ending .crl or .der. */
gboolean published_read(Published *published, const char *name, PublishedFile *file);
/* Whether the value of an If-None-Match field (RFC 9110 section 13.1.2; NULL: none) has the tag. */
gboolean published_is_known(const char *if_none_match, const char *etag);

/* Puts a file in place: written aside, fsynced, renamed, folder fsynced. */
gboolean published_write(Published *published, const char *name, GBytes *content, GError **error);

#endif
