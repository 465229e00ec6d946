/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of "signet request". */
#ifndef SIGNET_CLIENT_REQUEST_OPTIONS_H
#define SIGNET_CLIENT_REQUEST_OPTIONS_H

#include "client/certificate_request.h"
#include "client/prove_options.h"

/* As given; texts are NULL when not. What stands under "read" is made of it and always usable. */
typedef struct {
  ProveOptions prove;
  char *out, *key, *key_type, *usage_text, *password_file;
  char **rest;
  /* read */
  char **addresses; /* checked, domains in A-labels, no duplicates */
  CertificateUsage usage;
} RequestOptions;

/* arguments[0] is skipped. CLIENT_USAGE with what is wrong. --help prints and ends the process. */
RequestOptions *request_options_parse(char **arguments, GError **error);
void request_options_free(RequestOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RequestOptions, request_options_free)

#endif
