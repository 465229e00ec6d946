/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a running server, for the commands of signetctl that do. */
#ifndef SIGNET_DAEMON_CTL_ASK_H
#define SIGNET_DAEMON_CTL_ASK_H

#include "daemon/ctl.h"

#include <jansson.h>

/* Which server, and how its answer is printed: options of every such command. */
typedef struct {
  char *config, *socket;
  gboolean json;
} CtlServer;

void ctl_server_clear(CtlServer *server);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlServer, ctl_server_clear)

/* What every such command takes beside its own options. */
#define CTL_SERVER_OPTIONS(server)                                                                 \
  {"config",                                                                                       \
   'c',                                                                                            \
   0,                                                                                              \
   G_OPTION_ARG_FILENAME,                                                                          \
   &(server).config,                                                                               \
   "Configuration of the server (" CTL_DEFAULT_CONFIG ")",                                         \
   "FILE"},                                                                                        \
      {"socket",                                                                                   \
       's',                                                                                        \
       0,                                                                                          \
       G_OPTION_ARG_FILENAME,                                                                      \
       &(server).socket,                                                                           \
       "Control socket of the server, in place of a configuration",                                \
       "PATH"},                                                                                    \
  {                                                                                                \
    "json", 'j', 0, G_OPTION_ARG_NONE, &(server).json, "Print the answer as JSON", NULL            \
  }
#define CTL_DEFAULT_CONFIG "/etc/signet/signet.conf"

/* Asks one command; arguments is taken. The answer, an object, or NULL when it was refused or could
   not be asked, which has been printed. */
json_t *ctl_ask(const CtlServer *server, const char *command, json_t *arguments);
/* The same, with another time for the answer than usual; says what was wrong instead of printing
 * it.
 */
json_t *ctl_ask_within(const CtlServer *server, const char *command, json_t *arguments,
                       guint seconds, GError **error);
/* Asks a list command page by page. arguments (taken; NULL: none) are those of every page; next
   sets those that ask for what follows a row. The whole answer, with the rows of all pages in its
   member, or NULL as ctl_ask. */
json_t *ctl_ask_all(const CtlServer *server, const char *command, json_t *arguments,
                    const char *member, void (*next)(json_t *arguments, const json_t *row));
/* Prints a JSON document on standard output. */
void ctl_print_json(const json_t *document);
/* A text of an answer; "" when it has none. */
const char *ctl_member(const json_t *object, const char *name);
/* A list of an answer, separated by "; "; otherwise when it is empty. The caller frees it. */
char *ctl_list(const json_t *object, const char *name, const char *otherwise);

#endif
