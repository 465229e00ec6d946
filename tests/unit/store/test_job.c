/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/job.h"

#define LEASE 600000

static void add(Fixture *fixture, JobKind kind, guint8 subject, gint64 due_at) {
  Id id = an_id(subject);
  GOOD(job_add(fixture->store, kind, &id, due_at, &error));
}

/* The job that is taken at now is of the subject; returned. */
static Job take(Fixture *fixture, JobKind kind, gint64 now, guint8 subject) {
  Job job;
  Id id = an_id(subject);
  GIVES(STORE_FOUND, job_take_one(fixture->store, kind, now, now + LEASE, &job, &error));
  g_assert_cmpint(job.kind, ==, kind);
  g_assert_true(id_equal(&job.subject, &id));
  return job;
}

static void take_nothing(Fixture *fixture, JobKind kind, gint64 now) {
  Job job;
  GIVES(STORE_MISSING, job_take_one(fixture->store, kind, now, now + LEASE, &job, &error));
}

static void assert_next(Fixture *fixture, JobKind kind, gint64 expected) {
  gint64 due = 0;
  GOOD(job_next(fixture->store, kind, &due, &error));
  g_assert_cmpint(due, ==, expected);
}

static void test_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  assert_next(fixture, JOB_MAIL, G_MAXINT64);
  add(fixture, JOB_MAIL, 1, NOW + 2);
  add(fixture, JOB_MAIL, 2, NOW + 1);
  add(fixture, JOB_MAIL, 3, NOW + 10);
  add(fixture, JOB_JUDGE, 1, NOW);
  assert_next(fixture, JOB_MAIL, NOW + 1);
  take_nothing(fixture, JOB_MAIL, NOW);
  Job first = take(fixture, JOB_MAIL, NOW + 2, 2);
  g_assert_cmpint(first.due_at, ==, NOW + 1);
  g_assert_cmpint(first.attempts, ==, 1);
  take(fixture, JOB_MAIL, NOW + 2, 1);
  take_nothing(fixture, JOB_MAIL, NOW + 2);
  assert_next(fixture, JOB_MAIL, NOW + 10);
}

static void test_done(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_ISSUE, 1, NOW);
  Job job = take(fixture, JOB_ISSUE, NOW, 1);
  GOOD(job_done(fixture->store, &job, &error));
  assert_next(fixture, JOB_ISSUE, G_MAXINT64);
  GOOD(job_done(fixture->store, &job, &error));
}

/* Added twice it is one job, due at the earlier time. */
static void test_added_twice(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_CRL, 1, NOW + 100);
  add(fixture, JOB_CRL, 1, NOW + 200);
  assert_next(fixture, JOB_CRL, NOW + 100);
  add(fixture, JOB_CRL, 1, NOW + 50);
  assert_next(fixture, JOB_CRL, NOW + 50);
  Job job = take(fixture, JOB_CRL, NOW + 50, 1);
  take_nothing(fixture, JOB_CRL, NOW + 200);
  GOOD(job_done(fixture->store, &job, &error));
  assert_next(fixture, JOB_CRL, G_MAXINT64);
}

/* What is added while it is worked on is done once more, whenever it is due. */
static void test_added_in_flight(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const gint64 again_at[] = {NOW - 5, NOW, NOW + 5};
  for (guint8 i = 0; i < G_N_ELEMENTS(again_at); i++) {
    add(fixture, JOB_CRL, i, NOW);
    Job job = take(fixture, JOB_CRL, NOW, i);
    add(fixture, JOB_CRL, i, again_at[i]);
    take_nothing(fixture, JOB_CRL, NOW + 10); /* by one at a time */
    GOOD(job_done(fixture->store, &job, &error));
    Job again = take(fixture, JOB_CRL, NOW + 10, i);
    g_assert_cmpint(again.attempts, ==, 1);
    GOOD(job_done(fixture->store, &again, &error));
    assert_next(fixture, JOB_CRL, G_MAXINT64);
  }
}

static void test_added_in_flight_and_given_back(Fixture *fixture,
                                                gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_CRL, 1, NOW);
  Job job = take(fixture, JOB_CRL, NOW, 1);
  add(fixture, JOB_CRL, 1, NOW + 1);
  GOOD(job_again(fixture->store, &job, NOW + 20, TRUE, &error));
  take(fixture, JOB_CRL, NOW + 20, 1);
}

static void test_again(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_MAIL, 1, NOW);
  Job job = take(fixture, JOB_MAIL, NOW, 1);
  GOOD(job_again(fixture->store, &job, NOW + 60, TRUE, &error));
  assert_next(fixture, JOB_MAIL, NOW + 60);
  take_nothing(fixture, JOB_MAIL, NOW + 59);
  job = take(fixture, JOB_MAIL, NOW + 60, 1);
  g_assert_cmpint(job.attempts, ==, 2);
  GOOD(job_again(fixture->store, &job, NOW + 61, FALSE, &error));
  job = take(fixture, JOB_MAIL, NOW + 61, 1);
  g_assert_cmpint(job.attempts, ==, 2);
}

/* Those due longest, each once, and no more than asked for. */
static void test_several(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const guint8 expected[] = {3, 1, 2};
  g_autoptr(GArray) jobs = g_array_new(FALSE, FALSE, sizeof(Job));
  add(fixture, JOB_MAIL, 1, NOW - 2);
  add(fixture, JOB_MAIL, 2, NOW - 1);
  add(fixture, JOB_MAIL, 3, NOW - 3);
  add(fixture, JOB_MAIL, 4, NOW);
  add(fixture, JOB_MAIL, 5, NOW + 1);
  add(fixture, JOB_JUDGE, 6, NOW - 9);
  GOOD(job_take(fixture->store, JOB_MAIL, NOW, NOW + LEASE, 3, jobs, &error));
  g_assert_cmpuint(jobs->len, ==, G_N_ELEMENTS(expected));
  for (guint i = 0; i < jobs->len; i++) {
    const Job *job = &g_array_index(jobs, Job, i);
    Id id = an_id(expected[i]);
    g_assert_true(id_equal(&job->subject, &id));
    GIVES(STORE_FOUND, job_held(fixture->store, job, &error));
  }
  GOOD(job_take(fixture->store, JOB_MAIL, NOW, NOW + LEASE, 3, jobs, &error));
  g_assert_cmpuint(jobs->len, ==, 4);
  take_nothing(fixture, JOB_MAIL, NOW);
}

static void assert_waits(Fixture *fixture, const char *expected) {
  Job job;
  Id id = an_id(1);
  g_autofree char *waits_for = NULL;
  GIVES(STORE_FOUND, job_find(fixture->store, JOB_MAIL, &id, &job, &waits_for, &error));
  g_assert_cmpstr(waits_for, ==, expected);
}

/* Whom it asks first is shown when it is taken, whatever else is said of it from then on. */
static void test_waits(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = an_id(1);
  add(fixture, JOB_MAIL, 1, NOW);
  assert_waits(fixture, NULL);
  Job job = take(fixture, JOB_MAIL, NOW, 1);
  g_assert_false(job.said);
  assert_waits(fixture, job_asks[JOB_MAIL]);
  GIVES(STORE_CHANGED, job_explain(fixture->store, JOB_MAIL, &id, "a limit", &error));
  GIVES(STORE_UNCHANGED, job_explain(fixture->store, JOB_MAIL, &id, "a limit", &error));
  assert_waits(fixture, "a limit");
  GOOD(job_again(fixture->store, &job, NOW, TRUE, &error));
  job = take(fixture, JOB_MAIL, NOW, 1);
  g_assert_true(job.said);
  assert_waits(fixture, "a limit");
}

static void test_lease(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_MAIL, 1, NOW);
  take(fixture, JOB_MAIL, NOW, 1);
  assert_next(fixture, JOB_MAIL, NOW + LEASE);
  take_nothing(fixture, JOB_MAIL, NOW + LEASE - 1);
  Job job = take(fixture, JOB_MAIL, NOW + LEASE, 1);
  g_assert_cmpint(job.attempts, ==, 2);
}

/* After a crash what was taken is free at once, and what was put off stays put off. */
static void test_release(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_MAIL, 1, NOW);
  add(fixture, JOB_ISSUE, 2, NOW);
  add(fixture, JOB_JUDGE, 3, NOW + 50);
  take(fixture, JOB_MAIL, NOW, 1);
  take(fixture, JOB_ISSUE, NOW, 2);
  fixture_commit(fixture);
  store_rollback(fixture->store);
  store_close(fixture->store);
  fixture_open(fixture);
  take_nothing(fixture, JOB_MAIL, NOW);
  GOOD(job_release_all(fixture->store, &error));
  g_assert_cmpint(take(fixture, JOB_MAIL, NOW, 1).attempts, ==, 2);
  take(fixture, JOB_ISSUE, NOW, 2);
  take_nothing(fixture, JOB_JUDGE, NOW);
}

/* What was taken in a transaction that is undone was not taken. */
static void test_undone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_MAIL, 1, NOW);
  fixture_commit(fixture);
  take(fixture, JOB_MAIL, NOW, 1);
  store_rollback(fixture->store);
  GOOD(store_begin(fixture->store, &error));
  g_assert_cmpint(take(fixture, JOB_MAIL, NOW, 1).attempts, ==, 1);
}

static void assert_count(Fixture *fixture, gint64 count, gint64 oldest) {
  gint64 found = -1, due = -1;
  GOOD(job_count(fixture->store, JOB_MAIL, &found, &due, &error));
  g_assert_cmpint(found, ==, count);
  g_assert_cmpint(due, ==, oldest);
}

/* Those that are taken count too. */
static void test_count(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add(fixture, JOB_JUDGE, 1, NOW - 10);
  assert_count(fixture, 0, 0);
  add(fixture, JOB_MAIL, 1, NOW + 2);
  add(fixture, JOB_MAIL, 2, NOW + 1);
  assert_count(fixture, 2, NOW + 1);
  take(fixture, JOB_MAIL, NOW + 1, 2);
  assert_count(fixture, 2, NOW + 1);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/job/order", test_order);
  FIXTURE_TEST("/job/done", test_done);
  FIXTURE_TEST("/job/added-twice", test_added_twice);
  FIXTURE_TEST("/job/added-in-flight", test_added_in_flight);
  FIXTURE_TEST("/job/added-in-flight-and-given-back", test_added_in_flight_and_given_back);
  FIXTURE_TEST("/job/again", test_again);
  FIXTURE_TEST("/job/several", test_several);
  FIXTURE_TEST("/job/waits", test_waits);
  FIXTURE_TEST("/job/lease", test_lease);
  FIXTURE_TEST("/job/release", test_release);
  FIXTURE_TEST("/job/undone", test_undone);
  FIXTURE_TEST("/job/count", test_count);
  return g_test_run();
}
