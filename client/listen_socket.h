/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that wait for connections. */
#ifndef SIGNET_CLIENT_LISTEN_SOCKET_H
#define SIGNET_CLIENT_LISTEN_SOCKET_H

#include <glib.h>

#define LISTEN_SOCKET_UNIX "unix:"

/* Of "ADDRESS:PORT" (numeric) or "unix:PATH", non-blocking; -1 with CLIENT_USAGE or CLIENT_NETWORK.
   Who may open PATH: everybody whom its folder lets through, as for a port. */
int listen_socket_open(const char *where, GError **error);

/* At path, with this mode; takes the place of one that nobody listens at. -1 with CLIENT_LOCAL. */
int listen_socket_open_path(const char *path, guint mode, GError **error);

/* Connects to the one at path; -1 with CLIENT_LOCAL. */
int listen_socket_connect(const char *path, GError **error);

#endif
