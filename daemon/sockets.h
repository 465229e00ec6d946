/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets of the parent. */
#ifndef SIGNET_DAEMON_SOCKETS_H
#define SIGNET_DAEMON_SOCKETS_H

#include <glib.h>

#define SOCKETS_ERROR (sockets_error_quark())
GQuark sockets_error_quark(void);
typedef enum { SOCKETS_ERROR_BIND } SocketsError;

#define SOCKETS_PATH_MAX 107 /* octets; what a Unix socket's address can hold */

/* Binds and listens on each "address:port"; reuse_port: several sockets may share it, and the
   kernel spreads connections over them. The descriptors are non-blocking and closed on exec; NULL
   with the address named. */
GArray *sockets_listen(const char *const *addresses, gboolean reuse_port, GError **error);
/* The same for addresses on this host: a path is a Unix socket that everyone may connect to whom
   its folder lets in. */
GArray *sockets_listen_locally(const char *const *addresses, GError **error);
/* A listening Unix socket of that mode, in place of one that nobody serves; -1 and why, also while
   somebody answers there. Non-blocking, closed on exec. */
int sockets_listen_at(const char *path, int mode, GError **error);
/* A connection to one, blocking and closed on exec; -1 and errno (ENAMETOOLONG: no path of one). */
int sockets_connect_to(const char *path);

#endif
