/* SPDX-License-Identifier: Apache-2.0 */
/* The options of every command that proves mailboxes: the server, the account, the time and the way
   of mail. */
#ifndef SIGNET_CLIENT_PROVE_OPTIONS_H
#define SIGNET_CLIENT_PROVE_OPTIONS_H

#include "client/mail_submission.h"
#include "client/option_field.h"

#define PROVE_MAX_ADDRESSES 100 /* of one certificate */

typedef enum {
  PROVE_MAIL_PRINT,
  PROVE_MAIL_MAILDIR,
  PROVE_MAIL_PIPE,
  PROVE_MAIL_LISTEN,
  PROVE_MAIL_IMAP,
  PROVE_MAIL_GATEWAY
} ProveMail;

/* As given; texts are NULL when not. What stands under "read" is made of it and always usable. */
typedef struct {
  const char *command; /* "signet request": where --help is to be had */
  char *directory, *ca_file, *account_key, *timeout_text;
  char **contacts;
  char *binding_kid, *binding_key_file;
  gboolean agree, quiet;
  char *mail_text, *maildir, *listen, *gateway;
  char *imap, *imap_user, *imap_password_file, *imap_tls_text, *imap_ca_file, *imap_folder;
  char *smtp, *smtp_user, *smtp_password_file, *smtp_tls_text, *smtp_ca_file;
  char *dkim_key, *dkim_domain, *dkim_selector;
  char *authserv_id, *challenge_ca, *smime_certificate, *smime_key;
  /* read */
  gint64 timeout; /* seconds */
  ProveMail mail;
  MailTls smtp_tls, imap_tls;
} ProveOptions;

/* The options of every command that speaks with a server: directory, ca-file, account-key, timeout,
   quiet; and those of accounts and mail beside them. Of ProveOptions, also where it is the first
   member of another struct. */
extern const OptionField prove_server_fields[], prove_fields[];

/* Parses a command line, its first word skipped, by the options that context has; what is no option
   becomes *rest, which the caller frees. --help prints and ends the
   process. */
gboolean prove_options_parse(const ProveOptions *options, GOptionContext *context, char **arguments,
                             char ***rest, GError **error);
void prove_options_add(GOptionContext *context, ProveOptions *options);
/* CLIENT_USAGE with what is wrong, here and below. */
gboolean prove_options_read(ProveOptions *options, GError **error);
gboolean prove_options_read_server(ProveOptions *options, GError **error);
/* The name of the first option given that has to do with proofs alone; NULL when there is none. The
   caller frees it. */
char *prove_options_proving(const ProveOptions *options);
/* Whether so many addresses can be proven with these options. */
gboolean prove_options_fit(const ProveOptions *options, guint addresses, GError **error);
void prove_options_clear(ProveOptions *options);

/* Sets CLIENT_USAGE, with where help is to be had; FALSE. */
gboolean prove_options_refuse(const ProveOptions *options, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The index of word in words, preset when it is NULL, -1 when it is none of them. */
int prove_options_choose(const char *word, const char *const *words, int preset);

/* Seconds of digits with nothing, s, m or h behind them; -1 when it is not that or not within 1 s
 * to 7 days. */
gint64 prove_options_duration(const char *text);

#endif
