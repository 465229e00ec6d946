/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl metrics: the numbers of a running server, as Prometheus reads them. */
#include "daemon/ctl_ask.h"

#include <stdio.h>

int ctl_metrics(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), G_OPTION_ENTRY_NULL};
  if (!ctl_options("metrics",
                   "Prints what the server counts and measures, in the text format of Prometheus.",
                   options, argc, argv))
    return CTL_USAGE;
  json_t *answer = ctl_ask(&server, "metrics", json_object());
  if (answer == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(answer);
  else
    fputs(ctl_member(answer, "text"), stdout);
  json_decref(answer);
  return CTL_DONE;
}
