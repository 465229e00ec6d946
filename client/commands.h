/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of signet. Each takes its own arguments ([0] is skipped); FALSE with an error whose
   code is the exit status. */
#ifndef SIGNET_CLIENT_COMMANDS_H
#define SIGNET_CLIENT_COMMANDS_H

#include <glib.h>

gboolean command_request(char **arguments, GError **error);
gboolean command_gateway(char **arguments, GError **error);
gboolean command_renew(char **arguments, GError **error);
gboolean command_revoke(char **arguments, GError **error);
gboolean command_account(char **arguments, GError **error);
gboolean command_export(char **arguments, GError **error);
gboolean command_import_help(char **arguments, GError **error);

#endif
