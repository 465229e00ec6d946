/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on one connection to PostgreSQL, in libpq's pipeline mode: sent without waiting, until
   somebody needs an answer. Each SQL text is prepared once. */
#ifndef SIGNET_STORE_POSTGRES_PIPE_H
#define SIGNET_STORE_POSTGRES_PIPE_H

#include "store/sql.h"

#include <libpq-fe.h>

typedef struct {
  PGconn *connection;   /* NULL: there is none */
  GHashTable *prepared; /* SQL text as it was given -> name of the prepared statement */
  guint names;          /* given to prepared statements so far */
  GQueue awaited;       /* what was sent, of PostgresSent */
  gboolean warned;      /* the server sent a warning */
  gint64 patience;      /* microseconds that an answer may take; 0: for ever */
} PostgresPipe;

void pipe_init(PostgresPipe *pipe, gint64 patience);
/* Takes a connection that is idle; NULL: closes the one it has. */
void pipe_use(PostgresPipe *pipe, PGconn *connection);
/* Sends a statement, with its letters and values. FALSE only when the connection is lost. */
gboolean pipe_send(PostgresPipe *pipe, const char *sql, const char *format, const SqlValue *values,
                   GError **error);
/* The answer to what was sent last goes to *result, whichever call waits for it. Until it is there
   result stays where it is, or is given up by pipe_forget. */
void pipe_keep(PostgresPipe *pipe, PGresult **result);
void pipe_forget(PostgresPipe *pipe, PGresult *const *result);
/* Waits for the answers to all that was sent: that of the last statement, or NULL when that is kept
   elsewhere, when one failed (error: the first that did) or the connection was lost, which closes
   it. */
PGresult *pipe_settle(PostgresPipe *pipe, GError **error);
/* Statements without parameters, one after the other, outside the pipeline; nothing may be awaited.
   The last one's result; NULL as above. */
PGresult *pipe_script(PostgresPipe *pipe, const char *sql, GError **error);

/* Closes a connection that is lost, and says so: STORE_ERROR_AGAIN. */
void pipe_lose(PostgresPipe *pipe, const char *why, GError **error);
/* What a result failed by. */
GError *pipe_result_error(const PGresult *result);
/* Texts from peers may be what UTF-8 is not, which PostgreSQL refuses: one that is. NULL: it is. */
char *pipe_made_valid(const SqlValue *value);

#endif
