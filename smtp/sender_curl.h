/* SPDX-License-Identifier: Apache-2.0 */
/* SMTP with libcurl, for what libesmtp cannot do: SMTPUTF8 (RFC 6531). Internal to smtp/. */
#ifndef SIGNET_SMTP_SENDER_CURL_H
#define SIGNET_SMTP_SENDER_CURL_H

#include "smtp/sender.h"

/* Hands over messages (of SenderMessage, passed by sender_check.h) to recipients beyond ASCII, one
   session each, blocking. Connecting and EHLO together cost relay->timeout_seconds at most, each
   later step as much. A relay that does not offer SMTPUTF8 makes them SENDER_PERMANENT before any
   MAIL; what befalls a session before its MAIL befalls the messages behind it unasked. */
void sender_curl_send(const SenderRelay *relay, GPtrArray *messages);

#endif
