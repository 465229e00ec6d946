/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on how often something is done, by the generic cell rate algorithm: one row and one
   conditional write a subject. */
#ifndef SIGNET_STORE_RATE_H
#define SIGNET_STORE_RATE_H

#include "store/store.h"

/* Never more than count in any period (milliseconds): about half of them at once, the rest evenly
   spread. count 0: no limit. */
typedef struct {
  gint64 count, period;
} Rate;

/* Spends one of subject's share of the limit called name. STORE_UNCHANGED: there is none left
   before *again_at. */
StoreChange rate_spend(Store *store, const char *name, const char *subject, Rate rate, gint64 now,
                       gint64 *again_at, GError **error);
/* The same, but waits its turn for up to patience (milliseconds): *at is then when it is, now or
   later. STORE_UNCHANGED: there is none left within patience, nor before *at. */
StoreChange rate_reserve(Store *store, const char *name, const char *subject, Rate rate, gint64 now,
                         gint64 patience, gint64 *at, GError **error);
/* Forgets at most limit subjects whose whole share is there again; *more: some of those are left.
 */
gboolean rate_purge(Store *store, gint64 now, guint limit, gboolean *more, GError **error);

/* An operator's other rate for one subject (count 0: no limit for it). */
gboolean rate_override_set(Store *store, const char *name, const char *subject, Rate rate,
                           GError **error);
StoreChange rate_override_clear(Store *store, const char *name, const char *subject,
                                GError **error);
/* *rate is left alone when there is none. */
gboolean rate_override_find(Store *store, const char *name, const char *subject, Rate *rate,
                            GError **error);

typedef struct {
  char *name, *subject;
  Rate rate;
} RateOverride;

void rate_override_free(RateOverride *override);
/* In order of name and subject, those after a pair of them ("", "": from the first), at most limit;
   of RateOverride. NULL on failure. */
GPtrArray *rate_override_list(Store *store, const char *after_name, const char *after_subject,
                              guint limit, GError **error);

#endif
