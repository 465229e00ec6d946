/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway and those that await mail of it say to each other over its socket: frames of four
   octets of length, one of kind, and a body. */
#ifndef SIGNET_CLIENT_GATEWAY_FRAME_H
#define SIGNET_CLIENT_GATEWAY_FRAME_H

#include <glib.h>

#define GATEWAY_FRAME_MAX (512 * 1024) /* octets of a body */

typedef enum {
  GATEWAY_FRAME_AWAIT = 'A',   /* to the gateway: mail to these addresses, one a line */
  GATEWAY_FRAME_READY = 'R',   /* from it: they are awaited from now on */
  GATEWAY_FRAME_MESSAGE = 'M', /* from it: four octets of number, and a message */
  GATEWAY_FRAME_KEEP = 'K',    /* to it: the number of a message that is answered */
  GATEWAY_FRAME_PASS = 'P',    /* to it: the number of one that is to be passed on */
  GATEWAY_FRAME_STATUS = 'S'   /* to it, empty; from it, text */
} GatewayFrameKind;

/* One frame; body is NULL when there is none. */
typedef struct {
  GatewayFrameKind kind;
  GBytes *body;
} GatewayFrame;

typedef enum { GATEWAY_FRAME_NONE, GATEWAY_FRAME_THERE, GATEWAY_FRAME_BROKEN } GatewayFrameResult;

void gateway_frame_put(GByteArray *output, GatewayFrameKind kind, const void *body, gsize length);
/* A body of a number and octets behind it. */
void gateway_frame_put_numbered(GByteArray *output, GatewayFrameKind kind, guint32 number,
                                GBytes *octets);
/* Takes the first frame from input; frame is cleared by the caller when one was there. */
GatewayFrameResult gateway_frame_take(GByteArray *input, GatewayFrame *frame);
void gateway_frame_clear(GatewayFrame *frame);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GatewayFrame, gateway_frame_clear)

/* The number that a body begins with; FALSE when it has none. */
gboolean gateway_frame_number(const GatewayFrame *frame, guint32 *number);

#endif
