/* SPDX-License-Identifier: Apache-2.0 */
#include "client/gateway_options.h"

#include "client/listen_socket.h"

#include <event2/util.h>

static const OptionField own_fields[] = {
    {"behind", 0, OPTION_TEXT, 0, offsetof(GatewayOptions, behind),
     "The mail server's port for what is passed on, needed", "ADDRESS:PORT"},
    {"every", 0, OPTION_TEXT, 0, offsetof(GatewayOptions, every_text),
     "Look whose time has come so often (default: 15m)", "TIME"},
    {"once", 0, OPTION_FLAG, 0, offsetof(GatewayOptions, once), "End when that was done once",
     NULL},
    {0},
};

/* Anybody who reaches it could hand mail to the port behind, past all that is asked in front. */
static gboolean is_near(const char *where) {
  return g_str_has_prefix(where, LISTEN_SOCKET_UNIX) || mail_server_is_local(where);
}

static gboolean read_places(GatewayOptions *o, GError **error) {
  ProveOptions *prove = &o->renew->request->prove;
  if (o->listen == NULL || !is_near(o->listen))
    return prove_options_refuse(
        prove, error,
        "--listen with a port of this machine (127.0.0.1:10027) or unix:PATH is needed");
  o->behind_length = sizeof o->behind_address;
  if (o->behind == NULL ||
      evutil_parse_sockaddr_port(o->behind, (struct sockaddr *)&o->behind_address,
                                 &o->behind_length) != 0 ||
      strrchr(o->behind, ':') == NULL)
    return prove_options_refuse(prove, error,
                                "--behind with a numeric address and port (127.0.0.1:10026) is "
                                "needed, where the mail server takes what is passed on");
  return g_strcmp0(o->listen, o->behind) != 0 ||
         prove_options_refuse(prove, error, "--listen and --behind are two ports");
}

/* Forged challenges are worth nothing, but each of them would end an order. */
static gboolean check_trust(const GatewayOptions *o, GError **error) {
  const ProveOptions *prove = &o->renew->request->prove;
  return prove->authserv_id != NULL || prove->challenge_ca != NULL ||
         prove_options_refuse(prove, error,
                              "--authserv-id is needed, the name in the Authentication-Results of "
                              "the mail server, or --challenge-ca");
}

/* The way of mail is this gateway; the place where it listens is no option of a certificate. */
static gboolean read_way(GatewayOptions *o, GError **error) {
  ProveOptions *prove = &o->renew->request->prove;
  if (prove->mail_text != NULL || prove->gateway != NULL)
    return prove_options_refuse(prove, error, "mail comes through the gateway: no --mail here");
  o->socket = g_build_filename(o->folder, GATEWAY_SOCKET, NULL);
  o->listen = g_steal_pointer(&prove->listen);
  prove->mail_text = g_strdup("gateway");
  prove->gateway = g_strdup(o->socket);
  return prove_options_read(prove, error);
}

static gboolean read_rest(GatewayOptions *o, GError **error) {
  ProveOptions *prove = &o->renew->request->prove;
  if (o->renew->rest == NULL || o->renew->rest[1] != NULL)
    return prove_options_refuse(prove, error, "gateway takes one folder for its certificates");
  o->folder = o->renew->rest[0];
  o->every = prove_options_duration(o->every_text != NULL ? o->every_text : "15m");
  if (o->every < 0)
    return prove_options_refuse(prove, error,
                                "--every is a number with s, m or h, from 1s to 168h");
  if (o->renew->list == NULL)
    return prove_options_refuse(prove, error, "--list with the mailboxes is needed");
  if (!renew_options_read_numbers(o->renew, error))
    return FALSE;
  return read_way(o, error) && read_places(o, error) && check_trust(o, error);
}

GatewayOptions *gateway_options_parse(char **arguments, GError **error) {
  g_autoptr(GatewayOptions) o = g_new0(GatewayOptions, 1);
  g_autoptr(GOptionContext) context = g_option_context_new("FOLDER");
  o->renew = renew_options_new("signet gateway");
  g_option_context_set_summary(
      context, "Takes the challenge mails of a domain from its mail server, answers those that it "
               "awaits, passes\non all else as it is, and keeps a list of mailboxes supplied with "
               "certificates in FOLDER.\n\"signet gateway status FOLDER\" says how they are.");
  g_option_context_set_description(context, "Example:\n  signet gateway /var/lib/signet-gateway "
                                            "--list /etc/signet-gateway/list --directory "
                                            "https://ca.example.org/acme/directory --listen "
                                            "127.0.0.1:10027 --behind 127.0.0.1:10026 --smtp "
                                            "127.0.0.1:25 --authserv-id mail.example.com");
  option_fields_add(context, own_fields, o);
  renew_options_add(context, o->renew);
  return prove_options_parse(&o->renew->request->prove, context, arguments, &o->renew->rest,
                             error) &&
                 read_rest(o, error)
             ? g_steal_pointer(&o)
             : NULL;
}

char **gateway_options_renewal(const GatewayOptions *o) {
  g_autoptr(GPtrArray) words = g_ptr_array_new();
  g_ptr_array_add(words, g_strdup("renew"));
  option_fields_words(renew_run_fields, o->renew, words);
  g_ptr_array_add(words, g_strdup_printf("--interval=%" G_GINT64_FORMAT "s", o->every));
  if (o->renew->parallel_text == NULL)
    g_ptr_array_add(words, g_strdup("--parallel=4"));
  for (const OptionField *const *table = renew_given_tables; *table != NULL; table++)
    option_fields_words(*table, o->renew->request, words);
  g_ptr_array_add(words, g_strdup("--"));
  g_ptr_array_add(words, g_strdup(o->folder));
  g_ptr_array_add(words, NULL);
  return (char **)g_ptr_array_steal(words, NULL);
}

void gateway_options_free(GatewayOptions *o) {
  if (o == NULL)
    return;
  option_fields_clear(own_fields, o);
  renew_options_free(o->renew);
  g_free(o->listen);
  g_free(o->socket);
  g_free(o);
}
