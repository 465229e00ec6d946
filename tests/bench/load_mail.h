/* SPDX-License-Identifier: Apache-2.0 */
/* Mail for load generators: a sink that takes what a relay would, and a sender over connections
   that are kept. Whatever is not SMTP ends the program. */
#ifndef SIGNET_BENCH_LOAD_MAIL_H
#define SIGNET_BENCH_LOAD_MAIL_H

#include <event2/event.h>
#include <glib.h>

typedef void (*LoadMailTaken)(GBytes *message, gpointer user);

typedef struct LoadSink LoadSink;

/* Listens on this host; message has CRLF line ends, dots undoubled. */
LoadSink *load_sink_new(struct event_base *base, guint16 port, LoadMailTaken taken, gpointer user);
void load_sink_free(LoadSink *sink);

typedef struct LoadSender LoadSender;
typedef void (*LoadMailSent)(gpointer user);

/* At most connections at a time, opened when they are needed. */
LoadSender *load_sender_new(struct event_base *base, guint16 port, guint connections);
void load_sender_free(LoadSender *sender);

/* sent: after the 250. */
void load_sender_send(LoadSender *sender, const char *from, const char *to, const char *head,
                      GBytes *rest, LoadMailSent sent, gpointer user);

#endif
