/* SPDX-License-Identifier: Apache-2.0 */
/* The SMTP or LMTP server: sessions on a libevent loop, with limits on number, size and time. */
#ifndef SIGNET_SMTP_SERVER_H
#define SIGNET_SMTP_SERVER_H

#include "smtp/session.h"

#include <event2/event.h>
#include <openssl/ssl.h>

#define SMTP_SERVER_BLOCK 8192

/* A question to the owner of the mail. It outlives its client, and answering late is safe: the
   answer is dropped. Every question must be answered once; that may happen inside the handler. What
   the handler is given lives until then. */
typedef struct SmtpQuestion SmtpQuestion;

typedef struct {
  void (*recipient)(SmtpQuestion *question, const char *address, gpointer user);
  void (*message)(SmtpQuestion *question, const SmtpEnvelope *envelope, GBytes *message,
                  gpointer user);
  void (*replied)(int code, gpointer user); /* for each reply but greetings; NULL: nobody counts */
} SmtpServerHandlers;

typedef struct {
  const char *hostname;
  gsize max_message;    /* octets */
  guint max_sessions;   /* in all; above, the one that has been idle longest ends, or 421 */
  guint max_per_source; /* sessions of one IPv4 address or IPv6 /64; above, 421 at once */
  /* Seconds in all for one command or one TLS handshake, however many octets trickle in (RFC 5321
     section 4.5.3.2 is an upper guide); stands still while a question is open. A message has them
     again and again while SMTP_SERVER_BLOCK octets of it come in each, up to message_seconds. */
  guint command_seconds;
  guint message_seconds;
  guint session_seconds; /* in all for a session, open questions included */
  SSL_CTX *tls;          /* NULL: STARTTLS is not offered; kept by reference */
  gboolean lmtp;         /* for a mail server on this host (RFC 2033) */
} SmtpServerOptions;

typedef struct SmtpServer SmtpServer;

/* fd: a listening socket, non-blocking, owned by the server from now on. The process must ignore
 * SIGPIPE. */
SmtpServer *smtp_server_new(struct event_base *base, int fd, const SmtpServerOptions *options,
                            const SmtpServerHandlers *handlers, gpointer user);
/* Closes listener and sessions; open questions may still be answered. Not to be called in a
 * handler. */
void smtp_server_free(SmtpServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmtpServer, smtp_server_free)
/* New TLS context for handshakes from now on (reload). NULL: sessions from now on are offered none.
 */
void smtp_server_set_tls(SmtpServer *server, SSL_CTX *tls);
/* Stops taking new sessions. */
void smtp_server_stop(SmtpServer *server);

/* Answers and frees the question; as smtp_session_answer. */
void smtp_question_answer(SmtpQuestion *question, int code, const char *enhanced, const char *text);

#endif
