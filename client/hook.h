/* SPDX-License-Identifier: Apache-2.0 */
/* The command that is run once a certificate's files are in place. */
#ifndef SIGNET_CLIENT_HOOK_H
#define SIGNET_CLIENT_HOOK_H

#include "client/certificate_files.h"

#define HOOK_SECONDS 600 /* that it is given */

/* Runs command by /bin/sh, its standard output to standard error, its environment that of signet
   and SIGNET_NAME, SIGNET_ADDRESSES (one a line), SIGNET_CERTIFICATE, SIGNET_KEY, SIGNET_P12,
   SIGNET_P12_PASSWORD_FILE (whole paths), SIGNET_SERIAL, SIGNET_EXPIRES. CLIENT_LOCAL when it does
   not end with status 0 within seconds: it is ended then, with all that it has started. */
gboolean hook_run(const char *command, const CertificateFiles *files, const char *const *addresses,
                  guint seconds, GError **error);

#endif
