/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of an HTTP front: whose they are, how many an address has, and until when each
   must have brought a whole request. evhttp says nothing when it frees a connection, therefore each
   is known by its descriptor and the inode of its socket. */
#ifndef SIGNET_ACME_HTTP_FRONT_CONNECTIONS_H
#define SIGNET_ACME_HTTP_FRONT_CONNECTIONS_H

#include <event2/event.h>
#include <glib.h>

#define HTTP_FRONT_IDLE_SECONDS 90

typedef struct Connections Connections;

Connections *connections_new(struct event_base *base);
void connections_free(Connections *connections);

/* Takes note of a socket that was accepted, and gives it the time of a first request. FALSE: there
   are too many in all. */
gboolean connections_add(Connections *connections, int fd);
/* The address of the other end; "?" for an unknown descriptor. Belongs to connections. */
const char *connections_peer(const Connections *connections, int fd);
/* Counts the connection for its address; address, when not NULL, is whose it is from now on. FALSE:
   that address has too many. */
gboolean connections_count(Connections *connections, int fd, const char *address);
/* Logs why it is shut down, and shuts it down. */
void connections_refuse(Connections *connections, int fd, const char *reason);
/* A request was read: no deadline until connections_answered. From the first one on the
   connection's end must be told. */
void connections_asked(Connections *connections, int fd);
void connections_answered(Connections *connections, int fd);
/* Its descriptor is about to be closed. */
void connections_closed(Connections *connections, int fd);
/* Forgets those that are gone, shuts down those whose time is over; to be called every few seconds.
 */
void connections_sweep(Connections *connections);

#endif
