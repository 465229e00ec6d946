/* SPDX-License-Identifier: Apache-2.0 */
/* Who awaits challenge mail, told over the gateway's socket, and whether a message is theirs. */
#ifndef SIGNET_CLIENT_GATEWAY_WAITING_H
#define SIGNET_CLIENT_GATEWAY_WAITING_H

#include <event2/event.h>
#include <glib.h>

#define GATEWAY_MAX_HEADER (64 * 1024) /* octets of a message in which its header must end */
#define GATEWAY_ASK_SECONDS 60         /* for a verdict of one who awaits it */
#define GATEWAY_TELL_SECONDS 60        /* between two lines of log about messages passed on */

typedef struct {
  guint64 kept;   /* messages that were answered */
  guint64 others; /* that looked like challenges and were passed on */
  guint awaiting; /* those that await mail now */
} GatewayCounts;

typedef struct GatewayWaiting GatewayWaiting;
typedef struct GatewayQuestion GatewayQuestion;

/* kept: it is answered, and nobody else is to have it. */
typedef void (*GatewayVerdict)(gboolean kept, gpointer user);
/* What is told to those that ask for the status, but the counts; the caller frees it. */
typedef char *(*GatewayStatus)(gpointer user);

/* Listens at path, mode 0600. CLIENT_LOCAL. */
GatewayWaiting *gateway_waiting_new(struct event_base *base, const char *path, GatewayStatus status,
                                    gpointer user, GError **error);
/* Open questions are answered: passed on. */
void gateway_waiting_free(GatewayWaiting *waiting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GatewayWaiting, gateway_waiting_free)

/* Has the verdict on a message (CRLF line ends), perhaps before the call returns: then NULL is
   returned. Nothing is read of a message but its header before it is found that somebody awaits it.
 */
GatewayQuestion *gateway_waiting_ask(GatewayWaiting *waiting, GBytes *message,
                                     GatewayVerdict verdict, gpointer user);
/* Nobody wants the verdict any more. */
void gateway_question_cancel(GatewayQuestion *question);

GatewayCounts gateway_waiting_counts(const GatewayWaiting *waiting);

#endif
