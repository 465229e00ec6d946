/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of "signet request". */
#ifndef SIGNET_CLIENT_REQUEST_OPTIONS_H
#define SIGNET_CLIENT_REQUEST_OPTIONS_H

#include "client/certificate_request.h"
#include "client/mail_submission.h"

#define REQUEST_MAX_ADDRESSES 100

typedef enum {
  REQUEST_MAIL_PRINT,
  REQUEST_MAIL_MAILDIR,
  REQUEST_MAIL_PIPE,
  REQUEST_MAIL_LISTEN
} RequestMail;

/* As given; texts are NULL when not. What stands under "read" is made of it and always usable. */
typedef struct {
  char *directory, *ca_file, *account_key, *timeout_text;
  char **contacts;
  char *binding_kid, *binding_key_file;
  gboolean agree, quiet;
  char *out, *key, *key_type, *usage_text, *password_file;
  char *mail_text, *maildir, *listen;
  char *smtp, *smtp_user, *smtp_password_file, *smtp_tls_text, *smtp_ca_file;
  char *dkim_key, *dkim_domain, *dkim_selector;
  char *challenge_ca, *smime_certificate, *smime_key;
  char **rest;
  /* read */
  char **addresses; /* checked, domains in A-labels, no duplicates */
  gint64 timeout;   /* seconds */
  CertificateUsage usage;
  RequestMail mail;
  MailTls smtp_tls;
} RequestOptions;

/* arguments[0] is skipped. CLIENT_USAGE with what is wrong. --help prints and ends the process. */
RequestOptions *request_options_parse(char **arguments, GError **error);
void request_options_free(RequestOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RequestOptions, request_options_free)

/* Seconds of digits with nothing, s, m or h behind them; -1 when it is not that or not within 1 s
 * to 7 days. */
gint64 request_options_duration(const char *text);

#endif
