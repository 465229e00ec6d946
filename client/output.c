/* SPDX-License-Identifier: Apache-2.0 */
#include "client/output.h"

#include <stdio.h>

static gboolean output_quiet;

void output_set_quiet(gboolean quiet) {
  output_quiet = quiet;
}

void output_step(const char *word, const char *format, ...) {
  if (output_quiet)
    return;
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fprintf(stderr, "%-12s %s\n", word, text);
}

void output_text(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fputs(text, stdout);
  fflush(stdout);
}

void output_error(const GError *error) {
  fprintf(stderr, "signet: %s\n", error->message);
}
