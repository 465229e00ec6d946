/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of "signet gateway". */
#ifndef SIGNET_CLIENT_GATEWAY_OPTIONS_H
#define SIGNET_CLIENT_GATEWAY_OPTIONS_H

#include "client/renew_options.h"

#include <sys/socket.h>

#define GATEWAY_SOCKET "gateway.socket" /* in the folder */

/* As given; texts are NULL when not. */
typedef struct {
  RenewOptions *renew; /* of its runs, which supply the list */
  char *behind, *every_text;
  gboolean once;
  /* read */
  const char *folder;
  char *listen; /* where mail is taken */
  char *socket; /* where those are told of it who await it */
  gint64 every; /* seconds */
  struct sockaddr_storage behind_address;
  int behind_length;
} GatewayOptions;

/* arguments[0] is skipped. CLIENT_USAGE with what is wrong. --help prints and ends the process. */
GatewayOptions *gateway_options_parse(char **arguments, GError **error);
void gateway_options_free(GatewayOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GatewayOptions, gateway_options_free)

/* The words of "signet renew" that supplies the list through this gateway, NULL-terminated; the
   caller frees them with g_strfreev. */
char **gateway_options_renewal(const GatewayOptions *options);

#endif
