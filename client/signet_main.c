/* SPDX-License-Identifier: Apache-2.0 */
/* signet: the ACME client for S/MIME certificates. */
#include "base/log.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/output.h"

#include <curl/curl.h>
#include <gmime/gmime.h>
#include <jansson.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

static gboolean command_version(char **arguments, GError **error) {
  (void)arguments, (void)error;
  output_text("signet %s\n", SIGNET_VERSION);
  return TRUE;
}

static gboolean command_help(char **arguments, GError **error) {
  (void)arguments, (void)error;
  output_text(
      "signet request ADDRESS [ADDRESS...] --directory URL [options]\n"
      "    gets an S/MIME certificate for mail addresses\n"
      "signet renew FOLDER [options]\n"
      "    renews what was requested into a folder, or keeps a list of mailboxes supplied\n"
      "signet gateway FOLDER --list FILE --listen PORT --behind PORT [options]\n"
      "    keeps the mailboxes of a domain supplied, through its mail server; how they are\n"
      "    says: signet gateway status FOLDER\n"
      "signet revoke CERTFILE --directory URL [options]\n"
      "    revokes a certificate, as the one who ordered it, its key's holder or, with\n"
      "    --prove, the owner of its mailboxes\n"
      "signet account show|update|rollover|deactivate --directory URL [options]\n"
      "    the account at the server, and its key\n"
      "signet export CERTFILE --key FILE --output FILE [options]\n"
      "    makes a PKCS#12 file for a mail program\n"
      "signet import-help PROGRAM\n"
      "    how such a file comes into a mail program\n"
      "signet COMMAND --help\n"
      "    all options of a command\n"
      "signet --version\n");
  return TRUE;
}

static const struct {
  const char *word;
  gboolean (*run)(char **arguments, GError **error);
} commands[] = {
    {"request", command_request},
    {"renew", command_renew},
    {"gateway", command_gateway},
    {"revoke", command_revoke},
    {"account", command_account},
    {"export", command_export},
    {"import-help", command_import_help},
    {"--version", command_version},
    {"--help", command_help},
    {"-h", command_help},
    {"help", command_help},
};

static gboolean run_command(char **arguments, GError **error) {
  const char *word = arguments[0] != NULL && arguments[1] != NULL ? arguments[1] : "";
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strcmp(commands[i].word, word) == 0)
      return commands[i].run(arguments + 1, error);
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE, "%s%s%s (signet --help)",
              *word != '\0' ? "there is no command \"" : "what to do?", word,
              *word != '\0' ? "\"" : "");
  return FALSE;
}

int main(int argc, char **argv) {
  (void)argc;
  setlocale(LC_ALL, "");
  signal(SIGPIPE, SIG_IGN);
  log_init("signet", LOG_WARNING, LOG_TEXT);
  json_object_seed(0);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  g_mime_init();
  g_autoptr(GError) error = NULL;
  if (!run_command(argv, &error))
    output_error(error);
  g_mime_shutdown();
  curl_global_cleanup();
  return client_exit_status(error);
}
