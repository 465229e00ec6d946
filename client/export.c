/* SPDX-License-Identifier: Apache-2.0 */
/* "signet export": a PKCS#12 file of a certificate that is there, and "signet import-help": what is
   done with it. */
#include "client/certificate_chain.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/import_help.h"
#include "client/local_file.h"
#include "client/option_field.h"
#include "client/output.h"
#include "client/pkcs12.h"
#include "client/private_key.h"
#include "client/prove_options.h"

#include <string.h>

/* As given. */
typedef struct {
  ProveOptions prove; /* for its command alone */
  char *key, *output, *password_file, *p12_text, *program;
  char **rest;
} ExportOptions;

static const OptionField export_fields[] = {
    {"key", 0, OPTION_FILE, 0, offsetof(ExportOptions, key), "Key of the certificate", "FILE"},
    {"output", 'o', OPTION_FILE, 0, offsetof(ExportOptions, output), "The PKCS#12 file to write",
     "FILE"},
    {"p12-password-file", 0, OPTION_FILE, 0, offsetof(ExportOptions, password_file), "Its password",
     "FILE"},
    {"p12", 0, OPTION_TEXT, 0, offsetof(ExportOptions, p12_text),
     "For modern or for legacy programs (default: modern)", "FORM"},
    {"for", 0, OPTION_TEXT, 0, offsetof(ExportOptions, program),
     "Print how to import it into " IMPORT_HELP_PROGRAMS, "PROGRAM"},
    {0},
};

static const char *find_fault(const ExportOptions *o) {
  if (o->rest == NULL || o->rest[1] != NULL)
    return "export takes one certificate file";
  if (o->key == NULL || o->output == NULL || o->password_file == NULL)
    return "--key, --output and --p12-password-file are needed";
  if (prove_options_choose(o->p12_text, pkcs12_forms, PKCS12_MODERN) < 0)
    return "--p12 is modern or legacy";
  if (o->program != NULL && !import_help_known(o->program))
    return "--for is one of " IMPORT_HELP_PROGRAMS;
  return NULL;
}

static gboolean parse(ExportOptions *o, char **arguments, GError **error) {
  g_autoptr(GOptionContext) context = g_option_context_new("CERTFILE");
  o->prove.command = "signet export";
  g_option_context_set_summary(context, "Makes a PKCS#12 file of a certificate chain and its key.");
  g_option_context_set_description(
      context, "Example:\n  signet export ann.pem --key ann.key --output ann.p12 "
               "--p12-password-file ann.p12.password");
  option_fields_add(context, export_fields, o);
  if (!prove_options_parse(&o->prove, context, arguments, &o->rest, error))
    return FALSE;
  const char *fault = find_fault(o);
  return fault == NULL || prove_options_refuse(&o->prove, error, "%s", fault);
}

static char *shown_name(const CertificateStack *chain, const char *path) {
  g_auto(GStrv) addresses = certificate_chain_addresses(chain, NULL);
  return addresses != NULL ? g_strdup(addresses[0]) : g_path_get_basename(path);
}

static gboolean run(const ExportOptions *o, GError **error) {
  g_autoptr(GBytes) pem = local_file_read(o->rest[0], error);
  g_autoptr(CertificateStack) chain =
      pem != NULL
          ? certificate_chain_read(g_bytes_get_data(pem, NULL), g_bytes_get_size(pem), error)
          : NULL;
  g_autoptr(EVP_PKEY) key = chain != NULL ? private_key_load(o->key, error) : NULL;
  g_autofree char *password = key != NULL ? local_file_read_secret(o->password_file, error) : NULL;
  if (password == NULL)
    return FALSE;
  if (!certificate_chain_is_for(chain, key)) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s is not the key of the certificate", o->key);
    return FALSE;
  }
  int form = prove_options_choose(o->p12_text, pkcs12_forms, PKCS12_MODERN);
  g_autofree char *name = shown_name(chain, o->rest[0]);
  g_autoptr(GBytes) pack = pkcs12_pack(key, chain, name, password, (Pkcs12Form)form, error);
  if (pack == NULL || !local_file_write(o->output, pack, 0600, LOCAL_FILE_REPLACE, error))
    return FALSE;
  if (o->program != NULL)
    import_help_print(o->program, o->output, o->password_file);
  return TRUE;
}

gboolean command_export(char **arguments, GError **error) {
  ExportOptions o = {0};
  gboolean done = parse(&o, arguments, error) && run(&o, error);
  option_fields_clear(export_fields, &o);
  g_strfreev(o.rest);
  return done;
}

gboolean command_import_help(char **arguments, GError **error) {
  const char *word = arguments[1] != NULL ? arguments[1] : "";
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
    output_text("Usage:\n  signet import-help PROGRAM\n\n"
                "Says how a PKCS#12 file comes into a mail program.\n\n"
                "PROGRAM: " IMPORT_HELP_PROGRAMS "\n\n"
                "Example:\n  signet import-help thunderbird\n");
    return TRUE;
  }
  if (import_help_known(word)) {
    import_help_print(word, NULL, NULL);
    return TRUE;
  }
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE,
              "import-help takes one of " IMPORT_HELP_PROGRAMS " (signet import-help --help)");
  return FALSE;
}
