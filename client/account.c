/* SPDX-License-Identifier: Apache-2.0 */
/* "signet account": what the account is, and its changes (RFC 8555 section 7.3.2 to 7.3.6). */
#include "base/log.h"
#include "client/account_session.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/private_key.h"

#include <string.h>

#define VALUE_MAX 300 /* octets of a text of the server's that are shown */

/* As given. */
typedef struct {
  ProveOptions prove;
  char *key_type;
  gboolean yes;
} AccountOptions;

static const OptionField no_fields[] = {{0}};

static const OptionField update_fields[] = {
    {"contact", 0, OPTION_TEXTS, 0, offsetof(ProveOptions, contacts),
     "Contact address, in place of those that the account has", "ADDRESS"},
    {"agree-tos", 0, OPTION_FLAG, 0, offsetof(ProveOptions, agree),
     "Agree to the server's terms of service of today", NULL},
    {0},
};

static const OptionField rollover_fields[] = {
    {"key-type", 0, OPTION_TEXT, 0, offsetof(AccountOptions, key_type),
     "Type of the new key: P-256, P-384 or RSA (default: P-256)", "TYPE"},
    {0},
};

static const OptionField deactivate_fields[] = {
    {"yes", 0, OPTION_FLAG, 0, offsetof(AccountOptions, yes),
     "Needed: an account that was deactivated never comes back", NULL},
    {0},
};

/* --- show ---------------------------------------------------------------------------------------
 */

static void show_text(const json_t *account, const char *name, const char *label) {
  const char *value = json_string_value(json_object_get(account, name));
  g_autofree char *shown = log_escape(value != NULL ? value : "", VALUE_MAX);
  if (value != NULL)
    output_text("%-12s %s\n", label, shown);
}

static void show_contacts(const json_t *account) {
  const json_t *list = json_object_get(account, "contact");
  for (gsize i = 0; i < json_array_size(list); i++) {
    const char *value = json_string_value(json_array_get(list, i));
    g_autofree char *shown = log_escape(value != NULL ? value : "", VALUE_MAX);
    output_text("%-12s %s\n", "contact", shown);
  }
}

static gboolean account_show(AccountSession *session, const AccountOptions *o, GError **error) {
  (void)o;
  g_autoptr(AcmeAnswer) answer = acme_client_post_account(session->acme, NULL, error);
  if (answer == NULL)
    return FALSE;
  g_autofree char *url = log_escape(acme_client_account(session->acme), VALUE_MAX);
  output_text("%-12s %s\n", "account", url);
  show_text(answer->json, "status", "status");
  show_contacts(answer->json);
  show_text(answer->json, "orders", "orders");
  if (json_is_true(json_object_get(answer->json, "termsOfServiceAgreed")))
    output_text("%-12s %s\n", "terms", "agreed to");
  if (json_object_get(answer->json, "externalAccountBinding") != NULL)
    output_text("%-12s %s\n", "external", "bound to an external account");
  g_autofree char *type = private_key_type(session->key->key);
  output_text("%-12s %s\n%-12s %s (%s)\n", "thumbprint", session->key->thumbprint, "key",
              session->path, type);
  return TRUE;
}

/* --- update -------------------------------------------------------------------------------------
 */

static gboolean account_update(AccountSession *session, const AccountOptions *o, GError **error) {
  const AcmeRegistration agreement = {.agree = TRUE};
  if (o->prove.agree && !acme_client_register(session->acme, &agreement, error))
    return FALSE;
  if (o->prove.contacts == NULL)
    return TRUE;
  g_autoptr(json_t) payload =
      json_pack("{s:o}", "contact", acme_client_contacts((const char *const *)o->prove.contacts));
  g_autoptr(AcmeAnswer) answer = acme_client_post_account(session->acme, payload, error);
  if (answer != NULL)
    output_step("updated", "the account's contacts");
  return answer != NULL;
}

/* --- rollover, deactivate -----------------------------------------------------------------------
 */

static gboolean account_rollover(AccountSession *session, const AccountOptions *o, GError **error) {
  return account_session_roll_over(session, o->key_type, error);
}

/* The key serves for nothing any more; out of the way, the next request makes another account. */
static gboolean account_deactivate(AccountSession *session, const AccountOptions *o,
                                   GError **error) {
  (void)o;
  g_autoptr(json_t) payload = json_pack("{s:s}", "status", "deactivated");
  g_autoptr(AcmeAnswer) answer = acme_client_post_account(session->acme, payload, error);
  g_autofree char *path = g_strconcat(session->path, ".deactivated", NULL);
  if (answer == NULL || !local_file_rename(session->path, path, error))
    return FALSE;
  output_step("deactivated", "the account; its key is kept as %s", path);
  return TRUE;
}

/* --- the command line ---------------------------------------------------------------------------
 */

static const char *refuse_update(const AccountOptions *o) {
  return o->prove.contacts == NULL && !o->prove.agree ? "--contact or --agree-tos is needed" : NULL;
}

static const char *refuse_rollover(const AccountOptions *o) {
  return o->key_type != NULL && !private_key_type_known(o->key_type)
             ? "--key-type is one of " PRIVATE_KEY_TYPES
             : NULL;
}

static const char *refuse_deactivate(const AccountOptions *o) {
  return o->yes ? NULL
                : "a deactivated account never comes back, and only its certificates' keys can "
                  "revoke them then; say --yes";
}

/* refuse: why the options cannot be carried out (static text), or NULL; itself NULL: they can. */
static const struct {
  const char *word, *command, *summary, *example;
  const OptionField *fields;
  const char *(*refuse)(const AccountOptions *o);
  gboolean (*run)(AccountSession *session, const AccountOptions *o, GError **error);
} actions[] = {
    {"show", "signet account show", "Shows the account of this key.",
     "Example:\n  signet account show --directory https://ca.example.org/acme/directory", no_fields,
     NULL, account_show},
    {"update", "signet account update", "Changes the account's contacts, or agrees to new terms.",
     "Example:\n  signet account update --directory https://ca.example.org/acme/directory "
     "--contact ann@example.org",
     update_fields, refuse_update, account_update},
    {"rollover", "signet account rollover",
     "Gives the account a new key, which takes the place of the old one in its file.",
     "Example:\n  signet account rollover --directory https://ca.example.org/acme/directory",
     rollover_fields, refuse_rollover, account_rollover},
    {"deactivate", "signet account deactivate", "Ends the account, for ever.",
     "Example:\n  signet account deactivate --directory https://ca.example.org/acme/directory "
     "--yes",
     deactivate_fields, refuse_deactivate, account_deactivate},
};

static gboolean parse(AccountOptions *o, gsize action, char **arguments, GError **error) {
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  o->prove.command = actions[action].command;
  g_set_prgname(o->prove.command);
  g_option_context_set_summary(context, actions[action].summary);
  g_option_context_set_description(context, actions[action].example);
  option_fields_add(context, actions[action].fields, o);
  option_fields_add(context, prove_server_fields, o);
  g_autoptr(GError) reason = NULL;
  g_auto(GStrv) copy = g_strdupv(arguments);
  if (!g_option_context_parse_strv(context, &copy, &reason))
    return prove_options_refuse(&o->prove, error, "%s", reason->message);
  if (copy[0] != NULL && copy[1] != NULL)
    return prove_options_refuse(&o->prove, error, "\"%s\" is no option", copy[1]);
  if (!prove_options_read_server(&o->prove, error))
    return FALSE;
  const char *fault = actions[action].refuse != NULL ? actions[action].refuse(o) : NULL;
  return fault == NULL || prove_options_refuse(&o->prove, error, "%s", fault);
}

static gboolean run(gsize action, char **arguments, GError **error) {
  AccountOptions o = {0};
  AccountSession *session = NULL;
  if (parse(&o, action, arguments, error)) {
    output_set_quiet(o.prove.quiet);
    gint64 deadline = g_get_monotonic_time() + o.prove.timeout * G_USEC_PER_SEC;
    session = account_session_open(&o.prove, deadline, error);
  }
  gboolean done = session != NULL && actions[action].run(session, &o, error);
  account_session_free(session);
  option_fields_clear(actions[action].fields, &o);
  option_fields_clear(prove_server_fields, &o);
  return done;
}

gboolean command_account(char **arguments, GError **error) {
  const char *word = arguments[1] != NULL ? arguments[1] : "";
  for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
    if (strcmp(actions[i].word, word) == 0)
      return run(i, arguments + 1, error);
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
      output_text("%s\n    %s\n", actions[i].command, actions[i].summary);
    return TRUE;
  }
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE,
              "account takes show, update, rollover or deactivate (signet account --help)");
  return FALSE;
}
