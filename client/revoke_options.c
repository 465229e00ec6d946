/* SPDX-License-Identifier: Apache-2.0 */
#include "client/revoke_options.h"

void revoke_options_free(RevokeOptions *o) {
  if (o == NULL)
    return;
  prove_options_clear(&o->prove);
  g_free(o->key);
  g_strfreev(o->rest);
  g_free(o);
}

static const char *find_fault(const RevokeOptions *o) {
  if (o->rest == NULL || o->rest[1] != NULL)
    return "revoke takes one certificate file";
  if (o->key != NULL && o->prove.account_key != NULL)
    return "--account-key or --key, not both";
  if (o->key != NULL && o->by_proof)
    return "--prove or --key, not both";
  /* RFC 5280 section 5.3.1: 7 is not used. */
  if (o->reason != REVOKE_NO_REASON && (o->reason < 0 || o->reason > 10 || o->reason == 7))
    return "--reason is a code of RFC 5280: 0 to 6, 8 to 10";
  return NULL;
}

static gboolean check(RevokeOptions *o, GError **error) {
  const char *fault = find_fault(o);
  g_autofree char *needless = prove_options_proving(&o->prove);
  if (fault != NULL)
    return prove_options_refuse(&o->prove, error, "%s", fault);
  if (!o->by_proof && needless != NULL)
    return prove_options_refuse(&o->prove, error, "%s goes with --prove", needless);
  return prove_options_read(&o->prove, error);
}

static void add_revoke_options(GOptionContext *context, RevokeOptions *o) {
  const GOptionEntry entries[] = {
      {"key", 0, 0, G_OPTION_ARG_FILENAME, &o->key, "The certificate's key, in place of an account",
       "FILE"},
      {"prove", 0, 0, G_OPTION_ARG_NONE, &o->by_proof,
       "Prove the mailboxes of the certificate, with any account", NULL},
      {"reason", 0, 0, G_OPTION_ARG_INT, &o->reason,
       "Reason code: 1 key compromise, 4 superseded ...", "N"},
      {0},
  };
  g_option_context_add_main_entries(context, entries, NULL);
}

RevokeOptions *revoke_options_parse(char **arguments, GError **error) {
  g_autoptr(RevokeOptions) o = g_new0(RevokeOptions, 1);
  g_autoptr(GOptionContext) context = g_option_context_new("CERTFILE");
  o->prove.command = "signet revoke";
  o->reason = REVOKE_NO_REASON;
  g_option_context_set_summary(
      context, "Revokes the first certificate in CERTFILE: by the account that ordered it, by its "
               "key (--key),\nor by proving its mailboxes (--prove, and the options of mail).");
  g_option_context_set_description(
      context,
      "Example:\n  signet revoke ann.pem --directory https://ca.example.org/acme/directory "
      "--key ann.key --reason 1");
  add_revoke_options(context, o);
  prove_options_add(context, &o->prove);
  return prove_options_parse(&o->prove, context, arguments, &o->rest, error) && check(o, error)
             ? g_steal_pointer(&o)
             : NULL;
}
