/* SPDX-License-Identifier: Apache-2.0 */
/* Plots for a page that stands alone: SVG inside HTML, without scripts, each with its numbers as a
   table. The drawings stretch with the page, so that all words are HTML beside them. */
#ifndef SIGNET_DAEMON_HTML_PLOT_H
#define SIGNET_DAEMON_HTML_PLOT_H

#include <glib.h>

#define HTML_PLOT_SERIES 3

/* Appends text so that it is nothing but text, also in an attribute. */
void html_text(GString *page, const char *text);

/* Columns over time or another order; their parts are put one on the other. */
typedef struct {
  const char *title;                        /* what the drawing shows, for who does not see it */
  const char *series[HTML_PLOT_SERIES + 1]; /* their names, NULL-terminated */
  GPtrArray *names;                         /* of char*: of the columns */
  GArray *counts[HTML_PLOT_SERIES];         /* of gint64: one for each column */
} HtmlColumns;

HtmlColumns *html_columns_new(const char *title, const char *const *series);
void html_columns_free(HtmlColumns *columns);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HtmlColumns, html_columns_free)
/* One more column; name is copied. */
void html_columns_add(HtmlColumns *columns, const char *name);
void html_columns_count(HtmlColumns *columns, guint series, gint64 column, gint64 count);
gint64 html_columns_sum(const HtmlColumns *columns, guint series);
void html_columns_write(GString *page, const HtmlColumns *columns);

/* Bars, the longest first, or in the order of their coming; text (copied) may come again. */
typedef struct {
  const char *title, *head; /* head: of the texts' column in the table */
  GHashTable *counts;       /* text -> gint64* */
  GPtrArray *texts;         /* its keys, as they came */
  gboolean in_order;
} HtmlBars;

HtmlBars *html_bars_new(const char *title, const char *head, gboolean in_order);
void html_bars_free(HtmlBars *bars);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HtmlBars, html_bars_free)
void html_bars_count(HtmlBars *bars, const char *text, gint64 count);
/* none: what is said when there are none. */
void html_bars_write(GString *page, const HtmlBars *bars, const char *none);

#endif
