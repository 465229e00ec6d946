/* SPDX-License-Identifier: Apache-2.0 */
/* What happened over a span of time, read from a store, and as a page of HTML that stands alone. */
#ifndef SIGNET_DAEMON_HISTORY_H
#define SIGNET_DAEMON_HISTORY_H

#include "daemon/html_plot.h"
#include "store/statistics.h"

typedef enum { DELAY_RELAY, DELAY_REPLY, DELAY_VERDICT, DELAYS } HistoryDelay;

typedef struct {
  StatisticsSpan span;
  gint64 step;          /* of a column */
  gint64 now;           /* from where on ends are ahead */
  HtmlColumns *orders;  /* issued, failed, open */
  HtmlColumns *revoked; /* certificates */
  HtmlColumns *ends;    /* by weeks ahead: in use, revoked */
  HtmlBars *failures, *replies, *reasons;
  HtmlBars *delays[DELAYS];
  GArray *times[DELAYS]; /* of gint64, milliseconds */
  /* Told now and then: which part, how many rows; NULL: nobody. */
  void (*progress)(const char *part, gint64 rows);
  const char *part;
  gint64 rows;
} History;

/* from is put back to a whole day or hour. */
History *history_new(gint64 from, gint64 until, gint64 now);
void history_free(History *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(History, history_free)
gboolean history_read(History *history, Store *store, GError **error);
/* The page; url: of the server. The caller frees it. */
char *history_page(History *history, const char *url);

#endif
