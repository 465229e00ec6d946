/* SPDX-License-Identifier: Apache-2.0 */
/* Handing messages to a relay on this host or a trusted network. One interface over two libraries:
   sender_esmtp.c for recipients in ASCII, sender_curl.c for those that need SMTPUTF8 (RFC 6531). */
#ifndef SIGNET_SMTP_SENDER_H
#define SIGNET_SMTP_SENDER_H

#include <glib.h>

#define SENDER_ERROR (sender_error_quark())
GQuark sender_error_quark(void);
typedef enum { SENDER_ERROR_SETTING } SenderError;

typedef enum {
  SENDER_ACCEPTED,  /* the relay answered 2xx to the end of the message */
  SENDER_TEMPORARY, /* try again: 4xx, no connection, time-out, or a relay that refuses the session
                       before any MAIL (its 5xx says nothing about the message) */
  SENDER_PERMANENT /* 5xx to MAIL, RCPT, DATA or the message, or the message cannot be sent this way
                      at all */
} SenderOutcome;

typedef struct {
  const char *host; /* name or address */
  guint16 port;
  const char *ehlo;      /* our name */
  guint timeout_seconds; /* for each step */
} SenderRelay;

/* One message to one recipient, and what became of it. */
typedef struct {
  char *from;      /* reverse-path in ASCII, "" for the null path */
  char *to;        /* local part perhaps beyond ASCII, domain in A-labels */
  GBytes *message; /* complete, CRLF line ends */
  SenderOutcome outcome;
  int code;   /* the relay's reply code, 0 when it gave none */
  char *text; /* its words or the system's, one line, escaped; never NULL after sending */
} SenderMessage;

SenderMessage *sender_message_new(const char *from, const char *to, GBytes *message);
void sender_message_free(SenderMessage *message);
/* Notes the outcome; text is escaped and cut here. */
void sender_message_settle(SenderMessage *message, SenderOutcome outcome, int code,
                           const char *text);

/* Hands the messages (of SenderMessage) over, blocking, all with ASCII recipients in one session;
   each gets its outcome. A message to a recipient beyond ASCII is SENDER_PERMANENT when the relay
   does not offer SMTPUTF8. A message that sender_check.h refuses is SENDER_PERMANENT and does not
   reach the relay. FALSE with SENDER_ERROR_SETTING only when relay itself is unusable. A relay that
   neither answers nor closes costs timeout_seconds a step; the whole session is bounded too,
   however slowly octets trickle in.
 */
gboolean sender_send(const SenderRelay *relay, GPtrArray *messages, GError **error);

#endif
