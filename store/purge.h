/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of what has served its time. Audit records stay for ever, what led to a certificate until
   its retention is over (S/MIME BR 5.4.3, 5.5.2; ca-rules 33). */
#ifndef SIGNET_STORE_PURGE_H
#define SIGNET_STORE_PURGE_H

#include "store/store.h"

/* Removes at most limit invalid orders without certificate, and free authorizations, that expired
   before a time, with all that belongs to them; *removed counts both. */
gboolean purge_failed(Store *store, gint64 expired_before, guint limit, guint *removed,
                      GError **error);

/* A certificate whose time is over, or that was never signed. */
typedef struct {
  Id certificate, order;
  GBytes *serial;
} PurgeEnded;

/* Certificates that ended before a time, oldest first, at most limit; of PurgeEnded. NULL on
   failure. */
GPtrArray *purge_ended(Store *store, gint64 ended_before, guint limit, GError **error);
/* Removes one, with its order and everything that led to it. */
gboolean purge_remove(Store *store, const PurgeEnded *ended, GError **error);

/* What these would remove, and nothing is removed; also from rate limits that are full again at a
   time. Times: when the first and the last of them ended; 0: there are none. */
typedef struct {
  gint64 count, first, last;
} PurgeSum;
typedef struct {
  PurgeSum failed; /* orders without certificate, invalid by then */
  PurgeSum free;   /* authorizations without order */
  PurgeSum ended;  /* certificates */
  PurgeSum rates;
} PurgePreview;
gboolean purge_preview(Store *store, gint64 expired_before, gint64 ended_before, gint64 full_before,
                       PurgePreview *preview, GError **error);

#endif
