/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request_options.h"

#include "base/config.h"
#include "base/mailbox.h"
#include "client/failure.h"
#include "client/private_key.h"

#include <string.h>

#define LONGEST_SECONDS (7 * 24 * 3600)

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE, "%s (signet request --help)", text);
  return FALSE;
}

/* --- the tables of options ----------------------------------------------------------------------
 */

static void add_acme_options(GOptionContext *context, RequestOptions *o) {
  const GOptionEntry entries[] = {
      {"directory", 0, 0, G_OPTION_ARG_STRING, &o->directory, "The server's ACME directory", "URL"},
      {"ca-file", 0, 0, G_OPTION_ARG_FILENAME, &o->ca_file,
       "Roots for HTTPS (default: the system's)", "FILE"},
      {"account-key", 0, 0, G_OPTION_ARG_FILENAME, &o->account_key,
       "Account key, made when missing (default: one for each server in ~/.config/signet)", "FILE"},
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
      /* Octets as they came: STRING would pass them through the locale. */
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->rest, NULL, NULL},
      {0},
  };
  g_option_context_add_main_entries(context, entries, NULL);
}

static void add_key_options(GOptionContext *context, RequestOptions *o) {
  const GOptionEntry entries[] = {
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &o->out, "Folder for key and certificate (default: .)",
       "FOLDER"},
      {"key", 0, 0, G_OPTION_ARG_FILENAME, &o->key,
       "Certificate key, made when missing (default: FOLDER/LOCALPART.key)", "FILE"},
      {"key-type", 0, 0, G_OPTION_ARG_STRING, &o->key_type, PRIVATE_KEY_TYPES " (default: P-256)",
       "TYPE"},
      {"usage", 0, 0, G_OPTION_ARG_STRING, &o->usage_text, "both, sign or encrypt (default: both)",
       "USAGE"},
      {"p12-password-file", 0, 0, G_OPTION_ARG_FILENAME, &o->password_file,
       "Password of the PKCS#12 file (default: a random one)", "FILE"},
      {0},
  };
  g_option_context_add_main_entries(context, entries, NULL);
}

static void add_mail_options(GOptionContext *context, RequestOptions *o) {
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

/* --- reading the values -------------------------------------------------------------------------
 */

gint64 request_options_duration(const char *text) {
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

/* The index of word in words, preset when it is NULL, -1 when it is none of them. */
static int choose(const char *word, const char *const *words, int preset) {
  if (word == NULL)
    return preset;
  for (int i = 0; words[i] != NULL; i++)
    if (strcmp(words[i], word) == 0)
      return i;
  return -1;
}

static gboolean read_choices(RequestOptions *o, GError **error) {
  static const char *const usages[] = {"both", "sign", "encrypt", NULL};
  static const char *const ways[] = {"print", "maildir", "pipe", "listen", NULL};
  static const char *const modes[] = {"none", "starttls", "tls", NULL};
  int usage = choose(o->usage_text, usages, CERTIFICATE_USAGE_BOTH);
  int mail = choose(o->mail_text, ways, REQUEST_MAIL_PRINT);
  int tls =
      choose(o->smtp_tls_text, modes, o->smtp_user != NULL ? MAIL_TLS_STARTTLS : MAIL_TLS_NONE);
  if (usage < 0)
    return refuse(error, "--usage is both, sign or encrypt");
  if (mail < 0)
    return refuse(error, "--mail is print, maildir, pipe or listen");
  if (tls < 0)
    return refuse(error, "--smtp-tls is none, starttls or tls");
  o->usage = (CertificateUsage)usage;
  o->mail = (RequestMail)mail;
  o->smtp_tls = (MailTls)tls;
  o->timeout = request_options_duration(o->timeout_text != NULL ? o->timeout_text : "30m");
  if (o->timeout < 0)
    return refuse(error, "--timeout is a number with s, m or h, from 1s to 168h");
  if (o->key_type != NULL && !private_key_type_known(o->key_type))
    return refuse(error, "--key-type is one of " PRIVATE_KEY_TYPES);
  return TRUE;
}

static gboolean read_addresses(RequestOptions *o, GError **error) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
  for (char **text = o->rest; text != NULL && *text != NULL; text++) {
    g_autoptr(GError) reason = NULL;
    g_autoptr(Mailbox) mailbox = mailbox_parse(*text, &reason);
    if (mailbox == NULL)
      return refuse(error, "%s is no mail address: %s", *text, reason->message);
    if (!g_hash_table_add(known, g_strdup(mailbox->canonical)))
      return refuse(error, "%s is given twice", *text);
    g_ptr_array_add(list, g_strdup(mailbox->address));
  }
  if (list->len == 0)
    return refuse(error, "for which mail address?");
  if (list->len > REQUEST_MAX_ADDRESSES)
    return refuse(error, "at most %d addresses go into one certificate", REQUEST_MAX_ADDRESSES);
  g_ptr_array_add(list, NULL);
  o->addresses = (char **)g_ptr_array_steal(list, NULL);
  return TRUE;
}

static gboolean is_peer(const char *text) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  return config_split_peer(text, &host, &port) && strpbrk(text, "/@? #\r\n\t") == NULL;
}

static gboolean check_mail(const RequestOptions *o, GError **error) {
  if ((o->mail == REQUEST_MAIL_MAILDIR) != (o->maildir != NULL))
    return refuse(error, "--maildir goes with --mail maildir, and it needs it");
  if ((o->mail == REQUEST_MAIL_LISTEN) != (o->listen != NULL))
    return refuse(error, "--listen goes with --mail listen, and it needs it");
  if ((o->mail == REQUEST_MAIL_PRINT) == (o->smtp != NULL))
    return refuse(error, "--smtp goes with every --mail but print, and they need it");
  if (o->smtp != NULL && !is_peer(o->smtp))
    return refuse(error, "--smtp is HOST:PORT");
  return TRUE;
}

static gboolean check_secrets(const RequestOptions *o, GError **error) {
  if ((o->smtp_user != NULL) != (o->smtp_password_file != NULL))
    return refuse(error, "--smtp-user and --smtp-password-file go together");
  if (o->smtp_user != NULL && o->smtp_tls == MAIL_TLS_NONE && !mail_server_is_local(o->smtp))
    return refuse(error, "a password is not sent to another machine without TLS");
  if ((o->dkim_key != NULL) != (o->dkim_selector != NULL))
    return refuse(error, "--dkim-key and --dkim-selector go together");
  if (o->dkim_domain != NULL && o->dkim_key == NULL)
    return refuse(error, "--dkim-domain needs --dkim-key");
  if (o->dkim_key != NULL && o->mail == REQUEST_MAIL_PRINT)
    return refuse(error, "--dkim-key needs a --mail way that sends the response");
  if ((o->smime_certificate != NULL) != (o->smime_key != NULL))
    return refuse(error, "--smime-certificate and --smime-key go together");
  if (o->smime_key != NULL && o->mail == REQUEST_MAIL_PRINT)
    return refuse(error, "--smime-key needs a --mail way that sends the response");
  if (o->smime_key != NULL && o->addresses[1] != NULL)
    return refuse(error, "--smime-certificate signs for one address alone");
  if (o->challenge_ca != NULL && o->mail == REQUEST_MAIL_PRINT)
    return refuse(error, "--challenge-ca needs a --mail way that reads the mail");
  if ((o->binding_kid != NULL) != (o->binding_key_file != NULL))
    return refuse(error, "--eab-kid and --eab-key-file go together");
  return TRUE;
}

static gboolean read_values(RequestOptions *o, GError **error) {
  if (o->directory == NULL || !g_str_has_prefix(o->directory, "https://"))
    return refuse(error, "--directory with an https URL is needed");
  return read_choices(o, error) && read_addresses(o, error) && check_mail(o, error) &&
         check_secrets(o, error);
}

RequestOptions *request_options_parse(char **arguments, GError **error) {
  g_autoptr(RequestOptions) options = g_new0(RequestOptions, 1);
  g_autoptr(GOptionContext) context = g_option_context_new("ADDRESS [ADDRESS...]");
  g_set_prgname("signet request");
  g_option_context_set_summary(
      context, "Gets an S/MIME certificate for mail addresses from an ACME server.");
  add_acme_options(context, options);
  add_key_options(context, options);
  add_mail_options(context, options);
  g_autoptr(GError) reason = NULL;
  g_auto(GStrv) copy = g_strdupv(arguments);
  if (!g_option_context_parse_strv(context, &copy, &reason)) {
    refuse(error, "%s", reason->message);
    return NULL;
  }
  return read_values(options, error) ? g_steal_pointer(&options) : NULL;
}

void request_options_free(RequestOptions *o) {
  if (o == NULL)
    return;
  char *const texts[] = {
      o->directory,
      o->ca_file,
      o->account_key,
      o->timeout_text,
      o->binding_kid,
      o->binding_key_file,
      o->out,
      o->key,
      o->key_type,
      o->usage_text,
      o->password_file,
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
  g_strfreev(o->rest);
  g_strfreev(o->addresses);
  g_free(o);
}
