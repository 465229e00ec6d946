/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit log has of an order, record by record (ca-rules 33; S/MIME BR 5.4.1): each step of
   its validation and each verdict about it, whichever way it ends. */
#include "harness.h"

#define FOUR                                                                                       \
  "ams https://ams.test/;fra https://fra.test/;nyc https://nyc.test/;sin https://sin.test/"

#define ASKED "order created\nauthorization created\nmail queued\nmail sent\nchallenge processing\n"
#define VALIDATED                                                                                  \
  ASKED "mail received\nreply judged\nchallenge valid\nauthorization status\n"                     \
        "order status\norder status\n" /* ready, processing */

static const char *const with_linter[] = {"ca.linter", "/usr/bin/linter", NULL};

/* One order with its lab. */
typedef struct {
  Lab *lab;
  LabClient *client;
  LabOrder *order;
} Bench;

static void bench_close(Bench *bench) {
  lab_order_free(bench->order);
  lab_client_free(bench->client);
  lab_free(bench->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_close)

/* Its mail has left. */
static Bench ordered(const char *const *settings) {
  Bench bench = {.lab = settings != NULL ? lab_new_with(settings) : lab_new()};
  bench.client = lab_account(bench.lab);
  bench.order = lab_order(bench.lab, bench.client);
  bench.lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_cmpuint(lab_send_mails(bench.lab), ==, 1);
  return bench;
}

static Bench finalized(const char *const *settings) {
  Bench bench = ordered(settings);
  lab_validate(bench.order, 0);
  g_autoptr(Answer) answer = lab_finalize(bench.order);
  g_assert_cmpuint(answer->status, ==, 200);
  return bench;
}

static void lint(Lab *lab, const char *findings, const char *failure) {
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_LINT, &question);
  LAB_TURN(lab, job_linted(&lab->acme, &question, findings, failure, NULL));
}

/* The kinds of all records that name the order, in their order, a line each. */
static char *kinds_of(const Bench *bench) {
  g_autofree char *subject = g_strdup_printf("%%order/%s%%", strrchr(bench->order->order, '/') + 1);
  return lab_column(bench->lab,
                    "SELECT group_concat(kind || char(10), '') FROM (SELECT kind FROM audit"
                    " WHERE subject LIKE ?1 ORDER BY number)",
                    subject);
}

static void assert_kinds(const Bench *bench, const char *expected) {
  g_autofree char *kinds = kinds_of(bench);
  g_assert_cmpstr(kinds, ==, expected);
}

/* The last record of a kind says all of words, which end with NULL. */
static void assert_says(const Bench *bench, const char *kind, ...) {
  g_autofree char *detail = lab_column(
      bench->lab, "SELECT detail FROM audit WHERE kind = ?1 ORDER BY number DESC LIMIT 1", kind);
  va_list all;
  va_start(all, kind);
  for (const char *words = va_arg(all, const char *); words != NULL;
       words = va_arg(all, const char *))
    if (strstr(detail, words) == NULL)
      g_error("%s: no %s in %s", kind, words, detail);
  va_end(all);
}

static void test_issued(void) {
  g_auto(Bench) bench = finalized(NULL);
  lab_answer_caa(bench.lab, RESOLVER_FOUND, "ca.example.org");
  lab_answer_build(bench.lab);
  lab_answer_sign(bench.lab);
  assert_kinds(&bench, VALIDATED "caa checked\nsigning\nissued\norder status\n");
  assert_says(&bench, "caa checked", "verdict=\"permitted\"", "domain=\"example.org\"", NULL);
  assert_says(&bench, "signing", "serial=\"", "tbs-sha256=\"", NULL);
  assert_says(&bench, "issued", "sha256=\"", NULL);
  assert_says(&bench, "order status", "status=\"valid\"", NULL);
  assert_says(&bench, "challenge valid", "address=\"Alice@example.org\"",
              "method=\"3.2.2.4 ACME email-reply-00\"", NULL);
}

static void test_issued_with_linter(void) {
  g_auto(Bench) bench = finalized(with_linter);
  lab_answer_caa(bench.lab, RESOLVER_NONE, NULL);
  lab_answer_build(bench.lab);
  assert_kinds(&bench, VALIDATED "caa checked\nbuilt\n");
  assert_says(&bench, "built", "serial=\"", "tbs-sha256=\"", NULL);
  lint(bench.lab, "", "");
  assert_says(&bench, "signing", "linter=\"nothing found\"", NULL);
  lab_answer_sign(bench.lab);
  assert_kinds(&bench, VALIDATED "caa checked\nbuilt\nsigning\nissued\norder status\n");
}

static void test_forbidden(void) {
  g_auto(Bench) bench = finalized(NULL);
  lab_answer_caa(bench.lab, RESOLVER_FOUND, "other.example.net");
  assert_kinds(&bench, VALIDATED "caa checked\norder status\n");
  assert_says(&bench, "caa checked", "verdict=\"forbidden\"", "names another CA", NULL);
  assert_says(&bench, "order status", "status=\"invalid\"", "problem=\"caa\"", "names another CA",
              NULL);
}

/* What the perspectives said counts in the verdict, and stands in its record. */
static void test_unseen_elsewhere(void) {
  static const char *const settings[] = {"dns.perspectives", FOUR, "dns.perspectives-quorum", "0",
                                         NULL};
  g_auto(Bench) bench = ordered(settings);
  LabReply reply = lab_right_reply(bench.order, 0);
  g_autoptr(Answer) posted = lab_challenge(bench.order, 0, "{}");
  lab_give_reply(bench.order, 0, &reply); /* nobody sees the key */
  g_free(reply.signature.reason);
  lab_reply_clear(&reply);
  assert_says(&bench, "challenge note", "rule=\"dkim\"",
              "only 0 of 4 network perspectives see its key record, 3 must", NULL);
  assert_kinds(&bench, ASKED "mail received\nchallenge note\n");
}

static void test_lint_refused(void) {
  g_auto(Bench) bench = finalized(NULL);
  g_auto(Question) question = {0};
  lab_answer_caa(bench.lab, RESOLVER_NONE, NULL);
  lab_ask(bench.lab, JOB_ISSUE, QUESTION_BUILD, &question);
  lab_built(bench.lab, &question, "validity: too long");
  assert_kinds(&bench, VALIDATED "caa checked\nlint refused\norder status\n");
  assert_says(&bench, "lint refused", "serial=\"", "tbs-sha256=\"",
              "findings=\"validity: too long\"", NULL);
}

static void test_linter_refused(void) {
  g_auto(Bench) bench = finalized(with_linter);
  lab_answer_caa(bench.lab, RESOLVER_NONE, NULL);
  lab_answer_build(bench.lab);
  lint(bench.lab, "ERROR: it is ugly", "");
  assert_kinds(&bench, VALIDATED "caa checked\nbuilt\nlint refused\norder status\n");
  assert_says(&bench, "lint refused", "linter=\"ERROR: it is ugly\"", NULL);
  assert_says(&bench, "order status", "status=\"invalid\"", "it is ugly", NULL);
}

static void test_linter_silent(void) {
  g_auto(Bench) bench = finalized(with_linter);
  lab_answer_caa(bench.lab, RESOLVER_NONE, NULL);
  lab_answer_build(bench.lab);
  for (guint i = 0; i < 5; i++) {
    lint(bench.lab, "", "it did not answer in time");
    bench.lab->clock.now += 5 * CLOCK_MINUTE;
  }
  assert_kinds(&bench, VALIDATED "caa checked\nbuilt\norder status\n");
  assert_says(&bench, "order status", "status=\"invalid\"", "gave no verdict",
              "it did not answer in time", NULL);
}

/* A request that is refused leaves the order as it is; another may follow. */
static void test_request_refused(void) {
  g_auto(Bench) bench = ordered(NULL);
  lab_validate(bench.order, 0);
  g_autoptr(Answer) refused =
      lab_finalize_with(bench.order, bench.order->key, "email:eve@example.org");
  g_assert_cmpuint(refused->status, ==, 400);
  assert_status(bench.order, bench.order->order, "ready");
  assert_says(&bench, "certificate request refused", "problem=\"badCSR\"", "eve@example.org", NULL);
  g_autoptr(Answer) nothing = lab_post(bench.lab, bench.client, bench.order->finalize, "{}");
  g_assert_cmpuint(nothing->status, ==, 400);
  assert_says(&bench, "certificate request refused", "problem=\"malformed\"", NULL);
  g_assert_cmpint(
      lab_count(bench.lab, "SELECT count(*) FROM audit WHERE kind = 'certificate request refused'"),
      ==, 2);
}

static void test_revoked(gconstpointer by_key) {
  g_auto(Bench) bench = finalized(NULL);
  lab_answer_caa(bench.lab, RESOLVER_NONE, NULL);
  lab_answer_build(bench.lab);
  lab_answer_sign(bench.lab);
  g_autoptr(GBytes) leaf = lab_leaf(bench.order);
  EVP_PKEY_up_ref(bench.order->key);
  g_autoptr(LabClient) holder = lab_client_of(bench.order->key);
  g_autoptr(Answer) answer = lab_revoke(bench.lab, by_key != NULL ? holder : bench.client,
                                        by_key != NULL, leaf, by_key != NULL ? "1" : "4");
  g_assert_cmpuint(answer->status, ==, 200);
  if (by_key != NULL)
    assert_says(&bench, "key blocked", "key=\"", "why=\"revoked for keyCompromise\"", NULL);
  assert_says(&bench, "certificate revoked", "serial=\"",
              by_key != NULL ? "reason=\"1\"" : "reason=\"4\"",
              by_key != NULL ? "by=\"key\"" : "by=\"account\"", NULL);
  assert_kinds(&bench, by_key != NULL ? VALIDATED "caa checked\nsigning\nissued\norder status\n"
                                                  "key blocked\ncertificate revoked\n"
                                      : VALIDATED "caa checked\nsigning\nissued\norder status\n"
                                                  "certificate revoked\n");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/records/issued", test_issued);
  g_test_add_func("/acme/records/issued-with-linter", test_issued_with_linter);
  g_test_add_func("/acme/records/forbidden", test_forbidden);
  g_test_add_func("/acme/records/unseen-elsewhere", test_unseen_elsewhere);
  g_test_add_func("/acme/records/lint-refused", test_lint_refused);
  g_test_add_func("/acme/records/linter-refused", test_linter_refused);
  g_test_add_func("/acme/records/linter-silent", test_linter_silent);
  g_test_add_func("/acme/records/request-refused", test_request_refused);
  g_test_add_data_func("/acme/records/revoked-by-account", NULL, test_revoked);
  g_test_add_data_func("/acme/records/revoked-by-key", "key", test_revoked);
  return g_test_run();
}
