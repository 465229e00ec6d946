/* SPDX-License-Identifier: Apache-2.0 */
/* What came to nothing is removed when its time is over (security.md 10), in bounded steps; what a
   certificate rests on stays. */
#include "store/purge.h"
#include "tests/unit/acme/harness.h"

#define LIFETIME (72 * CLOCK_HOUR) /* of an order */
#define KEPT (30 * CLOCK_DAY)      /* from then on */

/* One step; FALSE when none is due. */
static gboolean purge(Lab *lab) {
  g_auto(Question) question = {0};
  gboolean due = lab_take(lab, JOB_PURGE, &question);
  g_assert_cmpint(question.kind, ==, QUESTION_NONE);
  return due;
}

static gint64 rows(Lab *lab, const char *table) {
  g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM %s", table);
  return lab_count(lab, sql);
}

/* What is shown before it is removed. */
static void assert_preview(Lab *lab, gint64 failed, gint64 of_no_order, gint64 ended) {
  PurgePreview preview;
  gint64 now = lab->clock.now,
         expired_before = now - config_number(lab->config, "store.keep-failed"),
         ended_before = now - config_number(lab->config, "ca.retention");
  g_assert_true(purge_preview(lab->acme.store, expired_before, ended_before, now, &preview, NULL));
  g_assert_cmpint(preview.failed.count, ==, failed);
  g_assert_cmpint(preview.free.count, ==, of_no_order);
  g_assert_cmpint(preview.ended.count, ==, ended);
  g_assert_cmpint(preview.failed.first, <=, preview.failed.last);
  g_assert_cmpint(preview.failed.last, <, expired_before);
  g_assert_cmpint(preview.ended.last, <, ended_before);
}

/* An order for two, with a mail that was sent, one that is yet to be, a note, and a reply that
   nobody has looked at. */
static LabOrder *leave_pending(Lab *lab, LabClient *client) {
  static const char *const two[] = {"alice@example.org", "bob@example.org", NULL};
  LabOrder *order = lab_order_of(lab, client, two);
  LabReply reply = lab_right_reply(order, 0);
  g_auto(Question) question = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  lab_delivered(lab, &question, SENDER_ACCEPTED, 250, "2.0.0 ok");
  g_free(reply.facts.from);
  reply.facts.from = g_strdup("mallory@example.org");
  lab_give_reply(order, 0, &reply);
  lab_reply_clear(&reply);
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  return order;
}

/* One whose CAA records forbid the certificate. */
static LabOrder *leave_forbidden(Lab *lab, LabClient *client) {
  LabOrder *order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_FOUND, ";");
  assert_status(order, order->order, "invalid");
  return order;
}

static void assert_gone(LabOrder *order) {
  const char *const urls[] = {order->order, order->authorizations->pdata[0],
                              order->challenges->pdata[0]};
  for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
    g_autoptr(Answer) answer = lab_post(order->lab, order->client, urls[i], NULL);
    g_assert_cmpuint(answer->status, ==, 404);
  }
}

/* Nothing hangs on what is gone. */
static void assert_whole(Lab *lab) {
  static const char *const loose[] = {
      "SELECT count(*) FROM job WHERE kind = 'mail' AND subject NOT IN (SELECT id FROM challenge)",
      "SELECT count(*) FROM job WHERE kind = 'judge' AND subject NOT IN (SELECT id FROM message)",
      "SELECT count(*) FROM job WHERE kind = 'issue' AND subject NOT IN (SELECT id FROM orders)",
      "SELECT count(*) FROM raw WHERE id NOT IN (SELECT raw_id FROM message)",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(loose); i++)
    g_assert_cmpint(lab_count(lab, loose[i]), ==, 0);
}

static const char *const tables[] = {"orders", "authz",     "challenge", "message",
                                     "raw",    "caa_check", "note"};

static void count_rows(Lab *lab, gint64 counts[G_N_ELEMENTS(tables)]) {
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
    counts[i] = rows(lab, tables[i]);
}

static void assert_rows(Lab *lab, const gint64 expected[G_N_ELEMENTS(tables)]) {
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
    gint64 count = rows(lab, tables[i]);
    if (count != expected[i])
      g_error("%s: %" G_GINT64_FORMAT " rows, not %" G_GINT64_FORMAT, tables[i], count,
              expected[i]);
  }
}

/* From order-lifetime and keep-failed on, not a millisecond earlier. */
static void test_removed(void) {
  static const char loose_jobs[] = "SELECT count(*) FROM job WHERE kind IN ('mail', 'judge')";
  gint64 kept[G_N_ELEMENTS(tables)], all[G_N_ELEMENTS(tables)];
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) issued = lab_ready(lab, client);
  lab_issue(issued);
  lab->clock.now += CLOCK_MINUTE;
  count_rows(lab, kept);
  g_autoptr(LabOrder) forbidden = leave_forbidden(lab, client);
  lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_cmpuint(lab_send_mails(lab), ==, 2); /* taken, and not sent: they are over */
  g_autoptr(LabOrder) pending = leave_pending(lab, client);
  g_autoptr(LabOrder) authorization = lab_authorize(lab, client, "alice@example.org");
  count_rows(lab, all);
  lab->clock.now += LIFETIME + KEPT;
  assert_preview(lab, 2, 0, 0); /* the open one will be among them */
  lab->clock.now -= LIFETIME + KEPT;
  gint64 over = lab->clock.now - 10 * CLOCK_SECOND + LIFETIME + KEPT; /* for the oldest */
  lab->clock.now = over - KEPT + 10 * CLOCK_SECOND;
  lab_run(lab, JOB_SWEEP);
  assert_status(pending, pending->order, "invalid");
  lab->clock.now = over;
  g_assert_true(purge(lab));
  assert_rows(lab, all);
  g_assert_cmpint(lab_count(lab, loose_jobs), ==, 3);
  lab->clock.now = over + 1;
  lab_restart(lab);
  g_assert_true(purge(lab));
  assert_gone(forbidden);
  assert_status(pending, pending->order, "invalid");
  lab->clock.now = over + 10 * CLOCK_SECOND + 1;
  lab_restart(lab);
  assert_preview(lab, 1, 1, 0);
  g_assert_true(purge(lab));
  assert_gone(pending);
  assert_rows(lab, kept);
  assert_whole(lab);
  g_assert_cmpint(lab_count(lab, loose_jobs), ==, 0);
  g_assert_cmpint(rows(lab, "audit WHERE kind = 'failed orders removed'"), ==, 2);
  assert_statuses(issued, "valid", "expired", "valid");
  g_autoptr(GBytes) leaf = lab_leaf(issued);
}

/* What led to a certificate goes when its retention is over, not a millisecond earlier; the audit
   records of it all stay. */
static void test_retention(void) {
  static const char ended[] = "SELECT max(not_after) FROM certificate";
  gint64 kept[G_N_ELEMENTS(tables)], none[G_N_ELEMENTS(tables)] = {0};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  count_rows(lab, kept);
  gint64 records = rows(lab, "audit");
  gint64 over = lab_count(lab, ended) + config_number(lab->config, "ca.retention");
  lab->clock.now = over;
  assert_preview(lab, 0, 0, 0);
  g_assert_true(purge(lab));
  assert_rows(lab, kept);
  lab->clock.now = over + 1;
  lab_restart(lab);
  assert_preview(lab, 0, 0, 1);
  g_assert_true(purge(lab));
  assert_rows(lab, none);
  g_assert_cmpint(rows(lab, "certificate"), ==, 0);
  assert_whole(lab);
  g_assert_cmpint(rows(lab, "audit WHERE kind = 'certificate removed'"), ==, 1);
  g_assert_cmpint(rows(lab, "audit WHERE kind IN ('signing', 'issued')"), ==, 2);
  g_assert_cmpint(rows(lab, "audit"), >=, records + 2);
}

static void add_spent(Lab *lab) {
  lab_sql(lab, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
               " INSERT INTO rate SELECT 'orders-per-account', 'x' || i, i FROM n");
}

/* A few a step; the next step is due at once while there are more. */
static void test_steps(void) {
  static const char *const alice[] = {"alice@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (guint i = 0; i < 12; i++)
    lab_order_free(lab_order_unread(lab, client, alice));
  for (guint i = 0; i < 15; i++)
    lab_order_free(lab_authorize(lab, client, "alice@example.org"));
  lab->clock.now += LIFETIME;
  lab_run(lab, JOB_SWEEP);
  lab->clock.now += KEPT + 1;
  assert_preview(lab, 12, 15, 0);
  g_assert_true(purge(lab));
  assert_preview(lab, 2, 5, 0);
  g_assert_cmpint(rows(lab, "orders"), ==, 2);
  g_assert_cmpint(rows(lab, "authz WHERE order_id IS NULL"), ==, 5);
  g_assert_true(purge(lab));
  g_assert_cmpint(rows(lab, "orders"), ==, 0);
  g_assert_cmpint(rows(lab, "authz"), ==, 0);
  g_assert_false(purge(lab));
  assert_whole(lab);
  lab->clock.now += 10 * CLOCK_MINUTE;
  add_spent(lab);
  for (gint64 left = 500; left >= -300; left -= 400) {
    g_assert_true(purge(lab));
    g_assert_cmpint(rows(lab, "rate"), ==, MAX(left, 0));
  }
  g_assert_false(purge(lab));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/purge/removed", test_removed);
  g_test_add_func("/acme/purge/retention", test_retention);
  g_test_add_func("/acme/purge/steps", test_steps);
  return g_test_run();
}
