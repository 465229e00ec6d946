/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/received.h"
#include "acme/state.h"

void received_clear(Received *received) {
  message_free(received->message);
  challenge_free(received->challenge);
  authorization_free(received->authorization);
  mailbox_free(received->mailbox);
}

/* What belongs to a message that was found. */
static gboolean load_rest(Acme *acme, Received *received, GError **error) {
  if (challenge_find(acme->store, &received->message->challenge_id, &received->challenge, error) !=
          STORE_FOUND ||
      authorization_find(acme->store, &received->challenge->authz_id, &received->authorization,
                         error) != STORE_FOUND)
    return FALSE;
  received->mailbox = mailbox_parse(received->authorization->address, error);
  return received->mailbox != NULL;
}

gboolean received_load(Acme *acme, const Id *message, Received *received, GError **error) {
  return message_find(acme->store, message, &received->message, error) == STORE_FOUND &&
         load_rest(acme, received, error);
}

gboolean received_hold(Acme *acme, const Id *message, Received *received, GError **error) {
  Id challenge;
  return (!store_is_shared(acme->store) ||
          (message_challenge(acme->store, message, &challenge, error) == STORE_FOUND &&
           state_hold_challenge(acme, &challenge, error))) &&
         message_find_plain(acme->store, message, &received->message, error) == STORE_FOUND &&
         load_rest(acme, received, error);
}
