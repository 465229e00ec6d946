/* SPDX-License-Identifier: Apache-2.0 */
/* "signet gateway status": who has a certificate until when, and who does not, and why. */
#ifndef SIGNET_CLIENT_GATEWAY_STATUS_H
#define SIGNET_CLIENT_GATEWAY_STATUS_H

#include <glib.h>

/* arguments[0] is skipped. CLIENT_USAGE; CLIENT_LOCAL when somebody has none, or the gateway does
   not run. */
gboolean gateway_status(char **arguments, GError **error);

#endif
