/* SPDX-License-Identifier: Apache-2.0 */
/* What a person at the terminal sees. Progress and errors go to standard error, what has to be read
   or copied to standard output. */
#ifndef SIGNET_CLIENT_OUTPUT_H
#define SIGNET_CLIENT_OUTPUT_H

#include <glib.h>

/* Progress lines are dropped from now on. */
void output_set_quiet(gboolean quiet);

/* One line of progress: a word ("order", "mail", "reply" ...) and what happened. Text from a peer
   must have been through log_escape. */
void output_step(const char *word, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Text on standard output, flushed, also when quiet. */
void output_text(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* "signet: ..." on standard error, also when quiet. */
void output_error(const GError *error);

#endif
