/* SPDX-License-Identifier: Apache-2.0 */
/* Mails sent and received, raw, as evidence. */
#ifndef SIGNET_STORE_MESSAGE_H
#define SIGNET_STORE_MESSAGE_H

#include "store/store.h"

typedef struct {
  Id id, challenge_id;
  char *direction; /* "in" (a reply), "bounce" or "out" */
  gint64 at;       /* received, or handed to the relay */
  char *peer, *helo, *reverse_path;
  gboolean tls;
  GBytes *octets; /* the raw message */
  char *verdict;  /* how it was judged; NULL: not yet: */
  char *rule;     /* the one that decided; NULL: none */
  char *reason;   /* for a person; NULL: none */
} Message;

void message_free(Message *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Message, message_free)

/* The raw message once; several messages (one a challenge) may point to it. */
gboolean message_insert_raw(Store *store, const Id *raw_id, GBytes *octets, GError **error);
gboolean message_insert(Store *store, const Message *message, const Id *raw_id, GError **error);
/* The challenge of a message, which is not read. */
StoreFind message_challenge(Store *store, const Id *id, Id *challenge, GError **error);
StoreFind message_find(Store *store, const Id *id, Message **message, GError **error);
/* The same without its octets. */
StoreFind message_find_plain(Store *store, const Id *id, Message **message, GError **error);
/* Those of a challenge in one direction without their octets, oldest first; of Message. NULL on
   failure. */
GPtrArray *message_list(Store *store, const Id *challenge_id, const char *direction,
                        GError **error);
/* Once only: how a message was judged, by which rule and why (NULL: none), on what evidence (text),
   and with which settings (NULL: none). */
StoreChange message_judge(Store *store, const Id *id, const char *verdict, const char *rule,
                          const char *reason, const char *evidence, const char *settings,
                          GError **error);

#endif
