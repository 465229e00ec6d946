/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection to PostgreSQL comes to be: the connection string, the session's settings, and
   the lock that a writer's name stands for. */
#ifndef SIGNET_STORE_POSTGRES_LINK_H
#define SIGNET_STORE_POSTGRES_LINK_H

#include "store/postgres_pipe.h"

typedef struct PostgresLink PostgresLink;

/* STORE_ERROR_OPEN when the connection string is none. */
PostgresLink *link_new(const StorePlace *place, gboolean reader, GError **error);
void link_free(PostgresLink *link);
/* Makes a connection and gives it to the pipe. A connection of this link that was lost and still
   has the owner's lock is ended. Tries until a time (monotonic, microseconds), once at least.
   STORE_ERROR_AWAY: no primary can be reached; STORE_ERROR_BUSY: another process has the owner's
   name; STORE_ERROR_OPEN: it is nothing that Signet can work with. */
gboolean link_connect(PostgresLink *link, PostgresPipe *pipe, gint64 until, GError **error);
/* Looks for the server beside the caller, since connecting blocks while a host does not answer:
   FALSE as long as nothing is known, TRUE when link_connect has the outcome at once. */
gboolean link_look(PostgresLink *link);

#endif
