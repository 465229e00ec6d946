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

gboolean prove_options_parse(const ProveOptions *o, GOptionContext *context, char **arguments,
                             char ***rest, GError **error) {
  /* Octets as they came: STRING would pass them through the locale. */
  const GOptionEntry entries[] = {
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, rest, NULL, NULL},
      {0},
  };
  g_autoptr(GError) reason = NULL;
  g_auto(GStrv) copy = g_strdupv(arguments);
  g_set_prgname(o->command);
  g_option_context_add_main_entries(context, entries, NULL);
  return g_option_context_parse_strv(context, &copy, &reason) ||
         prove_options_refuse(o, error, "%s", reason->message);
}

/* --- the tables of options ----------------------------------------------------------------------
 */

const OptionField prove_server_fields[] = {
    {"directory", 0, OPTION_TEXT, 0, offsetof(ProveOptions, directory),
     "The server's ACME directory (needed)", "URL"},
    {"ca-file", 0, OPTION_FILE, 0, offsetof(ProveOptions, ca_file),
     "Roots for HTTPS (default: the system's)", "FILE"},
    {"account-key", 0, OPTION_FILE, 0, offsetof(ProveOptions, account_key),
     "Account key, made when missing to request and to prove (default: one for each server in "
     "~/.config/signet)",
     "FILE"},
    {"timeout", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, timeout_text),
     "Time for the whole run (default: 30m)", "TIME"},
    {"quiet", 'q', OPTION_FLAG, OPTION_ONCE, offsetof(ProveOptions, quiet), "No lines of progress",
     NULL},
    {0},
};

const OptionField prove_fields[] = {
    {"contact", 0, OPTION_TEXTS, OPTION_PROVES, offsetof(ProveOptions, contacts),
     "Contact address of a new account", "ADDRESS"},
    {"agree-tos", 0, OPTION_FLAG, OPTION_PROVES | OPTION_ONCE, offsetof(ProveOptions, agree),
     "Agree to the server's terms of service", NULL},
    {"eab-kid", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, binding_kid),
     "Id of an external account", "ID"},
    {"eab-key-file", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, binding_key_file),
     "Key of the external account, base64url", "FILE"},
    {"mail", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, mail_text),
     "print, maildir, imap, pipe, listen or gateway (default: print)", "WAY"},
    {"maildir", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, maildir), "Maildir to watch",
     "FOLDER"},
    {"imap", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, imap),
     "IMAP server whose mail is watched", "HOST:PORT"},
    {"imap-user", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, imap_user),
     "User name there", "NAME"},
    {"imap-password-file", 0, OPTION_FILE, OPTION_PROVES,
     offsetof(ProveOptions, imap_password_file), "Its password", "FILE"},
    {"imap-tls", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, imap_tls_text),
     "none, starttls or tls (default: tls)", "MODE"},
    {"imap-ca-file", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, imap_ca_file),
     "Roots for the IMAP server (default: the system's)", "FILE"},
    {"imap-folder", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, imap_folder),
     "Its folder to watch (default: INBOX)", "NAME"},
    {"listen", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, listen),
     "Where to take mail by SMTP", "ADDRESS:PORT"},
    {"gateway", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, gateway),
     "Socket of the gateway that takes the mail", "FILE"},
    {"smtp", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, smtp),
     "Mail server that takes the response", "HOST:PORT"},
    {"smtp-user", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, smtp_user),
     "User name at the mail server", "NAME"},
    {"smtp-password-file", 0, OPTION_FILE, OPTION_PROVES,
     offsetof(ProveOptions, smtp_password_file), "Its password", "FILE"},
    {"smtp-tls", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, smtp_tls_text),
     "none, starttls or tls (default: none; starttls with --smtp-user)", "MODE"},
    {"smtp-ca-file", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, smtp_ca_file),
     "Roots for the mail server (default: the system's)", "FILE"},
    {"dkim-key", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, dkim_key),
     "Sign the response with this key", "FILE"},
    {"dkim-domain", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, dkim_domain),
     "Its domain (default: the address's)", "DOMAIN"},
    {"dkim-selector", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, dkim_selector),
     "Its selector", "NAME"},
    {"authserv-id", 0, OPTION_TEXT, OPTION_PROVES, offsetof(ProveOptions, authserv_id),
     "Answer challenge mails alone whose DKIM signature this mail server has found good", "NAME"},
    {"challenge-ca", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, challenge_ca),
     "Answer S/MIME-signed challenge mails alone, signed under these roots", "FILE"},
    {"smime-certificate", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, smime_certificate),
     "Sign the response by S/MIME too, with this certificate and its chain", "FILE"},
    {"smime-key", 0, OPTION_FILE, OPTION_PROVES, offsetof(ProveOptions, smime_key), "Its key",
     "FILE"},
    {0},
};

void prove_options_add(GOptionContext *context, ProveOptions *o) {
  option_fields_add(context, prove_server_fields, o);
  option_fields_add(context, prove_fields, o);
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

static gboolean read_tls(const ProveOptions *o, const char *name, const char *text, MailTls preset,
                         MailTls *tls, GError **error) {
  static const char *const modes[] = {"none", "starttls", "tls", NULL};
  int mode = prove_options_choose(text, modes, preset);
  if (mode < 0)
    return prove_options_refuse(o, error, "%s is none, starttls or tls", name);
  *tls = (MailTls)mode;
  return TRUE;
}

static gboolean read_choices(ProveOptions *o, GError **error) {
  static const char *const ways[] = {"print", "maildir", "pipe", "listen", "imap", "gateway", NULL};
  int mail = prove_options_choose(o->mail_text, ways, PROVE_MAIL_PRINT);
  if (mail < 0)
    return prove_options_refuse(o, error,
                                "--mail is print, maildir, imap, pipe, listen or gateway");
  o->mail = (ProveMail)mail;
  return read_tls(o, "--smtp-tls", o->smtp_tls_text,
                  o->smtp_user != NULL ? MAIL_TLS_STARTTLS : MAIL_TLS_NONE, &o->smtp_tls, error) &&
         read_tls(o, "--imap-tls", o->imap_tls_text, MAIL_TLS_IMPLICIT, &o->imap_tls, error);
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
  if ((o->mail == PROVE_MAIL_GATEWAY) != (o->gateway != NULL))
    return prove_options_refuse(o, error, "--gateway goes with --mail gateway, and it needs it");
  if ((o->mail == PROVE_MAIL_IMAP) != (o->imap != NULL))
    return prove_options_refuse(o, error, "--imap goes with --mail imap, and it needs it");
  if (o->imap != NULL && !is_peer(o->imap))
    return prove_options_refuse(o, error, "--imap is HOST:PORT");
  if ((o->mail == PROVE_MAIL_PRINT) == (o->smtp != NULL))
    return prove_options_refuse(o, error,
                                "--smtp goes with every --mail but print, and they need it");
  if (o->smtp != NULL && !is_peer(o->smtp))
    return prove_options_refuse(o, error, "--smtp is HOST:PORT");
  return TRUE;
}

static gboolean check_imap(const ProveOptions *o, GError **error) {
  gboolean whole = o->imap_user != NULL && o->imap_password_file != NULL;
  gboolean given = o->imap_user != NULL || o->imap_password_file != NULL ||
                   o->imap_tls_text != NULL || o->imap_ca_file != NULL || o->imap_folder != NULL;
  if (o->imap == NULL && given)
    return prove_options_refuse(o, error, "the options --imap-... need --mail imap");
  if (o->imap != NULL && !whole)
    return prove_options_refuse(o, error, "--imap needs --imap-user and --imap-password-file");
  if (o->imap != NULL && o->imap_tls == MAIL_TLS_NONE && !mail_server_is_local(o->imap))
    return prove_options_refuse(o, error, "a password is not sent to another machine without TLS");
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
  if (o->authserv_id != NULL && o->mail == PROVE_MAIL_PRINT)
    return prove_options_refuse(o, error, "--authserv-id needs a --mail way that reads the mail");
  if ((o->binding_kid != NULL) != (o->binding_key_file != NULL))
    return prove_options_refuse(o, error, "--eab-kid and --eab-key-file go together");
  return TRUE;
}

gboolean prove_options_read_server(ProveOptions *o, GError **error) {
  if (o->directory == NULL || !g_str_has_prefix(o->directory, "https://"))
    return prove_options_refuse(o, error, "--directory with an https URL is needed");
  o->timeout = prove_options_duration(o->timeout_text != NULL ? o->timeout_text : "30m");
  return o->timeout > 0 ||
         prove_options_refuse(o, error, "--timeout is a number with s, m or h, from 1s to 168h");
}

gboolean prove_options_read(ProveOptions *o, GError **error) {
  return prove_options_read_server(o, error) && read_choices(o, error) && check_mail(o, error) &&
         check_imap(o, error) && check_secrets(o, error);
}

gboolean prove_options_fit(const ProveOptions *o, guint addresses, GError **error) {
  if (addresses > PROVE_MAX_ADDRESSES)
    return prove_options_refuse(o, error, "at most %d addresses of one certificate are proven",
                                PROVE_MAX_ADDRESSES);
  if (o->smime_key != NULL && addresses > 1)
    return prove_options_refuse(o, error, "--smime-certificate signs for one address alone");
  return TRUE;
}

char *prove_options_proving(const ProveOptions *o) {
  char *name = option_fields_given(prove_server_fields, o, OPTION_PROVES);
  return name != NULL ? name : option_fields_given(prove_fields, o, OPTION_PROVES);
}

void prove_options_clear(ProveOptions *o) {
  option_fields_clear(prove_server_fields, o);
  option_fields_clear(prove_fields, o);
}
