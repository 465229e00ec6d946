/* SPDX-License-Identifier: Apache-2.0 */
/* Mails sent and received, raw, as evidence. */
#ifndef SIGNET_STORE_MESSAGE_H
#define SIGNET_STORE_MESSAGE_H

#include "store/store.h"

typedef struct {
  Id id, challenge_id;
  char *direction; /* "in" or "out" */
  gint64 at;       /* received, or handed to the relay */
  char *peer, *helo, *reverse_path;
  gboolean tls;
  GBytes *octets; /* the raw message */
  char *verdict;  /* how it was judged; NULL: not yet */
} Message;

void message_free(Message *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Message, message_free)

/* The raw message once; several messages (one a challenge) may point to it. */
gboolean message_insert_raw(Store *store, const Id *raw_id, GBytes *octets, GError **error);
gboolean message_insert(Store *store, const Message *message, const Id *raw_id, GError **error);
StoreFind message_find(Store *store, const Id *id, Message **message, GError **error);
/* Once only: how a message was judged and on what evidence (text). */
StoreChange message_judge(Store *store, const Id *id, const char *verdict, const char *evidence,
                          GError **error);

#endif
