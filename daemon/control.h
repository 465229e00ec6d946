/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, by which operators reach a running server: made by the parent, served by
   core, connected to by signetctl. */
#ifndef SIGNET_DAEMON_CONTROL_H
#define SIGNET_DAEMON_CONTROL_H

#include <glib.h>

#define CONTROL_NAME "control" /* in the folder [store] directory */

/* Where the socket is; the caller frees it. */
char *control_path(const char *folder);
/* A listening socket, mode 0600, in place of one that nobody serves; -1 and why, also while another
   server answers there. Non-blocking, closed on exec. */
int control_listen(const char *path, GError **error);
/* A connection, non-blocking and closed on exec; -1 and why, in words for the operator. */
int control_connect(const char *path, GError **error);

#endif
