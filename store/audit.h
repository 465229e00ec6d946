/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: an append-only chain of hashes, written in the commit of what it records (ca-rules
 * 33). */
#ifndef SIGNET_STORE_AUDIT_H
#define SIGNET_STORE_AUDIT_H

#include "store/store.h"

/* Appends a record: hash = SHA-256 over the previous record's hash and this record's fields.
   subject: the id of what it is about, text; detail: one line, key=value. */
gboolean audit_append(Store *store, gint64 now, const char *kind, const char *subject,
                      const char *detail, GError **error);
/* The latest time of any record, also of one before the last: when the clock fell back the next
   record must not hide it. 0: none. */
gboolean audit_last_time(Store *store, gint64 *at, GError **error);
/* Walks the chain; *broken is the number of the first record that does not fit, 0: none. */
gboolean audit_verify(Store *store, gint64 *records, gint64 *broken, GError **error);

#endif
