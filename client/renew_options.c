/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renew_options.h"

const OptionField renew_run_fields[] = {
    {"list", 'l', OPTION_FILE, 0, offsetof(RenewOptions, list),
     "Keep the certificates of this list in FOLDER: a file or a folder of such, one a line; needed "
     "by a gateway",
     "FILE"},
    {"keep-key", 0, OPTION_FLAG, 0, offsetof(RenewOptions, keep_key),
     "Take the key that is there for the new certificate too", NULL},
    {"most", 0, OPTION_TEXT, 0, offsetof(RenewOptions, most_text),
     "Renew no more than so many in a run (default: 20, or a twelfth of all)", "N"},
    {"parallel", 0, OPTION_TEXT, 0, offsetof(RenewOptions, parallel_text),
     "Renew so many at a time (default: 1, of a gateway 4)", "N"},
    {"dry-run", 'n', OPTION_FLAG, 0, offsetof(RenewOptions, dry_run),
     "Say what would be renewed and when, and change nothing", NULL},
    {"verbose", 'v', OPTION_FLAG, 0, offsetof(RenewOptions, verbose),
     "Say of each certificate when it is renewed, and how the renewal goes", NULL},
    {0},
};

static const OptionField renew_fields[] = {
    {"interval", 0, OPTION_TEXT, 0, offsetof(RenewOptions, interval_text),
     "Time between two runs: what is due before the next one is renewed now (default: not known)",
     "TIME"},
    {"force", 0, OPTION_FLAG, 0, offsetof(RenewOptions, force), "Renew whether it is time or not",
     NULL},
    {0},
};

/* Not request_file_fields: those are of one certificate. */
const OptionField *const renew_given_tables[] = {prove_server_fields, prove_fields, request_fields,
                                                 NULL};

gboolean renew_options_read_numbers(RenewOptions *o, GError **error) {
  guint64 most = 0, parallel = 1;
  if (o->most_text != NULL &&
      !g_ascii_string_to_unsigned(o->most_text, 10, 1, 1000000, &most, NULL))
    return prove_options_refuse(&o->request->prove, error, "--most is a number from 1");
  if (o->parallel_text != NULL &&
      !g_ascii_string_to_unsigned(o->parallel_text, 10, 1, RENEW_PARALLEL_MAX, &parallel, NULL))
    return prove_options_refuse(&o->request->prove, error, "--parallel is a number from 1 to %d",
                                RENEW_PARALLEL_MAX);
  o->interval = o->interval_text != NULL ? prove_options_duration(o->interval_text) : 0;
  if (o->interval < 0)
    return prove_options_refuse(&o->request->prove, error,
                                "--interval is a number with s, m or h, from 1s to 168h");
  o->most = (guint)most;
  o->parallel = (guint)parallel;
  return TRUE;
}

static gboolean read_rest(RenewOptions *o, GError **error) {
  if (o->rest == NULL || o->rest[1] != NULL)
    return prove_options_refuse(&o->request->prove, error,
                                "renew takes one folder of certificates");
  o->folder = o->rest[0];
  if (o->list != NULL && !prove_options_read_server(&o->request->prove, error))
    return FALSE;
  return renew_options_read_numbers(o, error);
}

RenewOptions *renew_options_new(const char *command) {
  RenewOptions *o = g_new0(RenewOptions, 1);
  o->request = g_new0(RequestOptions, 1);
  o->request->prove.command = command;
  return o;
}

void renew_options_add(GOptionContext *context, RenewOptions *o) {
  option_fields_add(context, renew_run_fields, o);
  for (const OptionField *const *table = renew_given_tables; *table != NULL; table++)
    option_fields_add(context, *table, o->request);
}

RenewOptions *renew_options_parse(char **arguments, GError **error) {
  g_autoptr(RenewOptions) o = renew_options_new("signet renew");
  g_autoptr(GOptionContext) context = g_option_context_new("FOLDER");
  g_option_context_set_summary(
      context, "Renews the certificates in FOLDER whose time has come, with what they were "
               "requested with\nand what is given here in its place. Says nothing when there is "
               "nothing to do.");
  g_option_context_set_description(
      context, "Example:\n  signet renew ~/smime --dry-run\n  signet renew ~/smime");
  option_fields_add(context, renew_fields, o);
  renew_options_add(context, o);
  return prove_options_parse(&o->request->prove, context, arguments, &o->rest, error) &&
                 read_rest(o, error)
             ? g_steal_pointer(&o)
             : NULL;
}

void renew_options_free(RenewOptions *o) {
  if (o == NULL)
    return;
  option_fields_clear(renew_run_fields, o);
  option_fields_clear(renew_fields, o);
  request_options_free(o->request);
  g_strfreev(o->rest);
  g_free(o);
}
