/* SPDX-License-Identifier: Apache-2.0 */
/* Notices to the mailboxes of certificates: once, durable, and only while they are true. */
#include "harness.h"

#define LEAD (14 * CLOCK_DAY)

static Lab *lab_with(const char *notices) {
  const char *overrides[] = {"mail.notices", notices, NULL};
  return lab_new_with(overrides);
}

static LabOrder *issued(Lab *lab, LabClient *client) {
  LabOrder *order = lab_ready(lab, client);
  lab_issue(order);
  return order;
}

static gint64 last_end(Lab *lab) {
  return lab_count(lab, "SELECT max(not_after) FROM certificate");
}

static void set_clock(Lab *lab, gint64 now) {
  lab->clock.now = now;
  lab_run(lab, JOB_SWEEP);
}

static void answer(Lab *lab, const Question *question, SenderOutcome outcome) {
  g_autoptr(GBytes) message = g_bytes_new_static("Subject: x\r\n\r\n", 14);
  const Delivery delivery = {outcome, 250, "words", message};
  LAB_TURN(lab, job_notice_delivered(&lab->acme, question, &delivery, NULL));
}

/* The next notice is of this kind; it is taken by the relay. */
static void expect_sent(Lab *lab, const char *kind) {
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_NOTICE, QUESTION_NOTICE, &question);
  g_assert_cmpstr(question.notice, ==, kind);
  answer(lab, &question, SENDER_ACCEPTED);
}

static void expect_none(Lab *lab) {
  g_auto(Question) question = {0};
  g_assert_false(lab_take(lab, JOB_NOTICE, &question));
}

/* A job is there, but what it was to say is not true any more. */
static void expect_dropped(Lab *lab) {
  g_auto(Question) question = {0};
  g_assert_true(lab_take(lab, JOB_NOTICE, &question));
  g_assert_cmpint(question.kind, ==, QUESTION_NONE);
  expect_none(lab);
}

static void test_off(void) {
  static const char *const settings[] = {"off", "expiry"};
  for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
    g_autoptr(Lab) lab = lab_with(settings[i]);
    g_autoptr(LabClient) client = lab_account(lab);
    g_autoptr(LabOrder) order = issued(lab, client);
    expect_none(lab);
  }
  g_autoptr(Lab) lab = lab_with("issuance");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  expect_sent(lab, "issuance");
  set_clock(lab, last_end(lab) - CLOCK_DAY);
  expect_none(lab);
}

/* To every mailbox of the certificate, once, whatever falls in between. */
static void test_issuance(void) {
  static const char *const addresses[] = {"Alice@example.org", "bob@other.example", NULL};
  g_autoptr(Lab) lab = lab_with("both");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  lab_validate(order, 0);
  lab_validate(order, 1);
  g_autoptr(Answer) finalized =
      lab_finalize_with(order, order->key, "email:alice@example.org,email:bob@other.example");
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  g_auto(Question) sign = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  lab_signed(lab, &sign);
  lab_signed(lab, &sign); /* the same answer twice */
  lab_restart(lab);
  g_auto(Question) first = {0}, second = {0};
  lab_ask(lab, JOB_NOTICE, QUESTION_NOTICE, &first);
  g_assert_cmpstr(first.notice, ==, "issuance");
  g_assert_cmpstr(first.from, ==, "acme-notice@" LAB_DOMAIN);
  g_assert_cmpstr(first.issuer, ==, "CN=Test Issuing");
  g_assert_cmpuint(strspn(first.serial, "0123456789ABCDEF"), ==, strlen(first.serial));
  g_assert_cmpint(first.not_after, ==, last_end(lab));
  answer(lab, &first, SENDER_ACCEPTED);
  answer(lab, &first, SENDER_ACCEPTED);
  lab_ask(lab, JOB_NOTICE, QUESTION_NOTICE, &second);
  g_assert_true(
      (strcmp(first.to, "Alice@example.org") == 0 && strcmp(second.to, "bob@other.example") == 0) ||
      (strcmp(second.to, "Alice@example.org") == 0 && strcmp(first.to, "bob@other.example") == 0));
  g_assert_cmpstr(first.message_id, !=, second.message_id);
  answer(lab, &second, SENDER_ACCEPTED);
  expect_none(lab);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM notice WHERE sent_at IS NOT NULL"), ==, 2);
}

static void test_relay(void) {
  g_autoptr(Lab) lab = lab_with("issuance");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  for (guint i = 0; i < 3; i++) {
    g_auto(Question) question = {0};
    lab_ask(lab, JOB_NOTICE, QUESTION_NOTICE, &question);
    answer(lab, &question, SENDER_TEMPORARY);
    expect_none(lab);
    lab->clock.now += CLOCK_MINUTE << i;
  }
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_NOTICE, QUESTION_NOTICE, &question);
  answer(lab, &question, SENDER_PERMANENT);
  expect_none(lab);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind = 'notice refused'"), ==,
                  1);
}

static void test_late(void) {
  g_autoptr(Lab) lab = lab_with("issuance");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  lab->clock.now += 3 * CLOCK_DAY;
  expect_dropped(lab);
}

static void test_expiry(void) {
  g_autoptr(Lab) lab = lab_with("expiry");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  gint64 end = last_end(lab);
  set_clock(lab, end - LEAD - 1);
  expect_none(lab);
  set_clock(lab, end - LEAD + CLOCK_MINUTE);
  expect_sent(lab, "expiry");
  set_clock(lab, end - CLOCK_DAY);
  expect_none(lab);
}

static void test_replaced(void) {
  g_autoptr(Lab) lab = lab_with("expiry");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  gint64 end = last_end(lab);
  lab->clock.now = end - LEAD - CLOCK_DAY;
  g_autoptr(LabOrder) newer = issued(lab, client);
  set_clock(lab, end - LEAD + CLOCK_MINUTE);
  expect_none(lab);
  set_clock(lab, last_end(lab) - LEAD + CLOCK_MINUTE);
  expect_sent(lab, "expiry"); /* of the newer one */
}

/* The newer one came between the sweep and the mail. */
static void test_replaced_meanwhile(void) {
  g_autoptr(Lab) lab = lab_with("expiry");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  set_clock(lab, last_end(lab) - LEAD + CLOCK_MINUTE);
  g_autoptr(LabOrder) newer = issued(lab, client);
  expect_dropped(lab);
}

/* A newer one for signing does not open what is encrypted. */
static void test_other_use(void) {
  g_autoptr(Lab) lab = lab_with("expiry");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  gint64 end = last_end(lab);
  lab->clock.now = end - LEAD - CLOCK_DAY;
  g_autoptr(LabOrder) newer = issued(lab, client);
  lab_sql(lab, "UPDATE orders SET usage = 1 WHERE id = (SELECT order_id FROM certificate"
               " ORDER BY not_after DESC LIMIT 1)");
  set_clock(lab, end - LEAD + CLOCK_MINUTE);
  expect_sent(lab, "expiry");
}

static void test_revoked(void) {
  g_autoptr(Lab) lab = lab_with("expiry");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) before = issued(lab, client);
  g_autoptr(GBytes) leaf = lab_leaf(before);
  gint64 end = last_end(lab);
  g_autoptr(Answer) answer_before = lab_revoke(lab, client, FALSE, leaf, NULL);
  g_assert_cmpuint(answer_before->status, ==, 200);
  set_clock(lab, end - LEAD + CLOCK_MINUTE);
  expect_none(lab);
  g_autoptr(LabOrder) meanwhile = issued(lab, client);
  g_autoptr(GBytes) second = lab_leaf(meanwhile);
  set_clock(lab, last_end(lab) - LEAD + CLOCK_MINUTE);
  g_autoptr(Answer) answer_meanwhile = lab_revoke(lab, client, FALSE, second, NULL);
  g_assert_cmpuint(answer_meanwhile->status, ==, 200);
  expect_dropped(lab);
}

/* A lead longer than the life: not before half of it is over. */
static void test_short_life(void) {
  static const char *const overrides[] = {"mail.notices", "expiry", "ca.validity", "10", NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = issued(lab, client);
  gint64 end = last_end(lab);
  set_clock(lab, LAB_NOW + 4 * CLOCK_DAY);
  expect_none(lab);
  set_clock(lab, end - 5 * CLOCK_DAY + CLOCK_MINUTE);
  expect_sent(lab, "expiry");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/notice/off", test_off);
  g_test_add_func("/acme/notice/issuance", test_issuance);
  g_test_add_func("/acme/notice/relay", test_relay);
  g_test_add_func("/acme/notice/late", test_late);
  g_test_add_func("/acme/notice/expiry", test_expiry);
  g_test_add_func("/acme/notice/replaced", test_replaced);
  g_test_add_func("/acme/notice/replaced-meanwhile", test_replaced_meanwhile);
  g_test_add_func("/acme/notice/other-use", test_other_use);
  g_test_add_func("/acme/notice/revoked", test_revoked);
  g_test_add_func("/acme/notice/short-life", test_short_life);
  return g_test_run();
}
