/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of check_configuration, one file a subject. */
#ifndef SIGNET_DAEMON_CHECK_PARTS_H
#define SIGNET_DAEMON_CHECK_PARTS_H

#include "base/config.h"

/* One configuration under check. */
typedef struct {
  const Config *config;
  GPtrArray *mistakes;
  gboolean pin_refused; /* by a token: several CAs may be in one, and each try counts there */
} Check;

/* Notes what is wrong with the value of a key ("ca.root"). */
void check_mistake(Check *check, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* The content of a file that a key names; NULL when it is empty or cannot be read (noted). */
GBytes *check_file(Check *check, const char *key);

void check_listen(Check *check); /* that no two listen at one place */
void check_mail(Check *check);   /* DKIM and S/MIME keys, relays, texts */
void check_ca(Check *check); /* issuing CAs, roots and their lists, weak keys, audit key, linter */

#endif
