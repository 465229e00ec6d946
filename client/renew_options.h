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

/* What a gateway's runs have too: of RenewOptions; and of its request, but what is of one
   certificate alone, as tables that end with NULL. */
extern const OptionField renew_run_fields[];
extern const OptionField *const renew_given_tables[];

/* Nothing given yet; command as of ProveOptions. */
RenewOptions *renew_options_new(const char *command);
/* All of these to context. */
void renew_options_add(GOptionContext *context, RenewOptions *options);
/* CLIENT_USAGE with what is wrong. */
gboolean renew_options_read_numbers(RenewOptions *options, GError **error);

/* arguments[0] is skipped. CLIENT_USAGE with what is wrong. --help prints and ends the process. */
RenewOptions *renew_options_parse(char **arguments, GError **error);
void renew_options_free(RenewOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RenewOptions, renew_options_free)

#endif
