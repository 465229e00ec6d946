/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check.h"
#include "daemon/check_parts.h"

#include "base/clock.h"
#include "daemon/mail_signer.h"
#include "daemon/mail_texts.h"
#include "daemon/pem_key.h"
#include "mime/smime_sign.h"
#include "smtp/sender_check.h"

static void check_dkim(Check *check) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) rsa = check_file(check, "mail.dkim-key");
  g_autoptr(GBytes) ed25519 = check_file(check, "mail.dkim-ed25519-key");
  g_autoptr(MailSigner) signer =
      rsa != NULL ? mail_signer_new(check->config, rsa, ed25519, &error) : NULL;
  if (error != NULL)
    check_mistake(
        check, error->code == MAIL_SIGNER_ERROR_ED25519 ? "mail.dkim-ed25519-key" : "mail.dkim-key",
        "%s", error->message);
}

gboolean check_relay_tls_demanded(const Config *config) {
  return config_is(config, "mail.relay-tls", "starttls") ||
         config_is(config, "mail.relay-tls", "implicit");
}

/* As daemon/role_outbound.c will ask them. */
static void check_relay(Check *check, const char *peer) {
  g_autoptr(GError) error = NULL;
  g_autofree char *host = NULL;
  SenderRelay relay = {.ehlo = config_text(check->config, "mail.domain"), .timeout_seconds = 1};
  config_split_peer(peer, &host, &relay.port);
  relay.host = host;
  if (!sender_check_relay(&relay, &error))
    check_mistake(check, "mail.relay", "%s: %s", peer, error->message);
}

static void check_relay_user(Check *check) {
  const Config *config = check->config;
  gboolean user = config_given(config, "mail.relay-user"),
           file = config_given(config, "mail.relay-password-file");
  if (user != file)
    check_mistake(check, user ? "mail.relay-password-file" : "mail.relay-user",
                  "given only one of user and password file");
  if ((user || file) && !check_relay_tls_demanded(config))
    check_mistake(check, user ? "mail.relay-user" : "mail.relay-password-file",
                  "a password goes over demanded TLS only: relay-tls = starttls or implicit");
  g_autoptr(GBytes) content = check_file(check, "mail.relay-password-file");
  g_autofree char *password = content != NULL ? pem_first_line(content) : NULL;
  if (password != NULL && *password == '\0')
    check_mistake(check, "mail.relay-password-file", "its first line is empty");
}

static void check_relays(Check *check) {
  const char *const *peers = config_list(check->config, "mail.relay");
  if (*peers == NULL)
    check_mistake(check, "mail.relay", "empty; at least one HOST:PORT");
  for (; *peers != NULL; peers++)
    check_relay(check, *peers);
  check_relay_user(check);
  g_autoptr(GBytes) ca =
      check_relay_tls_demanded(check->config) ? check_file(check, "mail.relay-ca") : NULL;
  if (ca != NULL && !pem_has_certificate(ca))
    check_mistake(check, "mail.relay-ca", "has no certificate in PEM");
}

static void check_smime(Check *check) {
  g_autoptr(GError) error = NULL;
  gboolean certificate = config_given(check->config, "mail.smime-certificate");
  if (certificate != config_given(check->config, "mail.smime-key"))
    check_mistake(check, certificate ? "mail.smime-key" : "mail.smime-certificate",
                  "given only one of certificate and key");
  g_autoptr(GBytes) chain = check_file(check, "mail.smime-certificate");
  g_autoptr(GBytes) key = check_file(check, "mail.smime-key");
  if (chain == NULL || key == NULL)
    return;
  g_autofree char *address =
      g_strconcat("acme-challenge@", config_text(check->config, "mail.domain"), NULL);
  g_autoptr(SmimeSigner) signer =
      smime_signer_new(chain, key, address, clock_now(&clock_system), &error);
  if (signer == NULL)
    check_mistake(check,
                  g_error_matches(error, SMIME_ERROR, SMIME_ERROR_KEY) ? "mail.smime-key"
                                                                       : "mail.smime-certificate",
                  "%s (it signs for %s)", error->message, address);
}

/* A file of the operator's folder that is not there leaves the built-in one. */
static GBytes *read_text(gpointer user, const char *language, GError **error) {
  const Check *check = user;
  g_autofree char *path = mail_texts_path(check->config, language);
  char *content = NULL;
  gsize length = 0;
  if (path == NULL || !g_file_test(path, G_FILE_TEST_EXISTS))
    return NULL;
  return g_file_get_contents(path, &content, &length, error) ? g_bytes_new_take(content, length)
                                                             : NULL;
}

static void check_mail_texts(Check *check) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) texts = mail_texts_read(check->config, read_text, check, &error);
  if (config_given(check->config, "mail.texts") &&
      !g_file_test(config_text(check->config, "mail.texts"), G_FILE_TEST_IS_DIR))
    check_mistake(check, "mail.texts", "is no folder");
  else if (texts == NULL)
    check_mistake(check, "mail.language", "%s", error->message);
}

void check_mail(Check *check) {
  check_dkim(check);
  check_relays(check);
  check_smime(check);
  check_mail_texts(check);
}
