/* SPDX-License-Identifier: Apache-2.0 */
/* A received message, a reply or a bounce, with what it is judged against. */
#ifndef SIGNET_ACME_RECEIVED_H
#define SIGNET_ACME_RECEIVED_H

#include "acme/acme.h"
#include "base/mailbox.h"
#include "store/authorization.h"
#include "store/challenge.h"
#include "store/message.h"

typedef struct {
  Message *message;
  Challenge *challenge;
  Authorization *authorization;
  Mailbox *mailbox; /* of the authorization */
} Received;

/* FALSE when the store fails or one of them is missing; received_clear is due either way. */
gboolean received_load(Acme *acme, const Id *message, Received *received, GError **error);
/* The same without the message's octets, and nobody else decides about its challenge until the
 * transaction ends. */
gboolean received_hold(Acme *acme, const Id *message, Received *received, GError **error);
void received_clear(Received *received);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Received, received_clear)

#endif
