/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in bulk into a table of PostgreSQL, by COPY in its binary form: no statement for each row,
   and every octet as it is. */
#ifndef SIGNET_STORE_POSTGRES_LOAD_H
#define SIGNET_STORE_POSTGRES_LOAD_H

#include "store/postgres_pipe.h"

typedef struct {
  PostgresPipe *pipe;
  GByteArray *waiting; /* octets that are not sent yet */
  guint columns;       /* of each row */
} PostgresLoad;

/* columns: their names, separated by commas; count: how many. Nothing may be awaited of the pipe,
   which is used for nothing else until load_end. */
gboolean load_begin(PostgresLoad *load, PostgresPipe *pipe, const char *table, const char *columns,
                    guint count, GError **error);
/* A value for each column. What the server says of a row is told later, at the latest by load_end.
 */
gboolean load_row(PostgresLoad *load, const SqlValue *values, GError **error);
/* Ends it, also after a failure; rows: how many the server took. */
gboolean load_end(PostgresLoad *load, gint64 *rows, GError **error);

#endif
