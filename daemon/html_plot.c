/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/html_plot.h"

#include <string.h>

#define HEIGHT 100 /* of a drawing, in its own units */
#define BARS_MAX 20

void html_text(GString *page, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    GUnicodeType type = g_unichar_type(c);
    if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
      g_string_append_printf(page, "&#%u;", c);
    else if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT)
      g_string_append_unichar(page, 0xfffd);
    else
      g_string_append_unichar(page, c);
  }
}

static void add_element(GString *page, const char *name, const char *text) {
  g_string_append_printf(page, "<%s>", name);
  html_text(page, text);
  g_string_append_printf(page, "</%s>", name);
}

static void add_number(GString *page, gint64 number) {
  g_string_append_printf(page, "<td>%" G_GINT64_FORMAT "</td>", number);
}

static void begin_table(GString *page) {
  g_string_append(page, "<details><summary>The numbers as a table</summary>\n"
                        "<div class=\"table\"><table>\n<tr>");
}

static void end_table(GString *page) {
  g_string_append(page, "</table></div></details>\n");
}

/* --- columns
 * ---------------------------------------------------------------------------------------------- */

HtmlColumns *html_columns_new(const char *title, const char *const *series) {
  HtmlColumns *columns = g_new0(HtmlColumns, 1);
  columns->title = title;
  columns->names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < HTML_PLOT_SERIES && series[i] != NULL; i++) {
    columns->series[i] = series[i];
    columns->counts[i] = g_array_new(FALSE, TRUE, sizeof(gint64));
  }
  return columns;
}

void html_columns_free(HtmlColumns *columns) {
  g_ptr_array_unref(columns->names);
  for (guint i = 0; i < HTML_PLOT_SERIES; i++)
    g_clear_pointer(&columns->counts[i], g_array_unref);
  g_free(columns);
}

void html_columns_add(HtmlColumns *columns, const char *name) {
  g_ptr_array_add(columns->names, g_strdup(name));
  for (guint i = 0; columns->series[i] != NULL; i++)
    g_array_set_size(columns->counts[i], columns->names->len);
}

static gint64 count_at(const HtmlColumns *columns, guint series, guint column) {
  return g_array_index(columns->counts[series], gint64, column);
}

void html_columns_count(HtmlColumns *columns, guint series, gint64 column, gint64 count) {
  if (column >= 0 && column < (gint64)columns->names->len)
    g_array_index(columns->counts[series], gint64, (guint)column) += count;
}

gint64 html_columns_sum(const HtmlColumns *columns, guint series) {
  gint64 sum = 0;
  for (guint i = 0; i < columns->names->len; i++)
    sum += count_at(columns, series, i);
  return sum;
}

static gint64 height_of(const HtmlColumns *columns, guint column) {
  gint64 height = 0;
  for (guint i = 0; columns->series[i] != NULL; i++)
    height += count_at(columns, i, column);
  return height;
}

static gint64 highest(const HtmlColumns *columns) {
  gint64 most = 0;
  for (guint i = 0; i < columns->names->len; i++)
    most = MAX(most, height_of(columns, i));
  return most;
}

static void draw_column(GString *page, const HtmlColumns *columns, guint column, gint64 most) {
  double top = HEIGHT;
  g_string_append(page, "<g><title>");
  html_text(page, columns->names->pdata[column]);
  for (guint i = 0; columns->series[i] != NULL; i++)
    g_string_append_printf(page, ", %s %" G_GINT64_FORMAT, columns->series[i],
                           count_at(columns, i, column));
  g_string_append(page, "</title>");
  for (guint i = 0; columns->series[i] != NULL; i++) {
    double height = (double)HEIGHT * (double)count_at(columns, i, column) / (double)most;
    char y[G_ASCII_DTOSTR_BUF_SIZE], h[G_ASCII_DTOSTR_BUF_SIZE];
    if (height <= 0)
      continue;
    top -= height;
    g_string_append_printf(page,
                           "<rect class=\"s%u\" x=\"%u.1\" width=\".8\" y=\"%s\" height=\"%s\"/>",
                           i, column, g_ascii_formatd(y, sizeof(y), "%.2f", MAX(top, 0)),
                           g_ascii_formatd(h, sizeof(h), "%.2f", height));
  }
  g_string_append(page, "</g>\n");
}

static void write_legend(GString *page, const HtmlColumns *columns) {
  g_string_append(page, "<ul class=\"legend\">");
  for (guint i = 0; columns->series[i] != NULL; i++)
    g_string_append_printf(page,
                           "<li><svg viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect class=\"s%u\" "
                           "width=\"1\" height=\"1\"/></svg>%s: %" G_GINT64_FORMAT "</li>",
                           i, columns->series[i], html_columns_sum(columns, i));
  g_string_append(page, "</ul>\n");
}

/* The first, the middle and the last column. */
static void write_axis(GString *page, const HtmlColumns *columns) {
  guint last = columns->names->len - 1;
  g_string_append(page, "<div class=\"axis\">");
  add_element(page, "span", columns->names->pdata[0]);
  if (last > 2)
    add_element(page, "span", columns->names->pdata[last / 2]);
  if (last > 0)
    add_element(page, "span", columns->names->pdata[last]);
  g_string_append(page, "</div>\n");
}

static void write_columns_table(GString *page, const HtmlColumns *columns) {
  begin_table(page);
  g_string_append(page, "<th></th>");
  for (guint i = 0; columns->series[i] != NULL; i++)
    add_element(page, "th", columns->series[i]);
  g_string_append(page, "</tr>\n");
  for (guint column = 0; column < columns->names->len; column++) {
    g_string_append(page, "<tr>");
    add_element(page, "th", columns->names->pdata[column]);
    for (guint i = 0; columns->series[i] != NULL; i++)
      add_number(page, count_at(columns, i, column));
    g_string_append(page, "</tr>\n");
  }
  end_table(page);
}

void html_columns_write(GString *page, const HtmlColumns *columns) {
  gint64 most = highest(columns);
  if (most == 0) {
    g_string_append(page, "<p class=\"none\">None.</p>\n");
    return;
  }
  g_string_append(page, "<figure>\n");
  if (columns->series[1] != NULL)
    write_legend(page, columns);
  g_string_append_printf(page, "<div class=\"most\">%" G_GINT64_FORMAT "</div>\n", most);
  g_string_append_printf(page,
                         "<svg class=\"columns\" role=\"img\" viewBox=\"0 0 %u %u\" "
                         "preserveAspectRatio=\"none\" aria-label=\"%s\">\n",
                         columns->names->len, HEIGHT, columns->title);
  for (guint i = 0; i < columns->names->len; i++)
    draw_column(page, columns, i, most);
  g_string_append(page, "</svg>\n");
  write_axis(page, columns);
  write_columns_table(page, columns);
  g_string_append(page, "</figure>\n");
}

/* --- bars
 * -------------------------------------------------------------------------------------------------
 */

HtmlBars *html_bars_new(const char *title, const char *head, gboolean in_order) {
  HtmlBars *bars = g_new0(HtmlBars, 1);
  bars->title = title;
  bars->head = head;
  bars->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  bars->texts = g_ptr_array_new();
  bars->in_order = in_order;
  return bars;
}

void html_bars_free(HtmlBars *bars) {
  g_ptr_array_unref(bars->texts);
  g_hash_table_unref(bars->counts);
  g_free(bars);
}

void html_bars_count(HtmlBars *bars, const char *text, gint64 count) {
  gint64 *sum = g_hash_table_lookup(bars->counts, text);
  if (sum == NULL) {
    char *key = g_strdup(text);
    sum = g_new0(gint64, 1);
    g_hash_table_insert(bars->counts, key, sum);
    g_ptr_array_add(bars->texts, key);
  }
  *sum += count;
}

static gint64 bar_length(const HtmlBars *bars, const char *text) {
  return *(const gint64 *)g_hash_table_lookup(bars->counts, text);
}

static gint by_length(gconstpointer a, gconstpointer b, gpointer user) {
  const char *const *one = a, *const *other = b;
  gint64 length = bar_length(user, *one), other_length = bar_length(user, *other);
  return length != other_length ? (length < other_length ? 1 : -1) : strcmp(*one, *other);
}

static gint64 longest(const HtmlBars *bars) {
  gint64 most = 0;
  for (guint i = 0; i < bars->texts->len; i++)
    most = MAX(most, bar_length(bars, bars->texts->pdata[i]));
  return most;
}

static void write_bar(GString *page, const char *text, gint64 length, gint64 most) {
  char width[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd(width, sizeof(width), "%.2f", 100 * (double)length / (double)most);
  g_string_append(page, "<li>");
  add_element(page, "span", text);
  g_string_append_printf(page,
                         "<svg viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" "
                         "aria-hidden=\"true\"><rect class=\"s0\" width=\"%s\" height=\"1\"/></svg>"
                         "<b>%" G_GINT64_FORMAT "</b></li>\n",
                         width, length);
}

void html_bars_write(GString *page, const HtmlBars *bars, const char *none) {
  gint64 most = longest(bars);
  if (most == 0) {
    g_string_append_printf(page, "<p class=\"none\">%s</p>\n", none);
    return;
  }
  if (!bars->in_order)
    g_ptr_array_sort_with_data(bars->texts, by_length, (gpointer)bars);
  g_string_append_printf(page, "<figure>\n<ul class=\"bars\" aria-label=\"%s\">\n", bars->title);
  for (guint i = 0; i < MIN(bars->texts->len, BARS_MAX); i++)
    write_bar(page, bars->texts->pdata[i], bar_length(bars, bars->texts->pdata[i]), most);
  g_string_append(page, "</ul>\n");
  begin_table(page);
  add_element(page, "th", bars->head);
  g_string_append(page, "<th>count</th></tr>\n");
  for (guint i = 0; i < bars->texts->len; i++) {
    g_string_append(page, "<tr>");
    add_element(page, "th", bars->texts->pdata[i]);
    add_number(page, bar_length(bars, bars->texts->pdata[i]));
    g_string_append(page, "</tr>\n");
  }
  end_table(page);
  g_string_append(page, "</figure>\n");
}
