/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl limit: other limits for one subject. */
#include "daemon/ctl_ask.h"

#include <stdio.h>

/* Takes done. */
static int print_limit(const CtlServer *server, json_t *done, const char *what) {
  if (done == NULL)
    return CTL_FAILED;
  if (server->json)
    ctl_print_json(done);
  else
    printf("%s %s %s%s%s\n", what, ctl_member(done, "name"), ctl_member(done, "subject"),
           json_object_get(done, "rate") != NULL ? " " : "", ctl_member(done, "rate"));
  json_decref(done);
  return CTL_DONE;
}

int ctl_limit_set(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) words = NULL;
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server),
                                  CTL_WORDS(words, "NAME SUBJECT N/PERIOD|off"),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("limit set",
                   "Sets another limit for one subject than [limits] has for everyone.", options,
                   argc, argv) ||
      !ctl_count_words(words, 3, "NAME SUBJECT N/PERIOD|off"))
    return CTL_USAGE;
  json_t *arguments =
      json_pack("{s:s, s:s, s:s}", "name", words[0], "subject", words[1], "rate", words[2]);
  return print_limit(&server, ctl_ask(&server, "limit set", arguments), "set");
}

int ctl_limit_clear(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) words = NULL;
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), CTL_WORDS(words, "NAME SUBJECT"),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("limit clear", "Removes the limit of one subject: that of [limits] holds again.",
                   options, argc, argv) ||
      !ctl_count_words(words, 2, "NAME SUBJECT"))
    return CTL_USAGE;
  json_t *arguments = json_pack("{s:s, s:s}", "name", words[0], "subject", words[1]);
  return print_limit(&server, ctl_ask(&server, "limit clear", arguments), "cleared");
}

static void after(json_t *arguments, const json_t *row) {
  json_object_set(arguments, "after-name", json_object_get(row, "name"));
  json_object_set(arguments, "after-subject", json_object_get(row, "subject"));
}

int ctl_limit_list(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), G_OPTION_ENTRY_NULL};
  json_t *limit = NULL;
  size_t i = 0;
  if (!ctl_options("limit list", "Lists the limits that are set for single subjects.", options,
                   argc, argv))
    return CTL_USAGE;
  json_t *all = ctl_ask_all(&server, "limit list", NULL, "limits", after);
  if (all == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(all);
  else
    json_array_foreach(json_object_get(all, "limits"), i, limit)
        printf("%s %s %s\n", ctl_member(limit, "name"), ctl_member(limit, "subject"),
               ctl_member(limit, "rate"));
  json_decref(all);
  return CTL_DONE;
}
