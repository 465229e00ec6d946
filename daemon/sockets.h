/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets of the parent. */
#ifndef SIGNET_DAEMON_SOCKETS_H
#define SIGNET_DAEMON_SOCKETS_H

#include <glib.h>

#define SOCKETS_ERROR (sockets_error_quark())
GQuark sockets_error_quark(void);
typedef enum { SOCKETS_ERROR_BIND } SocketsError;

/* Binds and listens on each "address:port"; reuse_port: several sockets may share it, and the
   kernel spreads connections over them. The descriptors are non-blocking and closed on exec; NULL
   with the address named. */
GArray *sockets_listen(const char *const *addresses, gboolean reuse_port, GError **error);

#endif
