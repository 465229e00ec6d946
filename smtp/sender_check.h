/* SPDX-License-Identifier: Apache-2.0 */
/* What may be handed to a sending library. Libraries check neither addresses nor messages: a line
   end in an address is a command, a bare LF before a dot may end the message at the relay, and
   libesmtp adds fields that are missing, drops repeated ones and cuts off after 1024 octets of a
   command. */
#ifndef SIGNET_SMTP_SENDER_CHECK_H
#define SIGNET_SMTP_SENDER_CHECK_H

#include "smtp/sender.h"

#define SENDER_MAX_LINE 998 /* octets without CRLF (RFC 5322 section 2.1.1) */

/* Why the message cannot be sent; NULL when it can. */
const char *sender_check_message(const SenderMessage *message);

/* FALSE with SENDER_ERROR_SETTING. */
gboolean sender_check_relay(const SenderRelay *relay, GError **error);

#endif
