/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request_options.h"

#include "base/mailbox.h"
#include "client/import_help.h"
#include "client/private_key.h"

const OptionField request_file_fields[] = {
    {"out", 'o', OPTION_FILE, OPTION_ONCE, offsetof(RequestOptions, out),
     "Folder for key and certificate (default: .)", "FOLDER"},
    {"name", 0, OPTION_TEXT, OPTION_ONCE, offsetof(RequestOptions, name_text),
     "Name of the files without ending (default: the local part of the first address)", "NAME"},
    {"key", 0, OPTION_FILE, 0, offsetof(RequestOptions, key),
     "Certificate key, made when missing (default: FOLDER/NAME.key)", "FILE"},
    {"for", 0, OPTION_TEXT, OPTION_ONCE, offsetof(RequestOptions, program),
     "Print how to import the certificate into " IMPORT_HELP_PROGRAMS, "PROGRAM"},
    {0},
};

const OptionField request_fields[] = {
    {"key-type", 0, OPTION_TEXT, 0, offsetof(RequestOptions, key_type),
     PRIVATE_KEY_TYPES " (default: P-256)", "TYPE"},
    {"usage", 0, OPTION_TEXT, 0, offsetof(RequestOptions, usage_text),
     "both, sign or encrypt (default: both)", "USAGE"},
    {"p12-password-file", 0, OPTION_FILE, 0, offsetof(RequestOptions, password_file),
     "Password of the PKCS#12 file (default: a random one)", "FILE"},
    {"p12", 0, OPTION_TEXT, 0, offsetof(RequestOptions, p12_text),
     "PKCS#12 file for modern or for legacy programs (default: modern)", "FORM"},
    {"hook", 0, OPTION_TEXT, 0, offsetof(RequestOptions, hook),
     "Run this once the files are there, now and after each renewal", "COMMAND"},
    {0},
};

const OptionField *const request_tables[] = {prove_server_fields, prove_fields, request_fields,
                                             request_file_fields, NULL};

static gboolean read_choices(RequestOptions *o, GError **error) {
  static const char *const usages[] = {"both", "sign", "encrypt", NULL};
  int usage = prove_options_choose(o->usage_text, usages, CERTIFICATE_USAGE_BOTH);
  int p12 = prove_options_choose(o->p12_text, pkcs12_forms, PKCS12_MODERN);
  if (usage < 0)
    return prove_options_refuse(&o->prove, error, "--usage is both, sign or encrypt");
  if (p12 < 0)
    return prove_options_refuse(&o->prove, error, "--p12 is modern or legacy");
  if (o->key_type != NULL && !private_key_type_known(o->key_type))
    return prove_options_refuse(&o->prove, error, "--key-type is one of " PRIVATE_KEY_TYPES);
  if (o->program != NULL && !import_help_known(o->program))
    return prove_options_refuse(&o->prove, error, "--for is one of " IMPORT_HELP_PROGRAMS);
  o->usage = (CertificateUsage)usage;
  o->p12 = (Pkcs12Form)p12;
  return TRUE;
}

static gboolean read_addresses(RequestOptions *o, GError **error) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
  for (char **text = o->rest; text != NULL && *text != NULL; text++) {
    g_autoptr(GError) reason = NULL;
    g_autoptr(Mailbox) mailbox = mailbox_parse(*text, &reason);
    if (mailbox == NULL)
      return prove_options_refuse(&o->prove, error, "%s is no mail address: %s", *text,
                                  reason->message);
    if (!g_hash_table_add(known, g_strdup(mailbox->canonical)))
      return prove_options_refuse(&o->prove, error, "%s is given twice", *text);
    g_ptr_array_add(list, g_strdup(mailbox->address));
  }
  if (list->len == 0)
    return prove_options_refuse(&o->prove, error, "for which mail address?");
  if (!prove_options_fit(&o->prove, list->len, error))
    return FALSE;
  g_ptr_array_add(list, NULL);
  o->addresses = (char **)g_ptr_array_steal(list, NULL);
  return TRUE;
}

static gboolean read_name(RequestOptions *o, GError **error) {
  if (o->name_text != NULL && !certificate_files_name_fits(o->name_text))
    return prove_options_refuse(&o->prove, error,
                                "--name is a file name without \"/\" and no dot in front");
  o->name = o->name_text != NULL ? g_strdup(o->name_text) : certificate_files_name(o->addresses[0]);
  return TRUE;
}

gboolean request_options_read(RequestOptions *o, GError **error) {
  return prove_options_read(&o->prove, error) && read_choices(o, error) &&
         read_addresses(o, error) && read_name(o, error);
}

RequestOptions *request_options_for(const RequestOptions *given, const char *folder,
                                    const char *name, const char *const *addresses,
                                    GError **error) {
  g_autoptr(RequestOptions) o = g_new0(RequestOptions, 1);
  o->prove.command = given->prove.command;
  for (const OptionField *const *table = request_tables; *table != NULL; table++)
    option_fields_overlay(*table, o, given);
  g_free(o->out);
  o->out = g_strdup(folder);
  g_free(o->name_text);
  o->name_text = g_strdup(name);
  o->rest = g_strdupv((char **)addresses);
  return request_options_read(o, error) ? g_steal_pointer(&o) : NULL;
}

RequestOptions *request_options_parse(char **arguments, GError **error) {
  g_autoptr(RequestOptions) o = g_new0(RequestOptions, 1);
  g_autoptr(GOptionContext) context = g_option_context_new("ADDRESS [ADDRESS...]");
  o->prove.command = "signet request";
  g_option_context_set_summary(
      context, "Gets an S/MIME certificate for mail addresses from an ACME server.");
  g_option_context_set_description(
      context, "Example:\n  signet request ann@example.org --directory "
               "https://ca.example.org/acme/directory --agree-tos --out ~/smime");
  for (const OptionField *const *table = request_tables; *table != NULL; table++)
    option_fields_add(context, *table, o);
  return prove_options_parse(&o->prove, context, arguments, &o->rest, error) &&
                 request_options_read(o, error)
             ? g_steal_pointer(&o)
             : NULL;
}

const char *request_options_folder(const RequestOptions *o) {
  return o->out != NULL ? o->out : ".";
}

CertificateFiles request_options_files(const RequestOptions *o) {
  return (CertificateFiles){
      .folder = request_options_folder(o),
      .name = o->name,
      .key = o->key,
      .password_file = o->password_file,
      .p12 = o->p12,
  };
}

void request_options_free(RequestOptions *o) {
  if (o == NULL)
    return;
  for (const OptionField *const *table = request_tables; *table != NULL; table++)
    option_fields_clear(*table, o);
  g_strfreev(o->rest);
  g_strfreev(o->addresses);
  g_free(o->name);
  g_free(o);
}
