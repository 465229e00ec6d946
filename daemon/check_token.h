/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a key in a token could be opened. */
#ifndef SIGNET_DAEMON_CHECK_TOKEN_H
#define SIGNET_DAEMON_CHECK_TOKEN_H

#include "base/config.h"

/* Opens the key of a group ("ca"), which is in a token, in a process of its own that ends at once:
   neither the PIN nor the module's code comes into this one. FALSE: the error is as of ca_key_open,
   or CA_ERROR_TOKEN when no answer came. certificate: PEM. */
gboolean check_token(const Config *config, const char *group, GBytes *certificate, GError **error);

#endif
