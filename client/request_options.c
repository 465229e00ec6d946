/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request_options.h"

#include "base/mailbox.h"
#include "client/private_key.h"

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
      /* Octets as they came: STRING would pass them through the locale. */
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->rest, NULL, NULL},
      {0},
  };
  g_option_context_add_main_entries(context, entries, NULL);
}

static gboolean read_choices(RequestOptions *o, GError **error) {
  static const char *const usages[] = {"both", "sign", "encrypt", NULL};
  int usage = prove_options_choose(o->usage_text, usages, CERTIFICATE_USAGE_BOTH);
  if (usage < 0)
    return prove_options_refuse(&o->prove, error, "--usage is both, sign or encrypt");
  if (o->key_type != NULL && !private_key_type_known(o->key_type))
    return prove_options_refuse(&o->prove, error, "--key-type is one of " PRIVATE_KEY_TYPES);
  o->usage = (CertificateUsage)usage;
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

RequestOptions *request_options_parse(char **arguments, GError **error) {
  g_autoptr(RequestOptions) o = g_new0(RequestOptions, 1);
  g_autoptr(GOptionContext) context = g_option_context_new("ADDRESS [ADDRESS...]");
  o->prove.command = "signet request";
  g_set_prgname(o->prove.command);
  g_option_context_set_summary(
      context, "Gets an S/MIME certificate for mail addresses from an ACME server.");
  prove_options_add(context, &o->prove);
  add_key_options(context, o);
  g_autoptr(GError) reason = NULL;
  g_auto(GStrv) copy = g_strdupv(arguments);
  gboolean good = g_option_context_parse_strv(context, &copy, &reason)
                      ? prove_options_read(&o->prove, error) && read_choices(o, error) &&
                            read_addresses(o, error)
                      : prove_options_refuse(&o->prove, error, "%s", reason->message);
  return good ? g_steal_pointer(&o) : NULL;
}

void request_options_free(RequestOptions *o) {
  if (o == NULL)
    return;
  char *const texts[] = {o->out, o->key, o->key_type, o->usage_text, o->password_file};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  prove_options_clear(&o->prove);
  g_strfreev(o->rest);
  g_strfreev(o->addresses);
  g_free(o);
}
