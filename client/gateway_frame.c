/* SPDX-License-Identifier: Apache-2.0 */
#include "client/gateway_frame.h"

#include <string.h>

#define HEAD 5 /* octets before a body */

static void put_number(GByteArray *output, guint32 number) {
  guint32 octets = GUINT32_TO_BE(number);
  g_byte_array_append(output, (const guint8 *)&octets, sizeof octets);
}

static void put_head(GByteArray *output, GatewayFrameKind kind, gsize length) {
  guint8 octet = (guint8)kind;
  put_number(output, (guint32)length);
  g_byte_array_append(output, &octet, 1);
}

void gateway_frame_put(GByteArray *output, GatewayFrameKind kind, const void *body, gsize length) {
  g_return_if_fail(length <= GATEWAY_FRAME_MAX);
  put_head(output, kind, length);
  if (length > 0)
    g_byte_array_append(output, body, (guint)length);
}

void gateway_frame_put_numbered(GByteArray *output, GatewayFrameKind kind, guint32 number,
                                GBytes *octets) {
  gsize size = 0;
  const guint8 *data = octets != NULL ? g_bytes_get_data(octets, &size) : NULL;
  g_return_if_fail(size <= GATEWAY_FRAME_MAX - sizeof number);
  put_head(output, kind, size + sizeof number);
  put_number(output, number);
  if (size > 0)
    g_byte_array_append(output, data, (guint)size);
}

static guint32 number_at(const guint8 *octets) {
  guint32 number = 0;
  memcpy(&number, octets, sizeof number);
  return GUINT32_FROM_BE(number);
}

GatewayFrameResult gateway_frame_take(GByteArray *input, GatewayFrame *frame) {
  if (input->len < HEAD)
    return GATEWAY_FRAME_NONE;
  guint32 length = number_at(input->data);
  if (length > GATEWAY_FRAME_MAX || strchr("ARMKPS", input->data[4]) == NULL ||
      input->data[4] == '\0')
    return GATEWAY_FRAME_BROKEN;
  if (input->len - HEAD < length)
    return GATEWAY_FRAME_NONE;
  frame->kind = (GatewayFrameKind)input->data[4];
  frame->body = g_bytes_new(input->data + HEAD, length);
  g_byte_array_remove_range(input, 0, HEAD + length);
  return GATEWAY_FRAME_THERE;
}

void gateway_frame_clear(GatewayFrame *frame) {
  g_clear_pointer(&frame->body, g_bytes_unref);
}

gboolean gateway_frame_number(const GatewayFrame *frame, guint32 *number) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(frame->body, &size);
  if (size < sizeof *number)
    return FALSE;
  *number = number_at(data);
  return TRUE;
}
