/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of "signet revoke". */
#ifndef SIGNET_CLIENT_REVOKE_OPTIONS_H
#define SIGNET_CLIENT_REVOKE_OPTIONS_H

#include "client/prove_options.h"

#define REVOKE_NO_REASON -1

/* As given; texts are NULL when not. */
typedef struct {
  ProveOptions prove;
  gboolean by_proof; /* of the certificate's mailboxes */
  char *key;         /* of the certificate, in place of an account */
  int reason;        /* CRLReason, or REVOKE_NO_REASON */
  char **rest;       /* the certificate file alone */
} RevokeOptions;

/* arguments[0] is skipped. CLIENT_USAGE with what is wrong. --help prints and ends the process. */
RevokeOptions *revoke_options_parse(char **arguments, GError **error);
void revoke_options_free(RevokeOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RevokeOptions, revoke_options_free)

#endif
