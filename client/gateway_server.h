/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of the mail server: each is passed on to its port behind the gateway. */
#ifndef SIGNET_CLIENT_GATEWAY_SERVER_H
#define SIGNET_CLIENT_GATEWAY_SERVER_H

#include "client/gateway_waiting.h"

#include <sys/socket.h>

#define GATEWAY_MAX_LINKS 200    /* connections at once; more are not taken until one ends */
#define GATEWAY_IDLE_SECONDS 600 /* on either side */

typedef struct GatewayServer GatewayServer;

/* fd: a listening socket, owned from now on. behind: where connections are passed on to. waiting is
   kept, not owned. */
GatewayServer *gateway_server_new(struct event_base *base, int fd,
                                  const struct sockaddr_storage *behind, int behind_length,
                                  GatewayWaiting *waiting);
/* Takes no more connections. */
void gateway_server_stop(GatewayServer *server);
/* Connections that are open. */
guint gateway_server_open(const GatewayServer *server);
void gateway_server_free(GatewayServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GatewayServer, gateway_server_free)

#endif
