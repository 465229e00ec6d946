/* SPDX-License-Identifier: Apache-2.0 */
#include "client/failure.h"

#include <openssl/err.h>

G_DEFINE_QUARK(signet - client - error, client_error)

int client_exit_status(const GError *error) {
  if (error == NULL)
    return 0;
  return error->domain == CLIENT_ERROR ? error->code : CLIENT_LOCAL;
}

const char *client_openssl_reason(void) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != NULL ? reason : "no reason given";
}
