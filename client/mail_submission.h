/* SPDX-License-Identifier: Apache-2.0 */
/* Handing one message to a mail server, by libcurl. */
#ifndef SIGNET_CLIENT_MAIL_SUBMISSION_H
#define SIGNET_CLIENT_MAIL_SUBMISSION_H

#include <curl/curl.h>
#include <glib.h>

#define MAIL_SUBMISSION_TRIES 3
#define MAIL_SUBMISSION_PAUSE_SECONDS 3
#define MAIL_SUBMISSION_SECONDS 60 /* for one try */

typedef enum { MAIL_TLS_NONE, MAIL_TLS_STARTTLS, MAIL_TLS_IMPLICIT } MailTls;

/* user and password are both NULL or both given. */
typedef struct {
  const char *server; /* "host:port" */
  const char *user, *password;
  const char *ca_file; /* NULL: the system's roots */
  MailTls tls;
} MailServer;

/* Whether host names this machine, where a password may go without TLS. */
gboolean mail_server_is_local(const char *server);

/* The server's TLS and login, for a transfer of libcurl's. */
void mail_server_secure(CURL *curl, const MailServer *server);

/* Sends message (CRLF line ends) from one mailbox to another; tried again after a temporary
   failure. CLIENT_NETWORK with the server's words when it was not taken. */
gboolean mail_submission_send(const MailServer *server, const char *from, const char *to,
                              GBytes *message, GError **error);

#endif
