/* SPDX-License-Identifier: Apache-2.0 */
/* How a PKCS#12 file comes into a mail program, in words for the person who does it. */
#ifndef SIGNET_CLIENT_IMPORT_HELP_H
#define SIGNET_CLIENT_IMPORT_HELP_H

#include <glib.h>

#define IMPORT_HELP_PROGRAMS "thunderbird, outlook, outlook-new, outlook-mac, apple-mail or iphone"

/* Whether there is help for program. */
gboolean import_help_known(const char *program);

/* Prints the steps. p12, password_file: their paths, or NULL for "the file NAME.p12" in general. */
void import_help_print(const char *program, const char *p12, const char *password_file);

#endif
