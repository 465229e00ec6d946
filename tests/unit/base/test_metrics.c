/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <math.h>
#include <string.h>

static char *text_of(const Metrics *metrics) {
  const Metrics *const all[] = {metrics, NULL};
  return metrics_text(all, (const char *const[]){"n/0", NULL});
}

static void has(const char *text, const char *line) {
  if (strstr(text, line) == NULL)
    g_error("no %s in\n%s", line, text);
}

static void count_call(gpointer user) {
  ++*(guint *)user;
}

static void test_table(void) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < METRIC_COUNT; i++) {
    const Metric *metric = &metrics_table[i];
    gboolean counter = g_str_has_suffix(metric->name, "_total");
    g_assert_true(g_str_has_prefix(metric->name, "signet_"));
    g_assert_true(g_hash_table_add(names, (gpointer)metric->name));
    g_assert_cmpint(counter, ==, metric->kind == METRICS_COUNTER);
    g_assert_true(g_str_has_suffix(metric->help, "."));
    g_assert_null(strpbrk(metric->help, "\\\n"));
    g_assert_true(metric->kind != METRICS_GAUGE || metric->roles == 0);
  }
  for (guint i = 1; i < METRICS_BUCKETS; i++)
    g_assert_cmpfloat(metrics_buckets[i - 1], <, metrics_buckets[i]);
}

static void test_text(void) {
  g_autoptr(Metrics) metrics = metrics_new(NULL, NULL);
  metrics_add(metrics, METRIC_ORDERS, 1, "valid", NULL);
  metrics_add(metrics, METRIC_ORDERS, 2, "valid", NULL);
  metrics_add(metrics, METRIC_ORDERS, 1, "invalid", NULL);
  metrics_add(metrics, METRIC_NOTES, 1, "a \"rule\"\\\n", NULL);
  metrics_set(metrics, METRIC_HELD, 1, NULL);
  metrics_set(metrics, METRIC_HELD, 0, NULL);
  metrics_set(metrics, METRIC_START, 1772323200.125, NULL);
  metrics_observe(metrics, METRIC_STEP_SECONDS, 0.0005, "sign", NULL);
  metrics_observe(metrics, METRIC_STEP_SECONDS, 0.3, "sign", NULL);
  metrics_observe(metrics, METRIC_STEP_SECONDS, 1000, "sign", NULL);
  metrics_add(NULL, METRIC_ORDERS, 1, "valid", NULL);
  g_autofree char *text = text_of(metrics);
  has(text,
      "# HELP signet_order_transitions_total Orders that came to a status; pending: created.\n"
      "# TYPE signet_order_transitions_total counter\n"
      "signet_order_transitions_total{core=\"n/0\",status=\"invalid\"} 1\n"
      "signet_order_transitions_total{core=\"n/0\",status=\"valid\"} 3\n");
  has(text, "signet_challenge_notes_total{core=\"n/0\",rule=\"a \\\"rule\\\"\\\\\\n\"} 1\n");
  has(text, "# TYPE signet_issuance_held gauge\nsignet_issuance_held{core=\"n/0\"} 0\n");
  has(text, "signet_core_start_time_seconds{core=\"n/0\"} 1772323200.125\n");
  has(text, "# TYPE signet_step_seconds histogram\n"
            "signet_step_seconds_bucket{core=\"n/0\",step=\"sign\",le=\"0.0005\"} 1\n");
  has(text,
      "le=\"0.25\"} 1\nsignet_step_seconds_bucket{core=\"n/0\",step=\"sign\",le=\"0.5\"} 2\n");
  has(text, "le=\"60\"} 2\nsignet_step_seconds_bucket{core=\"n/0\",step=\"sign\",le=\"+Inf\"} 3\n"
            "signet_step_seconds_sum{core=\"n/0\",step=\"sign\"} 1000.3005\n"
            "signet_step_seconds_count{core=\"n/0\",step=\"sign\"} 3\n");
  g_assert_null(strstr(text, "signet_limit_hits_total"));
  g_assert_cmpfloat(metrics_sum(metrics, METRIC_STEP_SECONDS), ==, 3);
  metrics_forget(metrics, METRIC_HELD);
  g_autofree char *without = text_of(metrics);
  g_assert_null(strstr(without, "signet_issuance_held"));
}

/* What is taken is what was added since, and comes to the same sum elsewhere. */
static void test_taking(void) {
  guint calls = 0;
  g_autoptr(Metrics) edge = metrics_new(count_call, &calls), core = metrics_new(NULL, NULL);
  g_assert_null(metrics_take(edge));
  for (guint i = 0; i < 3; i++) {
    metrics_add(edge, METRIC_HTTP_REQUESTS, 1, "acme", "200", NULL);
    metrics_observe(edge, METRIC_HTTP_SECONDS, 0.02, NULL);
    g_assert_cmpuint(calls, ==, i + 1);
    g_autoptr(GVariant) taken = g_variant_ref_sink(metrics_take(edge));
    g_assert_cmpstr(g_variant_get_type_string(taken), ==, METRICS_TYPE);
    g_assert_true(metrics_merge(core, taken, ROLE_EDGE));
    g_assert_null(metrics_take(edge));
  }
  g_autofree char *here = text_of(edge), *there = text_of(core);
  g_assert_cmpstr(here, ==, there);
  has(there, "signet_http_requests_total{core=\"n/0\",listener=\"acme\",code=\"200\"} 3\n");
  g_autoptr(GVariant) all = g_variant_ref_sink(metrics_all(edge));
  g_assert_true(metrics_merge(core, all, ROLE_EDGE));
  g_assert_cmpfloat(metrics_sum(core, METRIC_HTTP_REQUESTS), ==, 6);
}

static GVariant *counted(guint32 name, const char *const *values, const double *numbers,
                         gsize count) {
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE(METRICS_TYPE));
  g_variant_builder_add(&builder, "(u^as@ad)", (guint32)METRIC_HTTP_REQUESTS,
                        (const char *[]){"acme", "200", NULL},
                        g_variant_new_fixed_array(G_VARIANT_TYPE_DOUBLE, &(double){1}, 1, 8));
  g_variant_builder_add(&builder, "(u^as@ad)", name, values,
                        g_variant_new_fixed_array(G_VARIANT_TYPE_DOUBLE, numbers, count, 8));
  return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static void test_nonsense(void) {
  static const char *const two[] = {"acme", "200", NULL}, *const one[] = {"acme", NULL},
                           *const none[] = {NULL};
  static const struct {
    guint32 name;
    const char *const *values;
    double numbers[2];
    gsize count;
    Role from;
    gboolean good;
  } cases[] = {
      {METRIC_HTTP_REQUESTS, two, {1}, 1, ROLE_EDGE, TRUE},
      {METRIC_HTTP_REQUESTS, two, {1}, 1, ROLE_CORE, TRUE},
      {METRIC_HTTP_REQUESTS, two, {1}, 1, ROLE_INBOUND, FALSE},
      {METRIC_HTTP_REQUESTS, one, {1}, 1, ROLE_EDGE, FALSE},
      {METRIC_HTTP_REQUESTS, two, {1, 1}, 2, ROLE_EDGE, FALSE},
      {METRIC_HTTP_REQUESTS, two, {1}, 0, ROLE_EDGE, FALSE},
      {METRIC_HTTP_REQUESTS, two, {-1}, 1, ROLE_EDGE, FALSE},
      {METRIC_HTTP_REQUESTS, two, {NAN}, 1, ROLE_EDGE, FALSE},
      {METRIC_HTTP_REQUESTS, two, {INFINITY}, 1, ROLE_EDGE, FALSE},
      {METRIC_HTTP_SECONDS, none, {1}, 1, ROLE_EDGE, FALSE},
      {METRIC_HELD, none, {1}, 1, ROLE_EDGE, FALSE},
      {METRIC_ORDERS, one, {1}, 1, ROLE_EDGE, FALSE},
      {METRIC_COUNT, one, {1}, 1, ROLE_EDGE, FALSE},
      {G_MAXUINT32, one, {1}, 1, ROLE_EDGE, FALSE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Metrics) core = metrics_new(NULL, NULL);
    g_autoptr(GVariant) body =
        counted(cases[i].name, cases[i].values, cases[i].numbers, cases[i].count);
    if (metrics_merge(core, body, cases[i].from) != cases[i].good)
      g_error("case %" G_GSIZE_FORMAT, i);
    g_assert_cmpfloat(metrics_sum(core, METRIC_HTTP_REQUESTS), ==, cases[i].good ? 2 : 0);
  }
}

/* A process that makes up labels fills neither memory nor the text. */
static void test_bounds(void) {
  g_autoptr(Metrics) metrics = metrics_new(NULL, NULL);
  for (guint i = 0; i < 5 * METRICS_SERIES_MAX; i++) {
    g_autofree char *value = g_strdup_printf("%u", i);
    metrics_add(metrics, METRIC_NOTES, 1, value, NULL);
  }
  g_autofree char *most = g_strnfill(METRICS_VALUE_MAX - 1, 'x');
  g_autofree char *long_value = g_strconcat(most, "\u00e4\u00e4", NULL);
  metrics_add(metrics, METRIC_LIMITS, 1, long_value, NULL);
  g_autofree char *text = text_of(metrics);
  g_autofree char *line = g_strdup_printf("limit=\"%s\"}", most);
  g_auto(GStrv) lines = g_strsplit(text, "\nsignet_challenge_notes_total{", -1);
  g_assert_cmpuint(g_strv_length(lines) - 1, ==, METRICS_SERIES_MAX + 1);
  has(text, "rule=\"other\"} 800\n");
  has(text, line);
  g_assert_cmpfloat(metrics_sum(metrics, METRIC_NOTES), ==, 5 * METRICS_SERIES_MAX);
}

/* Each family stands once, with the samples of every core. */
static void test_several(void) {
  g_autoptr(Metrics) first = metrics_new(NULL, NULL), second = metrics_new(NULL, NULL);
  metrics_add(first, METRIC_ORDERS, 1, "valid", NULL);
  metrics_set(first, METRIC_HELD, 0, NULL);
  metrics_add(second, METRIC_ORDERS, 2, "valid", NULL);
  const Metrics *const all[] = {first, second, NULL};
  g_autofree char *text = metrics_text(all, (const char *const[]){"a/0", "a/1", NULL});
  has(text, "counter\nsignet_order_transitions_total{core=\"a/0\",status=\"valid\"} 1\n"
            "signet_order_transitions_total{core=\"a/1\",status=\"valid\"} 2\n");
  g_auto(GStrv) parts = g_strsplit(text, "# TYPE ", -1);
  g_assert_cmpuint(g_strv_length(parts), ==, 3);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/metrics/table", test_table);
  g_test_add_func("/metrics/text", test_text);
  g_test_add_func("/metrics/taking", test_taking);
  g_test_add_func("/metrics/nonsense", test_nonsense);
  g_test_add_func("/metrics/bounds", test_bounds);
  g_test_add_func("/metrics/several", test_several);
  return g_test_run();
}
