/* SPDX-License-Identifier: Apache-2.0 */
/* Handing messages to the first of several relays that takes them. One interface over two
   libraries: sender_esmtp.c for recipients in ASCII on a relay without TLS, on this host or a
   trusted network; sender_curl.c for TLS, AUTH, and recipients that need SMTPUTF8 (RFC 6531). */
#ifndef SIGNET_SMTP_SENDER_H
#define SIGNET_SMTP_SENDER_H

#include <glib.h>

/* A session costs as many steps at most, however many messages it has. One message has ten:
   greeting, EHLO, HELO, RSET, MAIL, RCPT, DATA, the message, its answer, QUIT. */
#define SENDER_SESSION_STEPS 10

#define SENDER_ERROR (sender_error_quark())
GQuark sender_error_quark(void);
typedef enum { SENDER_ERROR_SETTING } SenderError;

typedef enum {
  SENDER_ACCEPTED,  /* the relay answered 2xx to the end of the message */
  SENDER_TEMPORARY, /* try again: 4xx, or nothing, to what a relay was told of the message */
  SENDER_UNREACHED, /* try again soon: no relay answered MAIL, or it closed with 421. No connection,
                       time-out, a session refused (its 5xx says nothing about the message) */
  SENDER_NO_TLS,    /* the same: TLS was demanded and not had */
  SENDER_PERMANENT, /* 5xx to MAIL, RCPT, DATA or the message, or the message cannot be sent this
                       way at all */
  SENDER_OUTCOMES
} SenderOutcome;

/* From SENDER_TLS_STARTTLS on demanded: at least TLS 1.2, and a certificate for the relay's name
   from an authority in ca. */
typedef enum {
  SENDER_TLS_OFF,
  SENDER_TLS_OPPORTUNISTIC, /* STARTTLS where it can be had, the certificate is not looked at */
  SENDER_TLS_STARTTLS,
  SENDER_TLS_IMPLICIT /* from the first octet on */
} SenderTls;

typedef struct {
  const char *host; /* name or address */
  guint16 port;
  const char *ehlo;      /* our name */
  guint timeout_seconds; /* for each step */
  SenderTls tls;
  GBytes *ca;                  /* PEM; for demanded TLS */
  const char *user, *password; /* for AUTH, which takes demanded TLS; NULL: none */
} SenderRelay;

/* One message to one recipient, and what became of it. */
typedef struct {
  char *from;      /* reverse-path in ASCII, "" for the null path */
  char *to;        /* local part perhaps beyond ASCII, domain in A-labels */
  GBytes *message; /* complete, CRLF line ends */
  char *secret;    /* of its text: hidden where a relay repeats it; NULL: none */
  SenderOutcome outcome;
  int code;            /* the relay's reply code, 0 when it gave none */
  char *text;          /* its words or the system's, one line, escaped; never NULL after sending */
  guint first;         /* which relay it is handed to first, counted from 0 and round */
  gboolean unanswered; /* the session failed before an answer to this MAIL */
  gboolean withheld;   /* it failed before the relay asked for the text: another one may have it */
  const SenderRelay *relay; /* whose words these are; NULL: of none */
} SenderMessage;

SenderMessage *sender_message_new(const char *from, const char *to, GBytes *message);
void sender_message_free(SenderMessage *message);
/* "HOST:PORT"; the caller frees it. */
char *sender_relay_name(const SenderRelay *relay);

/* Notes the outcome; text is escaped and cut here. */
void sender_message_settle(SenderMessage *message, SenderOutcome outcome, int code,
                           const char *text);
/* What became of another one became of this one too. */
void sender_message_copy(SenderMessage *message, const SenderMessage *other);

/* Hands the messages (of SenderMessage) over, blocking, all with ASCII recipients and one first
   relay in one session; each gets its outcome. relays (of SenderRelay) are asked in their order,
   from a message's own first one on and round: what one has no octet of, or sent away with 421 or a
   status of 4.3.x, goes to the next; of several that failed the most telling one speaks. A message
   to a recipient beyond ASCII is SENDER_PERMANENT when no relay offers SMTPUTF8. A message that
   sender_check.h refuses is SENDER_PERMANENT and does not reach a relay. FALSE with
   SENDER_ERROR_SETTING only when a relay is unusable as described. A relay that neither answers nor
   closes costs timeout_seconds a step; the whole session is bounded too (SENDER_SESSION_STEPS),
   however slowly octets trickle in: messages that it has no time for are not answered. */
gboolean sender_send(GPtrArray *relays, GPtrArray *messages, GError **error);

#endif
