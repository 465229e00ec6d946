/* SPDX-License-Identifier: Apache-2.0 */
/* What happened over a span of time, row by row, for reports. Read by processes of their own
   (store_open_reader): a span may have very many rows. Most are found, and their time is known, by
   their ids alone. */
#ifndef SIGNET_STORE_STATISTICS_H
#define SIGNET_STORE_STATISTICS_H

#include "store/store.h"

typedef struct {
  gint64 from, until; /* until: not itself */
} StatisticsSpan;

typedef struct {
  gint64 at;
  const char *what, *detail; /* NULL: none */
  gint64 number;
} StatisticsRow;

typedef void (*StatisticsSeen)(const StatisticsRow *row, gpointer user);

/* Orders that were created then and have that status now. */
gboolean statistics_orders(Store *store, const StatisticsSpan *span, const char *status,
                           StatisticsSeen seen, gpointer user, GError **error);
/* Those that are invalid; what: the problem's document. */
gboolean statistics_failures(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                             gpointer user, GError **error);
/* Mails received then; what: verdict, detail: the rule that decided. */
gboolean statistics_replies(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                            gpointer user, GError **error);
/* Certificates revoked then; number: the reason. */
gboolean statistics_revocations(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                                gpointer user, GError **error);
/* Certificates that end then, revoked ones included; and those that were revoked, whenever they
   were. */
gboolean statistics_ends(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                         gpointer user, GError **error);
gboolean statistics_ends_revoked(Store *store, const StatisticsSpan *span, StatisticsSeen seen,
                                 gpointer user, GError **error);

/* A challenge that was passed: when its mail was queued and taken by a relay, when the reply came,
   when it was found right; 0: not known. */
typedef struct {
  gint64 queued, sent, received, passed;
} StatisticsDelay;

/* Of challenges made then. */
gboolean statistics_delays(Store *store, const StatisticsSpan *span,
                           void (*seen)(const StatisticsDelay *delay, gpointer user), gpointer user,
                           GError **error);

#endif
