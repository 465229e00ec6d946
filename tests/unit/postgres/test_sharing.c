/* SPDX-License-Identifier: Apache-2.0 */
/* What holds between several processes that write to one database. */
#include "store/audit.h"
#include "store/audit_feed.h"
#include "store/crl_shard.h"
#include "store/issuance_stop.h"
#include "store/job.h"
#include "store/lock.h"
#include "store/nonce.h"
#include "store/setting.h"
#include "tests/unit/postgres/pair.h"

static void test_one_owner(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  g_assert_null(store_open(&fixture->place, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_BUSY);
  g_assert_nonnull(strstr(failure->message, DATABASE_OWNER));
  add_account(fixture->store, 1); /* the first one is not disturbed */
  fixture_commit(fixture);
  g_autoptr(Store) other = open_as(fixture, "node/1");
  GOOD(store_begin(other, &error));
  g_assert_cmpint(number_of(other, "SELECT count(*) FROM account"), ==, 1);
  store_rollback(fixture->store);
  store_close(fixture->store);
  fixture_open(fixture); /* and leaves the name behind */
}

static int open_one(Store *store G_GNUC_UNUSED, GError **error) {
  static gint number = 1;
  g_autofree char *owner = g_strdup_printf("node/%d", g_atomic_int_add(&number, 1));
  StorePlace place = {.postgresql = g_getenv("SIGNET_TEST_FRESH"), .owner = owner};
  g_autoptr(Store) opened = store_open(&place, error);
  return opened != NULL;
}

/* All make the schema, and one does. */
static void test_start_at_once(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED) {
  StorePlace place = database_new();
  Meanwhile starts[4];
  GThread *threads[G_N_ELEMENTS(starts)];
  g_setenv("SIGNET_TEST_FRESH", place.postgresql, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS(starts); i++) {
    starts[i] = (Meanwhile){.run = open_one};
    threads[i] = meanwhile_start(&starts[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(starts); i++) {
    g_thread_join(threads[i]);
    g_assert_no_error(starts[i].error);
  }
  database_clear(&place);
}

/* A lock goes out with what is read after it. */
static gboolean lock(Store *store, const Id *id, GError **error) {
  g_autoptr(Account) account = NULL;
  return store_lock_account(store, id, error) &&
         account_find(store, id, &account, error) == STORE_FOUND;
}

static int lock_first(Store *store, GError **error) {
  Id first = an_id(1);
  return lock(store, &first, error);
}

static void test_deadlock(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  g_autoptr(GError) failure = NULL;
  Id first = add_account(fixture->store, 1), second = add_account(fixture->store, 2);
  fixture_commit(fixture);
  GOOD(store_begin(other, &error));
  GOOD(lock(other, &second, &error));
  GOOD(lock(fixture->store, &first, &error));
  Meanwhile blocked = {.store = other, .run = lock_first};
  GThread *thread = meanwhile_start(&blocked);
  wait_until_blocked(fixture);
  gboolean own = lock(fixture->store, &second, &failure);
  if (!own)
    store_rollback(fixture->store);
  g_thread_join(thread);
  g_assert_cmpint(own + blocked.result, ==, 1);
  g_assert_true(g_error_matches(own ? blocked.error : failure, STORE_ERROR, STORE_ERROR_AGAIN));
  g_clear_error(&blocked.error);
  store_rollback(other);
  GOOD(store_begin(other, &error)); /* the one who lost can run again */
  if (own)
    store_rollback(fixture->store);
  GOOD(lock(other, &first, &error));
}

/* --- nonces
 * -----------------------------------------------------------------------------------------------
 */

static int use_nonce(Store *store, GError **error) {
  g_autoptr(GBytes) nonce = octets("a nonce");
  return nonce_use(store, nonce, NOW + 10, FALSE, error);
}

static StoreChange use_to_read(Store *store, const char *text, GError **error) {
  g_autoptr(GBytes) nonce = octets(text);
  return nonce_use(store, nonce, NOW + 10, TRUE, error);
}

static void test_nonce(Fixture *fixture, gconstpointer data) {
  gboolean kept = GPOINTER_TO_INT(data);
  g_autoptr(Store) other = open_as(fixture, "node/1");
  GIVES(STORE_CHANGED, use_nonce(fixture->store, &error));
  GOOD(store_begin(other, &error));
  Meanwhile second = {.store = other, .run = use_nonce};
  GThread *thread = meanwhile_start(&second);
  wait_until_blocked(fixture); /* it cannot be known yet */
  if (kept)
    fixture_commit(fixture);
  else
    fixture_undo(fixture);
  g_thread_join(thread);
  g_assert_no_error(second.error);
  g_assert_cmpint(second.result, ==, kept ? STORE_UNCHANGED : STORE_CHANGED);
}

/* A request that only reads waits for no disk, and is no commit in the owner's row; one that asked
   for a change does, and one that was undone. */
static void test_nonce_alone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char commits[] = "SELECT commits FROM writer",
                    waits[] = "SELECT CASE current_setting('synchronous_commit') WHEN 'on' THEN 1"
                              " ELSE 0 END";
  fixture_commit(fixture);
  gint64 before = number_of(fixture->store, commits);
  GIVES(STORE_CHANGED, use_to_read(fixture->store, "one", &error));
  GOOD(store_keep_so_far(fixture->store, &error));
  fixture_commit(fixture);
  g_assert_cmpint(number_of(fixture->store, commits), ==, before);
  g_assert_cmpint(number_of(fixture->store, "SELECT count(*) FROM nonce"), ==, 1);
  g_assert_cmpint(number_of(fixture->store, waits), ==, 1);
  GIVES(STORE_UNCHANGED, use_to_read(fixture->store, "one", &error));
  add_account(fixture->store, 7);
  fixture_commit(fixture);
  g_assert_cmpint(number_of(fixture->store, commits), ==, before + 1);
  GIVES(STORE_CHANGED, use_nonce(fixture->store, &error));
  fixture_commit(fixture);
  g_assert_cmpint(number_of(fixture->store, commits), ==, before + 2);
  GIVES(STORE_CHANGED, use_to_read(fixture->store, "two", &error));
  GOOD(store_keep_so_far(fixture->store, &error));
  GOOD(store_handler_end(fixture->store, FALSE, &error));
  fixture_commit(fixture);
  g_assert_cmpint(number_of(fixture->store, commits), ==, before + 3);
  g_assert_cmpint(number_of(fixture->store, "SELECT count(*) FROM nonce"), ==, 3);
}

static void test_nonce_key(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  g_autoptr(GBytes) first = octets("key of the first"), second = octets("key of the second");
  GError *problem = NULL;
  g_autoptr(GBytes) one = nonce_key(fixture->store, first, &problem);
  g_assert_no_error(problem);
  fixture_commit(fixture);
  GOOD(store_begin(other, &error));
  g_autoptr(GBytes) two = nonce_key(other, second, &problem);
  g_assert_no_error(problem);
  assert_octets(one, "key of the first");
  assert_octets(two, "key of the first");
}

/* --- jobs
 * -----------------------------------------------------------------------------------------------
 */

#define JOBS 60

/* Takes and ends all that it can; how many. */
static int work(Store *store, GError **error) {
  int done = 0;
  for (;;) {
    Job job;
    StoreFind found = STORE_LOOKUP_FAILED;
    if (store_begin(store, error))
      found = job_take_one(store, JOB_MAIL, NOW, NOW + 60000, &job, error);
    gboolean good = found != STORE_LOOKUP_FAILED &&
                    (found == STORE_MISSING || job_done(store, &job, error)) &&
                    store_commit(store, error);
    if (!good)
      return -1;
    if (found == STORE_MISSING)
      return done;
    done++;
  }
}

static void test_jobs_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  for (guint8 i = 0; i < JOBS; i++) {
    Id subject = an_id(i);
    GOOD(job_add(fixture->store, JOB_MAIL, &subject, NOW - i, &error));
  }
  GOOD(store_commit(fixture->store, &error));
  Meanwhile second = {.store = other, .run = work};
  GThread *thread = meanwhile_start(&second);
  GError *problem = NULL;
  int own = work(fixture->store, &problem);
  g_thread_join(thread);
  g_assert_no_error(problem);
  g_assert_no_error(second.error);
  g_assert_cmpint(own + second.result, ==, JOBS);
}

/* What another's transaction takes is left out without waiting. */
static void test_job_skipped(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  Id first = an_id(1), second = an_id(2);
  Job job;
  GOOD(job_add(fixture->store, JOB_MAIL, &first, NOW - 2, &error));
  GOOD(job_add(fixture->store, JOB_MAIL, &second, NOW - 1, &error));
  fixture_commit(fixture);
  GIVES(STORE_FOUND, job_take_one(fixture->store, JOB_MAIL, NOW, NOW + 10, &job, &error));
  g_assert_true(id_equal(&job.subject, &first));
  GOOD(store_begin(other, &error));
  GIVES(STORE_FOUND, job_take_one(other, JOB_MAIL, NOW, NOW + 10, &job, &error));
  g_assert_true(id_equal(&job.subject, &second));
  GIVES(STORE_MISSING, job_take_one(other, JOB_MAIL, NOW, NOW + 10, &job, &error));
}

/* While an answer is dealt with nobody takes its job, though its time is over; then its taker's it
   is no more. */
static void test_job_held(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  Id subject = an_id(1);
  Job job, taken;
  GOOD(job_add(fixture->store, JOB_MAIL, &subject, NOW, &error));
  GIVES(STORE_FOUND, job_take_one(fixture->store, JOB_MAIL, NOW, NOW + 10, &taken, &error));
  fixture_commit(fixture);
  GIVES(STORE_FOUND, job_held(fixture->store, &taken, &error));
  GOOD(store_begin(other, &error));
  GIVES(STORE_MISSING, job_held(other, &taken, &error));
  store_rollback(other);
  GOOD(store_begin(other, &error));
  GIVES(STORE_MISSING, job_take_one(other, JOB_MAIL, NOW + 20, NOW + 30, &job, &error));
  fixture_commit(fixture);
  GIVES(STORE_FOUND, job_take_one(other, JOB_MAIL, NOW + 20, NOW + 30, &job, &error));
  GOOD(store_commit(other, &error));
  GIVES(STORE_MISSING, job_held(fixture->store, &taken, &error));
}

/* One that is free again is nobody's, though nobody took it since. */
static void test_job_freed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id subject = an_id(1);
  Job taken;
  GOOD(job_add(fixture->store, JOB_MAIL, &subject, NOW, &error));
  GIVES(STORE_FOUND, job_take_one(fixture->store, JOB_MAIL, NOW, NOW + 10, &taken, &error));
  GIVES(STORE_FOUND, job_held(fixture->store, &taken, &error));
  GOOD(job_again(fixture->store, &taken, NOW + 5, FALSE, &error));
  GIVES(STORE_MISSING, job_held(fixture->store, &taken, &error));
}

/* A taking that was undone, of which its core may not know that, is not taken for the next one. */
static void test_job_undone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id subject = an_id(1);
  Job undone, taken;
  GOOD(job_add(fixture->store, JOB_MAIL, &subject, NOW, &error));
  fixture_commit(fixture);
  GIVES(STORE_FOUND, job_take_one(fixture->store, JOB_MAIL, NOW, NOW + 10, &undone, &error));
  fixture_undo(fixture);
  GIVES(STORE_FOUND, job_take_one(fixture->store, JOB_MAIL, NOW + 1, NOW + 11, &taken, &error));
  GIVES(STORE_MISSING, job_held(fixture->store, &undone, &error));
  GIVES(STORE_FOUND, job_held(fixture->store, &taken, &error));
}

static void test_start_frees_own(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  Id first = an_id(1), second = an_id(2);
  Job job, taken;
  GOOD(job_add(fixture->store, JOB_MAIL, &first, NOW - 2, &error));
  GOOD(job_add(fixture->store, JOB_MAIL, &second, NOW - 1, &error));
  GIVES(STORE_FOUND, job_take_one(fixture->store, JOB_MAIL, NOW, NOW + 10, &taken, &error));
  fixture_commit(fixture);
  GOOD(store_begin(other, &error));
  GIVES(STORE_FOUND, job_take_one(other, JOB_MAIL, NOW, NOW + 10, &job, &error));
  GOOD(job_release_all(other, &error));
  GIVES(STORE_FOUND, job_take_one(other, JOB_MAIL, NOW, NOW + 10, &job, &error));
  g_assert_true(id_equal(&job.subject, &second));
  GIVES(STORE_MISSING, job_take_one(other, JOB_MAIL, NOW, NOW + 10, &job, &error));
  GOOD(store_commit(other, &error));
  GIVES(STORE_FOUND, job_held(fixture->store, &taken, &error));
}

/* --- what is decided by what is not there
 * --------------------------------------------------------------------- */

static int block_key(Store *store, GError **error) {
  g_autoptr(GBytes) digest = octets("digest of the key");
  g_autoptr(GPtrArray) found = NULL;
  if (!key_block(store, digest, NOW, "lost", error))
    return -1;
  found = certificate_list_by_key(store, digest, 10, error);
  return found != NULL ? (int)found->len : -1;
}

/* Who blocks a key finds every certificate that was made because it was not blocked. */
static void test_key_blocked(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  g_autoptr(GBytes) digest = octets("digest of the key");
  GIVES(STORE_MISSING, key_blocked(fixture->store, digest, &error));
  GOOD(store_begin(other, &error));
  Meanwhile blocks = {.store = other, .run = block_key};
  GThread *thread = meanwhile_start(&blocks);
  wait_until_blocked(fixture);
  add_certificate(fixture->store, 1, 1);
  fixture_commit(fixture);
  g_thread_join(thread);
  g_assert_no_error(blocks.error);
  g_assert_cmpint(blocks.result, ==, 1);
}

static int stop_issuance(Store *store, GError **error) {
  const IssuanceStop stop = {.at = NOW, .reason = (char *)"why", .uid = (char *)"0"};
  return issuance_stop_set(store, &stop, error);
}

static void test_issuance_stop(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  IssuanceStop *stop = NULL;
  GIVES(STORE_MISSING, issuance_stop_find(fixture->store, &stop, &error));
  GOOD(store_begin(other, &error));
  Meanwhile stops = {.store = other, .run = stop_issuance};
  GThread *thread = meanwhile_start(&stops);
  wait_until_blocked(fixture);
  fixture_commit(fixture);
  g_thread_join(thread);
  g_assert_cmpint(stops.result, ==, STORE_CHANGED);
  GOOD(store_commit(other, &error));
  GIVES(STORE_FOUND, issuance_stop_find(fixture->store, &stop, &error));
  issuance_stop_free(stop);
}

static int take_place(Store *store, GError **error) {
  g_autoptr(GBytes) issuer = octets("issuer");
  gint64 number = 0;
  gboolean opened = FALSE;
  return crl_shard_take(store, issuer, &number, &opened, error) ? (int)number : -1;
}

/* Nobody waits for the commit of another one that issues; all count. */
static void test_shard_together(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  GError *problem = NULL;
  g_assert_cmpint(take_place(fixture->store, &problem), ==, 1);
  GOOD(sql_run(fixture->store, &error, "UPDATE crl_shard SET issued = ?1", "i",
               (gint64)CRL_SHARD_SIZE - 3));
  fixture_commit(fixture);
  g_assert_cmpint(take_place(fixture->store, &problem), ==, 1);
  GOOD(store_begin(other, &error));
  GOOD(sql_run(other, &error, "SET LOCAL lock_timeout = 1", ""));
  g_assert_cmpint(take_place(other, &problem), ==, 1);
  g_assert_no_error(problem);
  GOOD(store_commit(other, &error));
  fixture_commit(fixture);
  g_assert_cmpint(take_place(fixture->store, &problem), ==, 2);
}

/* Two who find the list full make one new list. */
static void test_shard_opened_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  GError *problem = NULL;
  g_assert_cmpint(take_place(fixture->store, &problem), ==, 1);
  GOOD(sql_run(fixture->store, &error, "UPDATE crl_shard SET issued = ?1", "i",
               (gint64)CRL_SHARD_SIZE));
  fixture_commit(fixture);
  g_assert_cmpint(take_place(fixture->store, &problem), ==, 2);
  GOOD(store_begin(other, &error));
  Meanwhile second = {.store = other, .run = take_place};
  GThread *thread = meanwhile_start(&second);
  wait_until_blocked(fixture);
  fixture_commit(fixture);
  g_thread_join(thread);
  g_assert_error(second.error, STORE_ERROR, STORE_ERROR_AGAIN);
  g_clear_error(&second.error);
  store_rollback(other);
  GOOD(store_begin(other, &error));
  g_assert_cmpint(take_place(other, &problem), ==, 2);
  g_assert_cmpint(number_of(other, "SELECT count(*) FROM crl_shard"), ==, 2);
}

static int note(Store *store, GError **error) {
  Id id = an_id(1);
  return challenge_note_again(store, &id, NOW, "rule", "{\"n\":2}", error);
}

static void test_one_note(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  Id id = add_challenge(fixture->store, 1, NOW);
  fixture_commit(fixture);
  GIVES(STORE_CHANGED, challenge_note_again(fixture->store, &id, NOW, "rule", "{\"n\":1}", &error));
  GOOD(store_begin(other, &error));
  Meanwhile second = {.store = other, .run = note};
  GThread *thread = meanwhile_start(&second);
  wait_until_blocked(fixture);
  fixture_commit(fixture);
  g_thread_join(thread);
  g_assert_no_error(second.error);
  g_assert_cmpint(number_of(other, "SELECT count(*) FROM note"), ==, 1);
}

static int change_key(Store *store, GError **error) {
  g_autoptr(GBytes) old = octets("thumbprint 1"), next = octets("second");
  Account account = {.id = an_id(1), .thumbprint = old};
  return account_set_key(store, &account, next, "{}", NOW + 1, error);
}

/* The second one judged by a key that the account has no more. */
static void test_key_changed_twice(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  g_autoptr(GBytes) old = octets("thumbprint 1"), next = octets("first");
  Account account = {.id = add_account(fixture->store, 1), .thumbprint = old};
  fixture_commit(fixture);
  GIVES(STORE_CHANGED, account_set_key(fixture->store, &account, next, "{}", NOW, &error));
  GOOD(store_begin(other, &error));
  Meanwhile second = {.store = other, .run = change_key};
  GThread *thread = meanwhile_start(&second);
  wait_until_blocked(fixture);
  fixture_commit(fixture);
  g_thread_join(thread);
  g_assert_no_error(second.error);
  g_assert_cmpint(second.result, ==, STORE_UNCHANGED);
}

/* --- by owner
 * ---------------------------------------------------------------------------------------------- */

static void no_fault(const char *sentence, gpointer user G_GNUC_UNUSED) {
  g_error("%s", sentence);
}

/* Each has a chain, with the same numbers, and finds its own again. */
static void test_chains(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  Store *const stores[] = {fixture->store, other};
  const AuditWalkHooks hooks = {no_fault, NULL, NULL};
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  store_rollback(fixture->store);
  for (guint8 i = 0; i < 6; i++) {
    Store *store = stores[i % 2];
    const Id chain = an_id(i);
    GOOD(store_begin(store, &error));
    GOOD(audit_begin(store, NOW + i, &chain, &error));
    GOOD(audit_append(store, NOW + i, "kind", "subject", "", &error));
    GOOD(store_commit(store, &error));
  }
  GOOD(store_begin(fixture->store, &error));
  GOOD(audit_verify_store(fixture->store, walk, NULL, NULL, &error));
  g_assert_cmpint(audit_walk_sums(walk)->chains, ==, 2);
  g_assert_cmpint(audit_walk_sums(walk)->records, ==, 8);
  AuditCheckpoint head;
  g_autoptr(GBytes) key = NULL;
  Id own = an_id(0);
  GOOD(audit_head(fixture->store, &head, &key, &error));
  g_assert_true(id_equal(&head.chain, &own));
  g_assert_cmpint(head.number, ==, 4);
}

static void test_settings(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(Store) other = open_as(fixture, "node/1");
  GError *problem = NULL;
  GOOD(setting_set(fixture->store, "ca.validity", "90", &error));
  fixture_commit(fixture);
  GOOD(store_begin(other, &error));
  g_autoptr(GHashTable) none = setting_list(other, &problem);
  g_assert_no_error(problem);
  g_assert_cmpuint(g_hash_table_size(none), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/sharing/one-owner", test_one_owner);
  FIXTURE_TEST("/sharing/start-at-once", test_start_at_once);
  FIXTURE_TEST("/sharing/deadlock", test_deadlock);
  g_test_add("/sharing/nonce-kept", Fixture, GINT_TO_POINTER(TRUE), fixture_set_up, test_nonce,
             fixture_tear_down);
  g_test_add("/sharing/nonce-undone", Fixture, GINT_TO_POINTER(FALSE), fixture_set_up, test_nonce,
             fixture_tear_down);
  FIXTURE_TEST("/sharing/nonce-key", test_nonce_key);
  FIXTURE_TEST("/sharing/nonce-alone", test_nonce_alone);
  FIXTURE_TEST("/sharing/shard-together", test_shard_together);
  FIXTURE_TEST("/sharing/jobs-once", test_jobs_once);
  FIXTURE_TEST("/sharing/job-skipped", test_job_skipped);
  FIXTURE_TEST("/sharing/job-held", test_job_held);
  FIXTURE_TEST("/sharing/job-freed", test_job_freed);
  FIXTURE_TEST("/sharing/job-undone", test_job_undone);
  FIXTURE_TEST("/sharing/start-frees-own", test_start_frees_own);
  FIXTURE_TEST("/sharing/key-blocked", test_key_blocked);
  FIXTURE_TEST("/sharing/issuance-stop", test_issuance_stop);
  FIXTURE_TEST("/sharing/shard-opened-once", test_shard_opened_once);
  FIXTURE_TEST("/sharing/one-note", test_one_note);
  FIXTURE_TEST("/sharing/key-changed-twice", test_key_changed_twice);
  FIXTURE_TEST("/sharing/chains", test_chains);
  FIXTURE_TEST("/sharing/settings", test_settings);
  return g_test_run();
}
