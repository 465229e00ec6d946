/* SPDX-License-Identifier: Apache-2.0 */
/* --mail gateway: the gateway of a domain gives out what is awaited, and passes on what is given
   back. */
#include "client/failure.h"
#include "client/gateway_frame.h"
#include "client/listen_socket.h"
#include "client/mail_way.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define READY_MILLISECONDS 10000

typedef struct {
  MailWay way;
  const MailReplier *replier;
  int fd; /* -1: the gateway is gone */
  GByteArray *input;
  guint32 number; /* of the message that was given out and is not settled */
} MailGateway;

static gboolean send_all(MailGateway *gateway, GByteArray *frames) {
  gsize sent = 0;
  while (gateway->fd >= 0 && sent < frames->len) {
    ssize_t step = write(gateway->fd, frames->data + sent, frames->len - sent);
    if (step < 0 && errno != EINTR) {
      close(gateway->fd);
      gateway->fd = -1;
    }
    sent += step > 0 ? (gsize)step : 0;
  }
  g_byte_array_unref(frames);
  return gateway->fd >= 0;
}

static void send_verdict(MailGateway *gateway, guint32 number, gboolean kept) {
  GByteArray *frames = g_byte_array_new();
  gateway_frame_put_numbered(frames, kept ? GATEWAY_FRAME_KEEP : GATEWAY_FRAME_PASS, number, NULL);
  send_all(gateway, frames);
}

/* FALSE when nothing came in time. */
static gboolean read_more(MailGateway *gateway, gint64 milliseconds) {
  struct pollfd waiting = {.fd = gateway->fd, .events = POLLIN};
  guint8 buffer[16384];
  if (poll(&waiting, 1, (int)CLAMP(milliseconds, 0, G_MAXINT)) <= 0)
    return FALSE;
  ssize_t got = read(gateway->fd, buffer, sizeof buffer);
  if (got > 0)
    g_byte_array_append(gateway->input, buffer, (guint)got);
  else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
    close(gateway->fd);
    gateway->fd = -1;
  }
  return TRUE;
}

/* FALSE when nothing came in time, or the gateway is gone. */
static gboolean next_frame(MailGateway *gateway, gint64 milliseconds, GatewayFrame *frame) {
  gint64 until = g_get_monotonic_time() + milliseconds * 1000;
  while (gateway->fd >= 0) {
    GatewayFrameResult result = gateway_frame_take(gateway->input, frame);
    if (result == GATEWAY_FRAME_THERE)
      return TRUE;
    gint64 left = MAX(until - g_get_monotonic_time(), 0) / 1000;
    if (result == GATEWAY_FRAME_BROKEN || !read_more(gateway, left))
      return FALSE;
  }
  return FALSE;
}

/* A message that is no challenge after all goes back at once. */
static ReceivedChallenge *take_message(MailGateway *gateway, const GatewayFrame *frame) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(frame->body, &size);
  guint32 number = 0;
  if (frame->kind != GATEWAY_FRAME_MESSAGE || !gateway_frame_number(frame, &number))
    return NULL;
  ReceivedChallenge *mail = mail_way_read(data + sizeof number, size - sizeof number);
  if (mail == NULL)
    send_verdict(gateway, number, FALSE);
  gateway->number = number;
  return mail;
}

static gboolean mail_gateway_receive(MailWay *way, const GPtrArray *proofs, gint64 milliseconds,
                                     ReceivedChallenge **mail, GError **error) {
  MailGateway *gateway = (MailGateway *)way;
  gint64 until = g_get_monotonic_time() + milliseconds * 1000;
  g_auto(GatewayFrame) frame = {0};
  *mail = NULL;
  if (next_frame(gateway, milliseconds, &frame))
    *mail = take_message(gateway, &frame);
  if (gateway->fd >= 0)
    return TRUE;
  const Proof *proof = proof_awaited(proofs);
  if (proof != NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "the gateway has ended before the challenge mail for %s came", proof->address);
    return FALSE;
  }
  g_usleep((gulong)MAX(until - g_get_monotonic_time(), 0));
  return TRUE;
}

static void mail_gateway_settle(MailWay *way, gboolean kept) {
  MailGateway *gateway = (MailGateway *)way;
  send_verdict(gateway, gateway->number, kept);
}

static gboolean mail_gateway_reply(MailWay *way, const Proof *proof, const ReceivedChallenge *mail,
                                   const char *digest, GError **error) {
  return mail_replier_send(((MailGateway *)way)->replier, proof->address, mail, digest, error);
}

static void mail_gateway_free(MailWay *way) {
  MailGateway *gateway = (MailGateway *)way;
  if (gateway->fd >= 0)
    close(gateway->fd);
  g_byte_array_unref(gateway->input);
  g_free(gateway);
}

static const MailWayKind mail_gateway_kind = {
    .receive = mail_gateway_receive,
    .reply = mail_gateway_reply,
    .settle = mail_gateway_settle,
    .free = mail_gateway_free,
};

/* Before anything is ordered: no mail comes earlier than it is awaited. */
static gboolean await_mail(MailGateway *gateway, const char *path, const char *const *addresses,
                           GError **error) {
  g_autofree char *lines = g_strjoinv("\n", (char **)addresses);
  GByteArray *frames = g_byte_array_new();
  g_auto(GatewayFrame) frame = {0};
  gateway_frame_put(frames, GATEWAY_FRAME_AWAIT, lines, strlen(lines));
  if (send_all(gateway, frames) && next_frame(gateway, READY_MILLISECONDS, &frame) &&
      frame.kind == GATEWAY_FRAME_READY)
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: no gateway answers there", path);
  return FALSE;
}

MailWay *mail_gateway_new(const char *path, const char *const *addresses,
                          const MailReplier *replier, GError **error) {
  int fd = listen_socket_connect(path, error);
  if (fd < 0)
    return NULL;
  MailGateway *gateway = g_new0(MailGateway, 1);
  gateway->way.kind = &mail_gateway_kind;
  gateway->replier = replier;
  gateway->fd = fd;
  gateway->input = g_byte_array_new();
  if (await_mail(gateway, path, addresses, error))
    return &gateway->way;
  mail_gateway_free(&gateway->way);
  return NULL;
}
