/* SPDX-License-Identifier: Apache-2.0 */
/* Why a run of signet failed: the code of a CLIENT_ERROR is the exit status. */
#ifndef SIGNET_CLIENT_FAILURE_H
#define SIGNET_CLIENT_FAILURE_H

#include <glib.h>

#define CLIENT_ERROR (client_error_quark())
GQuark client_error_quark(void);

typedef enum {
  CLIENT_REFUSED = 1, /* the server said no; the message holds its problem document */
  CLIENT_USAGE = 2,   /* the command line cannot be carried out */
  CLIENT_NETWORK = 3, /* no usable answer from the ACME server or the mail server */
  CLIENT_TIMEOUT = 4, /* --timeout passed */
  CLIENT_LOCAL = 5    /* a file, a key or standard input */
} ClientError;

/* The exit status for error; 0 for NULL, CLIENT_LOCAL for one of another domain. */
int client_exit_status(const GError *error);

/* The newest OpenSSL error as text ("no reason given" when there is none); empties its queue. */
const char *client_openssl_reason(void);

#endif
