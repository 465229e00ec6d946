/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <math.h>
#include <string.h>

#define NUMBERS (1 + METRICS_BUCKETS + 1) /* of a histogram: sum, counts, count above */
#define OTHER "other"

typedef struct {
  char *values[METRICS_LABELS + 1]; /* of the labels, NULL-terminated */
  double *numbers;                  /* one, or NUMBERS */
  double *taken;                    /* what of them metrics_take gave */
} Series;

struct Metrics {
  GHashTable *series[METRIC_COUNT]; /* values joined -> Series; NULL: none yet */
  void (*changed)(gpointer user);
  gpointer user;
  gboolean dirty;
};

static guint count_of_labels(MetricName name) {
  guint count = 0;
  while (metrics_table[name].labels[count] != NULL)
    count++;
  return count;
}

static guint count_of_numbers(MetricName name) {
  return metrics_table[name].kind == METRICS_HISTOGRAM ? NUMBERS : 1;
}

static void series_free(gpointer data) {
  Series *series = data;
  for (guint i = 0; i < METRICS_LABELS; i++)
    g_free(series->values[i]);
  g_free(series->numbers);
  g_free(series->taken);
  g_free(series);
}

Metrics *metrics_new(void (*changed)(gpointer user), gpointer user) {
  Metrics *metrics = g_new0(Metrics, 1);
  metrics->changed = changed;
  metrics->user = user;
  return metrics;
}

void metrics_free(Metrics *metrics) {
  for (guint i = 0; i < METRIC_COUNT; i++)
    g_clear_pointer(&metrics->series[i], g_hash_table_unref);
  g_free(metrics);
}

/* Octets of a label's value that are kept: whole characters. */
static gsize kept(const char *value) {
  gsize length = strnlen(value, METRICS_VALUE_MAX);
  while (length > 0 && ((guchar)value[length] & 0xc0) == 0x80)
    length--;
  return length;
}

/* --- counting
 * --------------------------------------------------------------------------------------------- */

static Series *add_series(Metrics *metrics, MetricName name, const char *key,
                          const char *const *values, guint labels) {
  Series *series = g_new0(Series, 1);
  for (guint i = 0; i < labels; i++)
    series->values[i] = g_strndup(values[i], kept(values[i]));
  series->numbers = g_new0(double, count_of_numbers(name));
  series->taken = g_new0(double, count_of_numbers(name));
  g_hash_table_insert(metrics->series[name], g_strdup(key), series);
  return series;
}

/* The series of these values, made when it is new; of too many the one of the rest. */
static Series *series_of(Metrics *metrics, MetricName name, const char *const *values) {
  static const char *const other[METRICS_LABELS] = {OTHER, OTHER};
  char key[METRICS_LABELS * (METRICS_VALUE_MAX + 1) + 1] = "";
  guint labels = count_of_labels(name);
  char *end = key;
  for (guint i = 0; i < labels; i++) {
    gsize length = kept(values[i]);
    memcpy(end, values[i], length);
    end[length] = '\n';
    end += length + 1;
  }
  if (metrics->series[name] == NULL)
    metrics->series[name] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, series_free);
  Series *series = g_hash_table_lookup(metrics->series[name], key);
  if (series != NULL)
    return series;
  gboolean full = g_hash_table_size(metrics->series[name]) >= METRICS_SERIES_MAX;
  return full && values != other ? series_of(metrics, name, other)
                                 : add_series(metrics, name, key, values, labels);
}

static void mark(Metrics *metrics) {
  if (metrics->dirty || metrics->changed == NULL)
    return;
  metrics->dirty = TRUE;
  metrics->changed(metrics->user);
}

static Series *series_of_list(Metrics *metrics, MetricName name, va_list list) {
  const char *values[METRICS_LABELS] = {"", ""};
  guint labels = count_of_labels(name);
  for (guint i = 0; i < labels; i++) {
    const char *value = va_arg(list, const char *);
    g_return_val_if_fail(value != NULL, NULL);
    values[i] = value;
  }
  g_return_val_if_fail(va_arg(list, const char *) == NULL, NULL);
  return series_of(metrics, name, values);
}

static void observe(Series *series, double seconds) {
  guint bucket = 0;
  while (bucket < METRICS_BUCKETS && seconds > metrics_buckets[bucket])
    bucket++;
  series->numbers[0] += seconds;
  series->numbers[1 + bucket] += 1;
}

#define FIND_SERIES(metrics, name, last)                                                           \
  va_list list;                                                                                    \
  va_start(list, last);                                                                            \
  Series *series = (metrics) != NULL ? series_of_list(metrics, name, list) : NULL;                 \
  va_end(list)

void metrics_add(Metrics *metrics, MetricName name, double count, ...) {
  FIND_SERIES(metrics, name, count);
  if (series == NULL)
    return;
  series->numbers[0] += count;
  mark(metrics);
}

void metrics_set(Metrics *metrics, MetricName name, double value, ...) {
  FIND_SERIES(metrics, name, value);
  if (series != NULL)
    series->numbers[0] = value;
}

void metrics_observe(Metrics *metrics, MetricName name, double seconds, ...) {
  FIND_SERIES(metrics, name, seconds);
  if (series == NULL)
    return;
  observe(series, seconds);
  mark(metrics);
}

void metrics_forget(Metrics *metrics, MetricName name) {
  if (metrics != NULL)
    g_clear_pointer(&metrics->series[name], g_hash_table_unref);
}

double metrics_sum(const Metrics *metrics, MetricName name) {
  GHashTableIter iter;
  gpointer series = NULL;
  double sum = 0;
  if (metrics->series[name] == NULL)
    return 0;
  g_hash_table_iter_init(&iter, metrics->series[name]);
  guint first = metrics_table[name].kind == METRICS_HISTOGRAM ? 1 : 0;
  while (g_hash_table_iter_next(&iter, NULL, &series))
    for (guint i = first; i < count_of_numbers(name); i++)
      sum += ((Series *)series)->numbers[i];
  return sum;
}

/* --- between processes
 * ------------------------------------------------------------------------------------ */

/* since: what was given before, and is given now; FALSE: everything. */
static gboolean add_to(GVariantBuilder *builder, MetricName name, const Series *series,
                       gboolean since) {
  guint count = count_of_numbers(name);
  gboolean anything = !since;
  GVariantBuilder numbers;
  for (guint i = 0; i < count; i++)
    anything = anything || series->numbers[i] > series->taken[i];
  if (!anything)
    return FALSE;
  g_variant_builder_init(&numbers, G_VARIANT_TYPE("ad"));
  for (guint i = 0; i < count; i++) {
    g_variant_builder_add(&numbers, "d", series->numbers[i] - (since ? series->taken[i] : 0));
    if (since)
      series->taken[i] = series->numbers[i];
  }
  g_variant_builder_add(builder, "(u^asad)", (guint32)name, series->values, &numbers);
  return TRUE;
}

static GVariant *collect(const Metrics *metrics, gboolean since) {
  GVariantBuilder builder;
  gboolean anything = FALSE;
  g_variant_builder_init(&builder, G_VARIANT_TYPE(METRICS_TYPE));
  for (guint name = 0; name < METRIC_COUNT; name++) {
    GHashTableIter iter;
    gpointer series = NULL;
    if (metrics->series[name] == NULL)
      continue;
    g_hash_table_iter_init(&iter, metrics->series[name]);
    while (g_hash_table_iter_next(&iter, NULL, &series))
      anything = add_to(&builder, (MetricName)name, series, since) || anything;
  }
  if (anything || !since)
    return g_variant_builder_end(&builder);
  g_variant_builder_clear(&builder);
  return NULL;
}

GVariant *metrics_take(Metrics *metrics) {
  metrics->dirty = FALSE;
  return collect(metrics, TRUE);
}

GVariant *metrics_all(const Metrics *metrics) {
  return collect(metrics, FALSE);
}

static gboolean may_be(guint32 name, gsize labels, const double *numbers, gsize count, Role from) {
  if (name >= METRIC_COUNT || labels != count_of_labels(name) || count != count_of_numbers(name) ||
      (from != ROLE_CORE && (metrics_table[name].roles & ROLE_BIT(from)) == 0))
    return FALSE;
  for (gsize i = 0; i < count; i++)
    if (!isfinite(numbers[i]) || (numbers[i] < 0 && metrics_table[name].kind != METRICS_GAUGE))
      return FALSE;
  return TRUE;
}

static gboolean merge_once(Metrics *metrics, GVariant *counted, Role from, gboolean add) {
  GVariantIter iter;
  guint32 name = 0;
  GVariant *labels = NULL, *numbers = NULL;
  gboolean good = TRUE;
  g_variant_iter_init(&iter, counted);
  while (good && g_variant_iter_next(&iter, "(u@as@ad)", &name, &labels, &numbers)) {
    gsize count = 0, values = 0;
    const double *added = g_variant_get_fixed_array(numbers, &count, sizeof(double));
    g_autofree const char **texts = g_variant_get_strv(labels, &values);
    good = may_be(name, values, added, count, from);
    Series *series = good && add ? series_of(metrics, (MetricName)name, texts) : NULL;
    for (gsize i = 0; series != NULL && i < count; i++)
      series->numbers[i] += added[i];
    g_variant_unref(labels);
    g_variant_unref(numbers);
  }
  return good;
}

gboolean metrics_merge(Metrics *metrics, GVariant *counted, Role from) {
  return merge_once(metrics, counted, from, FALSE) && merge_once(metrics, counted, from, TRUE);
}

/* --- text
 * -------------------------------------------------------------------------------------------------
 */

static void add_value(GString *text, const char *name, const char *value) {
  g_string_append_printf(text, "%s%s=\"", text->str[text->len - 1] == '{' ? "" : ",", name);
  for (const char *p = value; *p != '\0'; p++) {
    if (*p == '\n')
      g_string_append(text, "\\n");
    else if (*p == '"' || *p == '\\')
      g_string_append_printf(text, "\\%c", *p);
    else
      g_string_append_c(text, *p);
  }
  g_string_append_c(text, '"');
}

static void add_number(GString *text, double number) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append(text, g_ascii_formatd(buffer, sizeof(buffer), "%.15g", number));
}

/* bound: of a bucket; NULL: none. */
static void add_sample(GString *text, MetricName name, const char *suffix, const char *core,
                       const Series *series, const char *bound, double number) {
  g_string_append_printf(text, "%s%s{", metrics_table[name].name, suffix);
  add_value(text, "core", core);
  for (guint i = 0; metrics_table[name].labels[i] != NULL; i++)
    add_value(text, metrics_table[name].labels[i], series->values[i]);
  if (bound != NULL)
    add_value(text, "le", bound);
  g_string_append(text, "} ");
  add_number(text, number);
  g_string_append_c(text, '\n');
}

static void add_histogram(GString *text, MetricName name, const char *core, const Series *series) {
  double count = 0;
  for (guint i = 0; i <= METRICS_BUCKETS; i++) {
    char bound[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";
    if (i < METRICS_BUCKETS)
      g_ascii_formatd(bound, sizeof(bound), "%g", metrics_buckets[i]);
    count += series->numbers[1 + i];
    add_sample(text, name, "_bucket", core, series, bound, count);
  }
  add_sample(text, name, "_sum", core, series, NULL, series->numbers[0]);
  add_sample(text, name, "_count", core, series, NULL, count);
}

static gint by_text(gconstpointer a, gconstpointer b) {
  return strcmp(a, b);
}

static void add_samples(GString *text, MetricName name, const Metrics *metrics, const char *core) {
  GList *keys = g_list_sort(g_hash_table_get_keys(metrics->series[name]), by_text);
  for (GList *key = keys; key != NULL; key = key->next) {
    const Series *series = g_hash_table_lookup(metrics->series[name], key->data);
    if (metrics_table[name].kind == METRICS_HISTOGRAM)
      add_histogram(text, name, core, series);
    else
      add_sample(text, name, "", core, series, NULL, series->numbers[0]);
  }
  g_list_free(keys);
}

char *metrics_text(const Metrics *const *all, const char *const *cores) {
  static const char *const kinds[] = {"counter", "gauge", "histogram"};
  GString *text = g_string_new(NULL);
  for (guint name = 0; name < METRIC_COUNT; name++) {
    const Metric *metric = &metrics_table[name];
    gboolean told = FALSE;
    for (guint i = 0; all[i] != NULL; i++) {
      if (all[i]->series[name] == NULL)
        continue;
      if (!told)
        g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                               metric->name, kinds[metric->kind]);
      told = TRUE;
      add_samples(text, (MetricName)name, all[i], cores[i]);
    }
  }
  return g_string_free(text, FALSE);
}
