/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl issuance: the stop switch. */
#include "daemon/ctl_ask.h"

#include <stdio.h>

/* Takes done. */
static int print_done(const CtlServer *server, json_t *done, const char *text) {
  if (done == NULL)
    return CTL_FAILED;
  if (server->json)
    ctl_print_json(done);
  else
    printf("%s\n", text);
  json_decref(done);
  return CTL_DONE;
}

int ctl_issuance_stop(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) words = NULL;
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), CTL_WORDS(words, "REASON"),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("issuance stop",
                   "Stops issuance until \"issuance start\", over restarts too. Clients are told "
                   "REASON. Revocation and revocation lists go on.",
                   options, argc, argv) ||
      !ctl_count_words(words, 1, "REASON"))
    return CTL_USAGE;
  return print_done(&server,
                    ctl_ask(&server, "issuance stop", json_pack("{s:s}", "reason", words[0])),
                    "issuance is stopped");
}

int ctl_issuance_start(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), G_OPTION_ENTRY_NULL};
  if (!ctl_options("issuance start", "Lets issuance go on after \"issuance stop\".", options, argc,
                   argv))
    return CTL_USAGE;
  return print_done(&server, ctl_ask(&server, "issuance start", json_object()), "issuance goes on");
}

int ctl_issuance_show(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), G_OPTION_ENTRY_NULL};
  if (!ctl_options("issuance show", "Says whether certificates are signed, and if not, why.",
                   options, argc, argv))
    return CTL_USAGE;
  json_t *answer = ctl_ask(&server, "issuance show", json_object());
  if (answer == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(answer);
  else if (!json_is_true(json_object_get(answer, "held")))
    printf("issuance goes on\n");
  else
    printf("nothing is signed: %s\n", ctl_member(answer, "why"));
  if (!server.json && json_object_get(answer, "stopped") != NULL)
    printf("stopped %s by uid %s\n", ctl_member(answer, "stopped"), ctl_member(answer, "uid"));
  json_decref(answer);
  return CTL_DONE;
}
