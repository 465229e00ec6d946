/* SPDX-License-Identifier: Apache-2.0 */
/* The receiving side of SMTP (RFC 5321, 1870 SIZE, 2034 status codes, 2920 pipelining, 3207
   STARTTLS, 6152, 6531) and LMTP (RFC 2033) as an engine without I/O: octets in, reply octets and
   questions out, time given in. */
#ifndef SIGNET_SMTP_SESSION_H
#define SIGNET_SMTP_SESSION_H

#include <glib.h>

#define SMTP_MAX_COMMAND 2048 /* octets of a command line with its CRLF */
#define SMTP_MAX_RECIPIENTS 10
#define SMTP_MAX_ERRORS 10 /* refused commands before the session is closed with 421 */
#define SMTP_MAX_LINE 2000 /* octets of a line of a message, above the 1000 of RFC 5321 */

#define SMTP_LOCAL_PEER "local" /* the client of a Unix socket */

/* One mail transaction: made by MAIL, freed whole. */
typedef struct {
  char *peer;            /* address of the client, text; SMTP_LOCAL_PEER */
  char *helo;            /* its EHLO or HELO name */
  char *from;            /* reverse-path without angle brackets, "" for the null path */
  GPtrArray *recipients; /* of char*, accepted forward-paths without angle brackets */
  gboolean tls;
  gboolean utf8; /* SMTPUTF8 was asked for */
} SmtpEnvelope;

void smtp_envelope_free(SmtpEnvelope *envelope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmtpEnvelope, smtp_envelope_free)

typedef struct {
  const char *hostname; /* in banner, EHLO and Received */
  gsize max_message;    /* octets, announced as SIZE */
  gboolean offer_starttls;
  void (*replied)(int code,
                  gpointer user); /* for each reply but the greeting; NULL: nobody counts */
  gpointer user;
  gboolean lmtp; /* LHLO, and an answer for each recipient behind the message (RFC 2033) */
} SmtpSessionOptions;

typedef enum {
  SMTP_WANT_INPUT,    /* feed more octets */
  SMTP_ASK_RECIPIENT, /* answer with smtp_session_answer: 250 accepts */
  SMTP_ASK_MESSAGE,   /* the message is whole: answer; 250 only when it is committed. LMTP: asked
                         once for each recipient, in their order, each time with it alone */
  SMTP_START_TLS,     /* send the output, do the handshake, then smtp_session_tls_started */
  SMTP_CLOSE          /* send the output and close */
} SmtpSessionEvent;

typedef struct SmtpSession SmtpSession;

/* The banner is in the output at once. peer: text of the client's address. */
SmtpSession *smtp_session_new(const SmtpSessionOptions *options, const char *peer);
void smtp_session_free(SmtpSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmtpSession, smtp_session_free)

/* Takes octets from the peer (kept inside until they can be handled) and says what is next; call
   with length 0 after an answer. While a question is open, nothing further is handled. now:
   milliseconds, for the Received field that is put before a message. Give at once all that has been
   read: octets before the banner was taken, or in one piece with and behind EHLO, HELO, STARTTLS or
   DATA (which RFC 2920 section 3.1 and RFC 3207 section 4.2 want answered first) close the session.
 */
SmtpSessionEvent smtp_session_feed(SmtpSession *session, const void *data, gsize length,
                                   gint64 now);

/* Octets to send; the engine's buffer is emptied. The caller frees the octets. */
GBytes *smtp_session_take_output(SmtpSession *session);

/* The question's subject. Belongs to the session, valid until the question is answered. */
const char *smtp_session_recipient(const SmtpSession *session);
const SmtpEnvelope *smtp_session_envelope(const SmtpSession *session);
GBytes *smtp_session_message(
    const SmtpSession *session); /* Received field included, CRLF, dots unstuffed */

/* code: 2xx, 4xx or 5xx, anything else is a programming error; enhanced e.g. "2.1.5" (RFC 3463),
   its class as the code's; text for a person: what is not printable ASCII is replaced. */
void smtp_session_answer(SmtpSession *session, int code, const char *enhanced, const char *text);
void smtp_session_tls_started(SmtpSession *session);
/* 421, then SMTP_CLOSE. An open question may no longer be answered. */
void smtp_session_timed_out(SmtpSession *session);
const char *
smtp_session_refusal(const SmtpSession *session); /* why it was closed, for the log; NULL */
/* Between 354 and the end of the message. */
gboolean smtp_session_in_message(const SmtpSession *session);
/* Octets fed and not yet handled: a driver stops reading above a bound. */
gsize smtp_session_pending(const SmtpSession *session);

#endif
