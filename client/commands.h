/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of signet. Each takes its own arguments ([0] is skipped); FALSE with an error whose
   code is the exit status. */
#ifndef SIGNET_CLIENT_COMMANDS_H
#define SIGNET_CLIENT_COMMANDS_H

#include <glib.h>

gboolean command_request(char **arguments, GError **error);
gboolean command_revoke(char **arguments, GError **error);

/* FILE, or when it is NULL the one for the server of this directory (an https URL): a key serves
   one account (RFC 8555 section 11.1). The caller frees it. */
char *command_account_path(const char *file, const char *directory);

#endif
