/* SPDX-License-Identifier: Apache-2.0 */
/* The parent: binds ports, opens secrets, starts and restarts the roles, passes signals on. Parses
   nothing that comes from strangers. */
#ifndef SIGNET_DAEMON_PARENT_H
#define SIGNET_DAEMON_PARENT_H

#include "base/config.h"

/* Runs until SIGTERM or SIGINT; path is read again at SIGHUP. Takes config. Returns the exit
 * status. */
int parent_run(const char *path, Config *config);

#endif
