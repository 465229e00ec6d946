/* SPDX-License-Identifier: Apache-2.0 */
/* One SMTP or LMTP connection of a mail server, passed on to its port behind the gateway: an engine
   without I/O. Commands, answers and messages go through octet for octet; only the greeting, the
   list of extensions, and the answers to a message that the gateway keeps are its own. */
#ifndef SIGNET_CLIENT_GATEWAY_SESSION_H
#define SIGNET_CLIENT_GATEWAY_SESSION_H

#include <glib.h>

#define GATEWAY_MAX_LINE 8192          /* octets of a command */
#define GATEWAY_MAX_ANSWER (64 * 1024) /* octets of an answer, all its lines */
#define GATEWAY_MAX_HELD (256 * 1024)  /* octets of a message that is looked at, dots stuffed */

typedef enum {
  GATEWAY_GOES_ON, /* feed more from either side */
  GATEWAY_ASKS,    /* a message is there: say by gateway_session_answer whether it is kept */
  GATEWAY_ENDS     /* send what is to be sent, then close both sides */
} GatewayEvent;

typedef struct GatewaySession GatewaySession;

GatewaySession *gateway_session_new(void);
void gateway_session_free(GatewaySession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GatewaySession, gateway_session_free)

/* Octets of a side; length 0: none, what waits is looked at again. */
GatewayEvent gateway_session_from_client(GatewaySession *session, const void *data, gsize length);
GatewayEvent gateway_session_from_server(GatewaySession *session, const void *data, gsize length);
/* The server behind is gone or was never there: the client is told to come again. */
GatewayEvent gateway_session_server_gone(GatewaySession *session);

/* The message that is asked about, CRLF line ends, dots not stuffed. The caller frees it. */
GBytes *gateway_session_message(const GatewaySession *session);
/* kept: the client is told that it was taken, the server behind never sees it. */
GatewayEvent gateway_session_answer(GatewaySession *session, gboolean kept);

/* What is to be sent; emptied by the call. The caller frees it. */
GBytes *gateway_session_to_client(GatewaySession *session);
GBytes *gateway_session_to_server(GatewaySession *session);

/* Octets of the client that are not dealt with: above a bound, do not read more. */
gsize gateway_session_pending(const GatewaySession *session);

#endif
