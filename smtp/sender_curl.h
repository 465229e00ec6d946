/* SPDX-License-Identifier: Apache-2.0 */
/* SMTP with libcurl, for what libesmtp cannot do: TLS, AUTH, SMTPUTF8 (RFC 6531). Internal to
   smtp/. */
#ifndef SIGNET_SMTP_SENDER_CURL_H
#define SIGNET_SMTP_SENDER_CURL_H

#include "smtp/sender.h"

/* Hands over messages (of SenderMessage, passed by sender_check.h), blocking, in one session: a
   new one begins behind a message that was refused. Connecting with all that comes before MAIL
   costs relay->timeout_seconds at most, each later step as much, all in all SENDER_SESSION_STEPS
   times that. With utf8 a relay that does not offer SMTPUTF8 makes them SENDER_PERMANENT before any
   MAIL; without, a message must be 7-bit. What befalls a session before its MAIL befalls the
   messages behind it unasked. */
void sender_curl_send(const SenderRelay *relay, GPtrArray *messages, gboolean utf8);

#endif
