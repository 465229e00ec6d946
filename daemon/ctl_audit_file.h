/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log as a file: JSON, a line each for a chain's beginning, a record, a checkpoint and
   the end. A line is exactly what its values make; so nothing in the file can change unseen. */
#ifndef SIGNET_DAEMON_CTL_AUDIT_FILE_H
#define SIGNET_DAEMON_CTL_AUDIT_FILE_H

#include "store/audit_feed.h"

#include <stdio.h>

/* Writes a part of the log. FALSE with error: it could not be read or written. */
gboolean ctl_audit_export(Store *store, const AuditRange *range, FILE *out, gint64 *records,
                          GError **error);
/* Feeds a verifier with such a file, to its end. */
gboolean ctl_audit_import(FILE *in, AuditWalk *walk, GError **error);

#endif
