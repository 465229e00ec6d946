/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl renewal: certificates that clients are to renew at once. */
#include "daemon/ctl_ask.h"

#include <stdio.h>

/* NULL: neither, or both, are given, which has been printed. */
static json_t *renewal_arguments(char **serials, const char *before, const char *why) {
  json_t *arguments = json_object(), *list = json_array();
  if ((serials != NULL) == (before != NULL)) {
    ctl_misused("needs either serial numbers or --issued-before");
    json_decref(list);
    json_decref(arguments);
    return NULL;
  }
  for (; serials != NULL && *serials != NULL; serials++)
    json_array_append_new(list, json_string(*serials));
  json_object_set_new(arguments, "serials", list);
  if (before != NULL)
    json_object_set_new(arguments, "issued-before", json_string(before));
  if (why != NULL)
    json_object_set_new(arguments, "why", json_string(why));
  return arguments;
}

static void print_asked(const json_t *done) {
  const char *before = ctl_member(done, "issued-before");
  if (*before != '\0')
    printf("asked for the renewal of everything issued before %s\n", before);
  else
    printf("asked for the renewal of %" G_GSIZE_FORMAT " certificate(s)\n",
           json_array_size(json_object_get(done, "serials")));
}

int ctl_renewal_ask(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) serials = NULL;
  g_autofree char *before = NULL, *why = NULL;
  const GOptionEntry options[] = {
      {"issued-before", 'b', 0, G_OPTION_ARG_STRING, &before,
       "All that were issued before a time such as 2026-03-31T12:00:00Z", "TIME"},
      {"why", 'w', 0, G_OPTION_ARG_STRING, &why, "A page that tells people why", "URL"},
      CTL_SERVER_OPTIONS(server),
      CTL_WORDS(serials, "[SERIAL...]"),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("renewal ask", "Asks clients to renew certificates at once (RFC 9773).", options,
                   argc, argv))
    return CTL_USAGE;
  json_t *arguments = renewal_arguments(serials, before, why);
  if (arguments == NULL)
    return CTL_USAGE;
  json_t *done = ctl_ask(&server, "renewal ask", arguments);
  if (done == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(done);
  else
    print_asked(done);
  json_decref(done);
  return CTL_DONE;
}
