/* SPDX-License-Identifier: Apache-2.0 */
/* When the certificates, lists and keys end that a server has in files: one table, for signetctl
   status and for Prometheus. */
#ifndef SIGNET_DAEMON_ENDS_H
#define SIGNET_DAEMON_ENDS_H

#include "base/config.h"

typedef struct {
  const char *what, *group, *name; /* the file's key in the configuration */
  gboolean (*end_of)(GBytes *content,
                     gint64 *end); /* NULL: it does not end, but is to be changed */
  gint64 soon;                     /* how long before its end it is worth seeing to */
} End;

extern const End ends[];
extern const gsize ends_count;

/* When it ends, or is to be changed; FALSE: the file cannot be read. */
gboolean end_read(const End *end, const char *path, gint64 *at);
/* Those of a configuration whose files can be read: ACME_ENDS_TYPE; floating. */
GVariant *ends_read(const Config *config);

#endif
