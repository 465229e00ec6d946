/* SPDX-License-Identifier: Apache-2.0 */
/* SMTP with libesmtp. Internal to smtp/. */
#ifndef SIGNET_SMTP_SENDER_ESMTP_H
#define SIGNET_SMTP_SENDER_ESMTP_H

#include "smtp/sender.h"

/* Hands over messages (of SenderMessage, passed by sender_check.h) to recipients in ASCII, in one
   session, blocking. */
void sender_esmtp_send(const SenderRelay *relay, GPtrArray *messages);

#endif
