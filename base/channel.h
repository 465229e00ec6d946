/* SPDX-License-Identifier: Apache-2.0 */
/* Typed, bounded messages between two processes over a socket pair. */
#ifndef SIGNET_BASE_CHANNEL_H
#define SIGNET_BASE_CHANNEL_H

#include "base/role.h"

#include <event2/event.h>
#include <glib.h>

#define CHANNEL_MAX_FRAME (1024 * 1024) /* octets of a body */
#define CHANNEL_MAX_OPEN 512            /* questions of one side that wait for an answer */

/* One kind of message in a catalogue; its number is its index, 0 is no kind. */
typedef struct {
  const char *name;
  const char *type;  /* GVariant type of the body */
  RoleSet from, to;  /* who may send it to whom */
  gboolean question; /* expects exactly one answer with its id */
  guint answer_to;   /* kind of the question that this answers; 0: it is no answer */
  gboolean carries_fd;
} ChannelKind;

typedef struct {
  const ChannelKind *kinds;
  guint count;
} ChannelCatalogue;

typedef struct Channel Channel;

/* A message that is no answer to channel_ask: kind, id (for channel_answer) and body, which lives
   for the call; fd is -1 or belongs to the receiver. */
typedef void (*ChannelReceived)(Channel *channel, guint kind, guint64 id, GVariant *body, int fd,
                                gpointer user);
/* The answer to a question; body is NULL when the channel closed before it came. */
typedef void (*ChannelAnswered)(GVariant *body, gpointer user);
/* The channel is at its end and is freed after the call; nonsense: the peer broke the catalogue,
   and how (NULL when it just closed). Open questions have been answered with NULL before. */
typedef void (*ChannelClosed)(Channel *channel, const char *nonsense, gpointer user);

/* fd: one end of a stream socket pair, owned from now on. */
Channel *channel_new(struct event_base *base, int fd, const ChannelCatalogue *catalogue, Role own,
                     Role peer, ChannelReceived received, ChannelClosed closed, gpointer user);
/* Open questions are dropped, closed is not called. What is queued leaves as far as the socket
   takes it. */
void channel_free(Channel *channel);
/* As if the peer had closed it: answers, closes and frees. Not from within a call of this channel.
 */
void channel_end(Channel *channel);
Role channel_peer(const Channel *channel);

/* Queues a message, which leaves with the others of this turn of the loop; body is sunk. fd (-1:
   none) is duplicated by the kernel and stays the caller's until the message left: it is closed by
   the channel then. */
void channel_send(Channel *channel, guint kind, GVariant *body, int fd);
/* FALSE when CHANNEL_MAX_OPEN questions wait already or the channel is at its end (body is sunk and
   dropped). */
gboolean channel_ask(Channel *channel, guint kind, GVariant *body, ChannelAnswered answered,
                     gpointer user);
void channel_answer(Channel *channel, guint kind, guint64 id, GVariant *body);
guint channel_open_questions(const Channel *channel);
/* Answers that the peer waits for: not given yet, or not wholly sent. */
guint channel_owed_answers(const Channel *channel);
/* Sends what is queued, waiting at most timeout milliseconds. */
void channel_flush(Channel *channel, int timeout);

#endif
