/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of "signet request", which is kept for renewals. */
#ifndef SIGNET_CLIENT_REQUEST_OPTIONS_H
#define SIGNET_CLIENT_REQUEST_OPTIONS_H

#include "client/certificate_files.h"
#include "client/certificate_request.h"
#include "client/prove_options.h"

/* As given; texts are NULL when not. What stands under "read" is made of it and always usable. */
typedef struct {
  ProveOptions prove;
  char *out, *name_text, *key, *key_type, *usage_text, *password_file, *p12_text, *hook, *program;
  char **rest;
  /* read */
  char **addresses; /* checked, domains in A-labels, no duplicates */
  char *name;       /* of the files */
  CertificateUsage usage;
  Pkcs12Form p12;
} RequestOptions;

/* Those beside prove_server_fields and prove_fields, and of them those of one certificate alone. */
extern const OptionField request_fields[], request_file_fields[];

/* All tables that make up RequestOptions, NULL-terminated. */
extern const OptionField *const request_tables[];

/* arguments[0] is skipped. CLIENT_USAGE with what is wrong. --help prints and ends the process. */
RequestOptions *request_options_parse(char **arguments, GError **error);
/* Those of given, for the certificate NAME of addresses (NULL-terminated) in folder. CLIENT_USAGE.
 */
RequestOptions *request_options_for(const RequestOptions *given, const char *folder,
                                    const char *name, const char *const *addresses, GError **error);
/* What stands under "read", from what was given; CLIENT_USAGE. */
gboolean request_options_read(RequestOptions *options, GError **error);
/* The folder of the files. */
const char *request_options_folder(const RequestOptions *options);
/* Where the files are and how they are written; its texts are those of options. */
CertificateFiles request_options_files(const RequestOptions *options);
void request_options_free(RequestOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RequestOptions, request_options_free)

#endif
