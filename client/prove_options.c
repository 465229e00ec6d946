/* SPDX-License-Identifier: Apache-2.0 */
#include "client/prove_options.h"

#include "base/config.h"
#include "client/failure.h"

#include <string.h>

#define LONGEST_SECONDS (7 * 24 * 3600)

gboolean prove_options_refuse(const ProveOptions *o, GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE, "%s (%s --help)", text, o->command);
  return FALSE;
}

/* --- the tables of options ----------------------------------------------------------------------
 */

static void add_acme_options(GOptionContext *context, ProveOptions *o) {
  const GOptionEntry entries[] = {
      {"directory", 0, 0, G_OPTION_ARG_STRING, &o->directory, "The server's ACME directory", "URL"},
      {"ca-file", 0, 0, G_OPTION_ARG_FILENAME, &o->ca_file,
       "Roots for HTTPS (default: the system's)", "FILE"},
      {"account-key", 0, 0, G_OPTION_ARG_FILENAME, &o->account_key,
       "Account key, made when missing to request and to prove (default: one for each server in "
       "~/.config/signet)",
       "FILE"},
      {"contact", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->contacts, "Contact address of a new account",
       "ADDRESS"},
      {"agree-tos", 0, 0, G_OPTION_ARG_NONE, &o->agree, "Agree to the server's terms of service",
       NULL},
      {"eab-kid", 0, 0, G_OPTION_ARG_STRING, &o->binding_kid, "Id of an external account", "ID"},
      {"eab-key-file", 0, 0, G_OPTION_ARG_FILENAME, &o->binding_key_file,
       "Key of the external account, base64url", "FILE"},
      {"timeout", 0, 0, G_OPTION_ARG_STRING, &o->timeout_text,
       "Time for the whole run (default: 30m)", "TIME"},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &o->quiet, "No lines of progress", NULL},
      {0},
  };
  g_option_context_add_main_entries(context, entries, NULL);
}

static void add_mail_options(GOptionContext *context, ProveOptions *o) {
  const GOptionEntry entries[] = {
      {"mail", 0, 0, G_OPTION_ARG_STRING, &o->mail_text,
       "print, maildir, pipe or listen (default: print)", "WAY"},
      {"maildir", 0, 0, G_OPTION_ARG_FILENAME, &o->maildir, "Maildir to watch", "FOLDER"},
      {"listen", 0, 0, G_OPTION_ARG_STRING, &o->listen, "Where to take mail by SMTP",
       "ADDRESS:PORT"},
      {"smtp", 0, 0, G_OPTION_ARG_STRING, &o->smtp, "Mail server that takes the response",
       "HOST:PORT"},
      {"smtp-user", 0, 0, G_OPTION_ARG_STRING, &o->smtp_user, "User name at the mail server",
       "NAME"},
      {"smtp-password-file", 0, 0, G_OPTION_ARG_FILENAME, &o->smtp_password_file, "Its password",
       "FILE"},
      {"smtp-tls", 0, 0, G_OPTION_ARG_STRING, &o->smtp_tls_text,
       "none, starttls or tls (default: none; starttls with --smtp-user)", "MODE"},
      {"smtp-ca-file", 0, 0, G_OPTION_ARG_FILENAME, &o->smtp_ca_file,
       "Roots for the mail server (default: the system's)", "FILE"},
      {"dkim-key", 0, 0, G_OPTION_ARG_FILENAME, &o->dkim_key, "Sign the response with this key",
       "FILE"},
      {"dkim-domain", 0, 0, G_OPTION_ARG_STRING, &o->dkim_domain,
       "Its domain (default: the address's)", "DOMAIN"},
      {"dkim-selector", 0, 0, G_OPTION_ARG_STRING, &o->dkim_selector, "Its selector", "NAME"},
      {"challenge-ca", 0, 0, G_OPTION_ARG_FILENAME, &o->challenge_ca,
       "Answer S/MIME-signed challenge mails alone, signed under these roots", "FILE"},
      {"smime-certificate", 0, 0, G_OPTION_ARG_FILENAME, &o->smime_certificate,
       "Sign the response by S/MIME too, with this certificate and its chain", "FILE"},
      {"smime-key", 0, 0, G_OPTION_ARG_FILENAME, &o->smime_key, "Its key", "FILE"},
      {0},
  };
  g_option_context_add_main_entries(context, entries, NULL);
}

void prove_options_add(GOptionContext *context, ProveOptions *o) {
  add_acme_options(context, o);
  add_mail_options(context, o);
}

/* --- reading the values -------------------------------------------------------------------------
 */

gint64 prove_options_duration(const char *text) {
  static const struct {
    const char *unit;
    guint64 seconds;
  } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};
  gsize digits = strspn(text, "0123456789");
  if (digits == 0 || digits > 9)
    return -1;
  guint64 number = g_ascii_strtoull(text, NULL, 10);
  for (gsize i = 0; i < G_N_ELEMENTS(units); i++)
    if (strcmp(text + digits, units[i].unit) == 0) {
      guint64 seconds = number * units[i].seconds;
      return seconds >= 1 && seconds <= LONGEST_SECONDS ? (gint64)seconds : -1;
    }
  return -1;
}

int prove_options_choose(const char *word, const char *const *words, int preset) {
  if (word == NULL)
    return preset;
  for (int i = 0; words[i] != NULL; i++)
    if (strcmp(words[i], word) == 0)
      return i;
  return -1;
}

static gboolean read_choices(ProveOptions *o, GError **error) {
  static const char *const ways[] = {"print", "maildir", "pipe", "listen", NULL};
  static const char *const modes[] = {"none", "starttls", "tls", NULL};
  int mail = prove_options_choose(o->mail_text, ways, PROVE_MAIL_PRINT);
  int tls = prove_options_choose(o->smtp_tls_text, modes,
                                 o->smtp_user != NULL ? MAIL_TLS_STARTTLS : MAIL_TLS_NONE);
  if (mail < 0)
    return prove_options_refuse(o, error, "--mail is print, maildir, pipe or listen");
  if (tls < 0)
    return prove_options_refuse(o, error, "--smtp-tls is none, starttls or tls");
  o->mail = (ProveMail)mail;
  o->smtp_tls = (MailTls)tls;
  o->timeout = prove_options_duration(o->timeout_text != NULL ? o->timeout_text : "30m");
  if (o->timeout < 0)
    return prove_options_refuse(o, error, "--timeout is a number with s, m or h, from 1s to 168h");
  return TRUE;
}

static gboolean is_peer(const char *text) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  return config_split_peer(text, &host, &port) && strpbrk(text, "/@? #\r\n\t") == NULL;
}

static gboolean check_mail(const ProveOptions *o, GError **error) {
  if ((o->mail == PROVE_MAIL_MAILDIR) != (o->maildir != NULL))
    return prove_options_refuse(o, error, "--maildir goes with --mail maildir, and it needs it");
  if ((o->mail == PROVE_MAIL_LISTEN) != (o->listen != NULL))
    return prove_options_refuse(o, error, "--listen goes with --mail listen, and it needs it");
  if ((o->mail == PROVE_MAIL_PRINT) == (o->smtp != NULL))
    return prove_options_refuse(o, error,
                                "--smtp goes with every --mail but print, and they need it");
  if (o->smtp != NULL && !is_peer(o->smtp))
    return prove_options_refuse(o, error, "--smtp is HOST:PORT");
  return TRUE;
}

static gboolean check_secrets(const ProveOptions *o, GError **error) {
  if ((o->smtp_user != NULL) != (o->smtp_password_file != NULL))
    return prove_options_refuse(o, error, "--smtp-user and --smtp-password-file go together");
  if (o->smtp_user != NULL && o->smtp_tls == MAIL_TLS_NONE && !mail_server_is_local(o->smtp))
    return prove_options_refuse(o, error, "a password is not sent to another machine without TLS");
  if ((o->dkim_key != NULL) != (o->dkim_selector != NULL))
    return prove_options_refuse(o, error, "--dkim-key and --dkim-selector go together");
  if (o->dkim_domain != NULL && o->dkim_key == NULL)
    return prove_options_refuse(o, error, "--dkim-domain needs --dkim-key");
  if (o->dkim_key != NULL && o->mail == PROVE_MAIL_PRINT)
    return prove_options_refuse(o, error, "--dkim-key needs a --mail way that sends the response");
  if ((o->smime_certificate != NULL) != (o->smime_key != NULL))
    return prove_options_refuse(o, error, "--smime-certificate and --smime-key go together");
  if (o->smime_key != NULL && o->mail == PROVE_MAIL_PRINT)
    return prove_options_refuse(o, error, "--smime-key needs a --mail way that sends the response");
  if (o->challenge_ca != NULL && o->mail == PROVE_MAIL_PRINT)
    return prove_options_refuse(o, error, "--challenge-ca needs a --mail way that reads the mail");
  if ((o->binding_kid != NULL) != (o->binding_key_file != NULL))
    return prove_options_refuse(o, error, "--eab-kid and --eab-key-file go together");
  return TRUE;
}

gboolean prove_options_read(ProveOptions *o, GError **error) {
  if (o->directory == NULL || !g_str_has_prefix(o->directory, "https://"))
    return prove_options_refuse(o, error, "--directory with an https URL is needed");
  return read_choices(o, error) && check_mail(o, error) && check_secrets(o, error);
}

gboolean prove_options_fit(const ProveOptions *o, guint addresses, GError **error) {
  if (addresses > PROVE_MAX_ADDRESSES)
    return prove_options_refuse(o, error, "at most %d addresses of one certificate are proven",
                                PROVE_MAX_ADDRESSES);
  if (o->smime_key != NULL && addresses > 1)
    return prove_options_refuse(o, error, "--smime-certificate signs for one address alone");
  return TRUE;
}

const char *prove_options_first(const ProveOptions *o) {
  const struct {
    const char *name;
    gboolean given;
  } options[] = {
      {"--contact", o->contacts != NULL},
      {"--agree-tos", o->agree},
      {"--eab-kid", o->binding_kid != NULL},
      {"--eab-key-file", o->binding_key_file != NULL},
      {"--timeout", o->timeout_text != NULL},
      {"--mail", o->mail_text != NULL},
      {"--maildir", o->maildir != NULL},
      {"--listen", o->listen != NULL},
      {"--smtp", o->smtp != NULL},
      {"--smtp-user", o->smtp_user != NULL},
      {"--smtp-password-file", o->smtp_password_file != NULL},
      {"--smtp-tls", o->smtp_tls_text != NULL},
      {"--smtp-ca-file", o->smtp_ca_file != NULL},
      {"--dkim-key", o->dkim_key != NULL},
      {"--dkim-domain", o->dkim_domain != NULL},
      {"--dkim-selector", o->dkim_selector != NULL},
      {"--challenge-ca", o->challenge_ca != NULL},
      {"--smime-certificate", o->smime_certificate != NULL},
      {"--smime-key", o->smime_key != NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
    if (options[i].given)
      return options[i].name;
  return NULL;
}

void prove_options_clear(ProveOptions *o) {
  char *const texts[] = {
      o->directory,
      o->ca_file,
      o->account_key,
      o->timeout_text,
      o->binding_kid,
      o->binding_key_file,
      o->mail_text,
      o->maildir,
      o->listen,
      o->smtp,
      o->smtp_user,
      o->smtp_password_file,
      o->smtp_tls_text,
      o->smtp_ca_file,
      o->dkim_key,
      o->dkim_domain,
      o->dkim_selector,
      o->challenge_ca,
      o->smime_certificate,
      o->smime_key,
  };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  g_strfreev(o->contacts);
}
