/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration in the audit log: its digest, and what changed (ca-rules 33). */
#ifndef SIGNET_ACME_SETTINGS_RECORD_H
#define SIGNET_ACME_SETTINGS_RECORD_H

#include "acme/acme.h"

/* settings: "name = value" a line, as config_listing makes it. when: "start" or "reload". */
gboolean settings_record(Acme *acme, const char *settings, const char *when, GError **error);

#endif
