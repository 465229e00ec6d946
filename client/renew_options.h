/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of "signet renew". */
#ifndef SIGNET_CLIENT_RENEW_OPTIONS_H
#define SIGNET_CLIENT_RENEW_OPTIONS_H

#include "client/request_options.h"

#define RENEW_PARALLEL_MAX 64

/* As given; texts are NULL when not. */
typedef struct {
  RequestOptions *request; /* what takes the place of what each certificate was requested with */
  char *list, *most_text, *parallel_text, *interval_text;
  gboolean keep_key, dry_run, force, verbose;
  char **rest;
  /* read */
  const char *folder;
  guint parallel;  /* certificates at a time */
  guint most;      /* certificates of this run; 0: by their number */
  gint64 interval; /* seconds to the next run; 0: not known */
} RenewOptions;

/* arguments[0] is skipped. CLIENT_USAGE with what is wrong. --help prints and ends the process. */
RenewOptions *renew_options_parse(char **arguments, GError **error);
void renew_options_free(RenewOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RenewOptions, renew_options_free)

#endif
