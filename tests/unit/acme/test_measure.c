/* SPDX-License-Identifier: Apache-2.0 */
/* What core counts: what was recorded and committed, and how things stand. */
#include "acme/measure.h"
#include "harness.h"
#include "store/job.h"

static double sum(Lab *lab, MetricName name) {
  return metrics_sum(lab->acme.metrics, name);
}

static void write_record(Lab *lab, const char *status, gboolean keep) {
  g_assert_true(store_begin(lab->acme.store, NULL));
  g_assert_true(record(&lab->acme, lab->clock.now, "order status", (About){.order = NULL}, NULL,
                       "status", status, "problem", "caa", NULL));
  g_assert_true(store_commit(lab->acme.store, NULL));
  record_settle(&lab->acme, keep);
}

/* A record whose transaction was undone is forgotten, and not counted. */
static void test_events(void) {
  g_autoptr(Lab) lab = lab_new();
  lab->acme.metrics = measure_new(&lab->acme);
  g_assert_cmpfloat(sum(lab, METRIC_ORDERS), ==, 0);
  write_record(lab, "invalid", FALSE);
  g_assert_cmpfloat(sum(lab, METRIC_ORDERS), ==, 0);
  g_assert_cmpfloat(sum(lab, METRIC_EVENTS), ==, 0);
  write_record(lab, "invalid", TRUE);
  write_record(lab, "valid", TRUE);
  g_assert_cmpfloat(sum(lab, METRIC_ORDERS), ==, 2);
  g_assert_cmpfloat(sum(lab, METRIC_EVENTS), ==, 2);
  g_assert_cmpfloat(sum(lab, METRIC_ORDER_FAILURES), ==, 1);
  metrics_free(lab->acme.metrics);
}

static void refuse(Lab *lab, const char *limit) {
  record_refusal(&lab->acme, "status", "429", "problem", "rateLimited", "limit", limit, NULL);
}

/* A refusal stays when its handler is undone, and goes with the transaction. */
static void test_refusals(void) {
  g_autoptr(Lab) lab = lab_new();
  lab->acme.metrics = measure_new(&lab->acme);
  g_assert_true(store_begin(lab->acme.store, NULL));
  g_assert_true(record(&lab->acme, lab->clock.now, "order status", (About){.order = NULL}, NULL,
                       "status", "valid", NULL));
  refuse(lab, "orders-per-account");
  g_assert_true(record(&lab->acme, lab->clock.now, "order status", (About){.order = NULL}, NULL,
                       "status", "invalid", NULL));
  record_undo(&lab->acme, 1);
  g_assert_true(store_commit(lab->acme.store, NULL));
  record_settle(&lab->acme, TRUE);
  g_assert_cmpfloat(sum(lab, METRIC_ORDERS), ==, 1);
  g_assert_cmpfloat(sum(lab, METRIC_EVENTS), ==, 1);
  g_assert_cmpfloat(sum(lab, METRIC_PROBLEMS), ==, 1);
  g_assert_cmpfloat(sum(lab, METRIC_LIMITS), ==, 1);
  refuse(lab, NULL);
  record_settle(&lab->acme, FALSE);
  g_assert_cmpfloat(sum(lab, METRIC_PROBLEMS), ==, 1);
  refuse(lab, NULL);
  record_settle(&lab->acme, TRUE);
  g_assert_cmpfloat(sum(lab, METRIC_PROBLEMS), ==, 2);
  g_assert_cmpfloat(sum(lab, METRIC_LIMITS), ==, 1);
  metrics_free(lab->acme.metrics);
}

static void has(const Lab *lab, const char *line) {
  const Metrics *const all[] = {lab->acme.metrics, NULL};
  g_autofree char *text = metrics_text(all, (const char *const[]){measure_core(&lab->acme), NULL});
  if (strstr(text, line) == NULL)
    g_error("no %s in\n%s", line, text);
}

static void stand(Lab *lab) {
  g_autoptr(GError) error = NULL;
  lab_begin(lab);
  g_assert_true(measure_standing(&lab->acme, lab->clock.now, &error));
  g_assert_no_error(error);
  lab_commit(lab, TRUE);
}

static void test_standing(void) {
  g_autoptr(Lab) lab = lab_new();
  Id nobody = {{0}};
  lab->acme.metrics = measure_new(&lab->acme);
  lab->acme.roles = g_variant_ref_sink(g_variant_new_parsed(
      "[(uint32 2, uint32 0, uint32 77, int64 1, uint32 3), (1, 4, 0, 1, 0), (99, 0, 1, 1, 0)]"));
  lab->acme.ends = g_variant_ref_sink(g_variant_new_parsed("[('root', int64 1772323200500)]"));
  lab_begin(lab);
  g_assert_true(
      job_add(lab->acme.store, JOB_NOTICE, &nobody, lab->clock.now - 90 * CLOCK_SECOND, NULL));
  g_assert_true(job_add(lab->acme.store, JOB_IODEF, &nobody, lab->clock.now + CLOCK_HOUR, NULL));
  lab_commit(lab, TRUE);
  stand(lab);
  has(lab, "signet_jobs{core=\"local\",kind=\"notice\"} 1\n");
  has(lab, "signet_job_overdue_seconds{core=\"local\",kind=\"notice\"} 90\n");
  has(lab, "signet_job_overdue_seconds{core=\"local\",kind=\"iodef\"} 0\n");
  has(lab, "signet_jobs{core=\"local\",kind=\"judge\"} 0\n");
  has(lab, "signet_role_up{core=\"local\",role=\"core\",index=\"0\"} 1\n");
  has(lab, "signet_role_up{core=\"local\",role=\"edge\",index=\"4\"} 0\n");
  has(lab, "signet_role_restarts_total{core=\"local\",role=\"core\",index=\"0\"} 3\n");
  has(lab, "signet_end_timestamp_seconds{core=\"local\",what=\"root\"} 1772323200.5\n");
  has(lab, "signet_issuance_held{core=\"local\"} 0\n");
  has(lab, "signet_revocation_lists{core=\"local\"} ");
  g_clear_pointer(&lab->acme.ends, g_variant_unref);
  stand(lab);
  g_assert_cmpfloat(sum(lab, METRIC_ENDS), ==, 0); /* what is gone is not told any more */
  g_clear_pointer(&lab->acme.roles, g_variant_unref);
  metrics_free(lab->acme.metrics);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/measure/events", test_events);
  g_test_add_func("/measure/refusals", test_refusals);
  g_test_add_func("/measure/standing", test_standing);
  return g_test_run();
}
