/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/audit.h"
#include "store/audit_feed.h"

#define RECORDS 5 /* after the one that begins the chain: numbers 2 to 6 */

static void note_fault(const char *sentence, gpointer user) {
  g_ptr_array_add(user, g_strdup(sentence));
}

/* Stands for a signature: "key" and the SHA-256 of what is signed. */
static GBytes *mark_of(GBytes *octets_signed) {
  g_autofree char *text = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, octets_signed);
  return octets(text);
}

static const char *check(GBytes *octets_signed, GBytes *key, GBytes *signature,
                         gpointer user G_GNUC_UNUSED) {
  g_autoptr(GBytes) expected = mark_of(octets_signed), good_key = octets("key");
  return g_bytes_equal(key, good_key) && g_bytes_equal(signature, expected) ? NULL
                                                                            : "it is not signed";
}

/* What is wrong with the log, a sentence each. */
static GPtrArray *faults_of(Fixture *fixture, AuditSums *sums) {
  GPtrArray *faults = g_ptr_array_new_with_free_func(g_free);
  const AuditWalkHooks hooks = {note_fault, check, faults};
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  GOOD(audit_verify_store(fixture->store, walk, NULL, NULL, &error));
  if (sums != NULL)
    *sums = *audit_walk_sums(walk);
  return faults;
}

static void assert_sound(Fixture *fixture, gint64 records, gint64 checkpoints, gint64 uncovered) {
  AuditSums sums;
  g_autoptr(GPtrArray) faults = faults_of(fixture, &sums);
  if (faults->len > 0)
    g_error("%s", (const char *)faults->pdata[0]);
  g_assert_cmpint(sums.records, ==, records);
  g_assert_cmpint(sums.checkpoints, ==, checkpoints);
  g_assert_cmpint(sums.uncovered, ==, uncovered);
}

static void begin(Fixture *fixture) {
  Id chain = an_id(7);
  GOOD(audit_begin(fixture->store, NOW, &chain, &error));
}

static void add(Fixture *fixture, int number) {
  g_autofree char *detail = g_strdup_printf("n=%d", number);
  GOOD(audit_append(fixture->store, NOW + number, "kind", "subject", detail, &error));
}

static StoreChange checkpoint(Fixture *fixture, gint64 previous) {
  AuditCheckpoint head;
  GError *failure = NULL;
  g_autoptr(GBytes) before = NULL, key = octets("key");
  GOOD(audit_head(fixture->store, &head, &before, &error));
  g_assert_true((before == NULL) == (head.previous == 0));
  head.at = NOW + 100;
  head.previous = previous >= 0 ? previous : head.previous;
  g_autoptr(GBytes) octets_signed = audit_checkpoint_octets(&head);
  g_autoptr(GBytes) signature = mark_of(octets_signed);
  StoreChange change = audit_add_checkpoint(fixture->store, &head, key, signature, &failure);
  g_assert_no_error(failure);
  return change;
}

/* Checkpoints over records 3, 5 and 6. */
static void fill(Fixture *fixture) {
  begin(fixture);
  for (int i = 2; i <= RECORDS + 1; i++) {
    add(fixture, i);
    if (i == 3 || i == 5 || i == 6)
      g_assert_cmpint(checkpoint(fixture, -1), ==, STORE_CHANGED);
  }
}

/* What the signer signs after what: never back, never two hashes for one record, never over
   checkpoints that are gone. */
static void test_signed_in_order(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED) {
  static const struct {
    guint8 chain, hash;
    gint64 number, previous;
    const char *fault;
  } cases[] = {
      {7, 1, 30, 20, NULL},              /* the same once more: the answer was lost */
      {7, 2, 30, 20, "log was changed"}, /* another hash for that record */
      {7, 1, 29, 20, "log was cut"},     /* a record before */
      {7, 2, 31, 30, NULL},              /* the next one */
      {7, 2, 31, 20, NULL},              /* the last one did not reach the store */
      {7, 2, 31, 19,
       "is missing"}, /* checkpoint 20 was taken away, and the records after 19 may be others */
      {7, 2, 31, 0, "is missing"}, /* all were */
      {8, 2, 5, 0, NULL},          /* another chain */
  };
  const AuditCheckpoint none = {.number = 0};
  AuditCheckpoint last = {.chain = an_id(7), .number = 30, .hash = {1}, .previous = 20};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    AuditCheckpoint asked = {.chain = an_id(cases[i].chain),
                             .number = cases[i].number,
                             .hash = {cases[i].hash},
                             .previous = cases[i].previous};
    const char *fault = audit_checkpoint_fault(&last, &asked);
    g_assert_true(cases[i].fault == NULL ? fault == NULL
                                         : fault != NULL && strstr(fault, cases[i].fault) != NULL);
    g_assert_null(audit_checkpoint_fault(&none, &asked));
  }
}

static void open_again(Fixture *fixture) {
  fixture_commit(fixture);
  store_rollback(fixture->store);
  store_close(fixture->store);
  fixture_open(fixture);
}

static void test_good(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  gint64 last = -1;
  GOOD(audit_last_time(fixture->store, &last, &error));
  g_assert_cmpint(last, ==, 0);
  fill(fixture);
  assert_sound(fixture, RECORDS + 1, 3, 0);
  GOOD(audit_last_time(fixture->store, &last, &error));
  g_assert_cmpint(last, ==, NOW + RECORDS + 1);
  open_again(fixture);
  begin(fixture); /* after a restart the chain goes on */
  GOOD(audit_append(fixture->store, NOW, "kind", "", "", &error));
  assert_sound(fixture, RECORDS + 2, 3, 1);
  GOOD(audit_last_time(fixture->store, &last, &error)); /* a clock that fell back hides nothing */
  g_assert_cmpint(last, ==, NOW + RECORDS + 1);
}

/* A log of schema version 3 names no chain; the next chain says where it ended. */
static void test_earlier_release(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  guint8 hash[AUDIT_HASH_OCTETS] = {0};
  for (gint64 i = 1; i <= 3; i++) {
    const AuditRecord record = {
        .number = i, .at = NOW, .kind = "kind", .subject = "", .detail = "old"};
    audit_record_hash(&record, hash, hash);
    g_autoptr(GBytes) kept = g_bytes_new(hash, sizeof hash);
    GOOD(sql_run(fixture->store, &error,
                 "INSERT INTO audit (number, at, kind, subject, detail, hash)"
                 " VALUES (?1, ?2, 'kind', '', 'old', ?3)",
                 "iib", i, NOW, kept));
  }
  assert_sound(fixture, 3, 0, 0);
  BREAKS(fixture,
         audit_append(fixture->store, NOW, "kind", "", "", &error)); /* no chain was begun */
  begin(fixture);
  add(fixture, 5);
  assert_sound(fixture, 5, 0, 2);
  GOOD(store_script(fixture->store, "DELETE FROM audit WHERE number = 3", &error));
  g_autoptr(GPtrArray) faults = faults_of(fixture, NULL);
  g_assert_cmpuint(faults->len, ==, 1);
  g_assert_nonnull(strstr(faults->pdata[0], "the chain before it had its end at another record 3"));
}

#define SHORT "CAST('x' AS @blob)"
#define OTHER_ID "CAST('0123456789abcdef' AS @blob)"
#define OTHER_HASH "CAST('0123456789abcdef0123456789abcdef' AS @blob)"

/* What somebody with the file in his hands may do: one sentence at least says where and how. */
typedef struct {
  const char *name, *sql, *sentence;
} Tampering;

static const Tampering tampering[] = {
    {"detail", "UPDATE audit SET detail = 'n=9' WHERE number = 3", "record 3 ("},
    {"kind", "UPDATE audit SET kind = 'x' WHERE number = 2", "record 2 ("},
    {"kind of the first", "UPDATE audit SET kind = 'x' WHERE number = 1",
     "record 1 is the first and does not say how the chain began"},
    {"subject", "UPDATE audit SET subject = 'x' WHERE number = 6", "record 6 ("},
    {"time", "UPDATE audit SET at = at + 1 WHERE number = 2", "record 2 ("},
    {"hash", "UPDATE audit SET hash = " OTHER_HASH " WHERE number = 4", "record 4 ("},
    {"hash of the last", "UPDATE audit SET hash = " OTHER_HASH " WHERE number = 6",
     "at record 6 names another hash"},
    {"moved border", "UPDATE audit SET kind = 'kin', subject = 'dsubject' WHERE number = 2",
     "record 2 ("},
    {"number", "UPDATE audit SET number = 9 WHERE number = 5", "record 5 is missing"},
    {"missing", "DELETE FROM audit WHERE number = 3", "record 3 is missing"},
    {"missing first", "DELETE FROM audit WHERE number = 1", "the records before it are missing"},
    {"cut at the end", "DELETE FROM audit WHERE number > 4",
     "records 5 to 6 are missing at the end: a checkpoint covers them"},
    {"missing, the rest renumbered",
     "DELETE FROM audit WHERE number = 3; UPDATE audit SET number = number - 1 WHERE number > 3",
     "record 3 ("},
    {"reordered",
     "UPDATE audit SET number = 99 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3;"
     "UPDATE audit SET number = 3 WHERE number = 99",
     "record 2 ("},
    {"inserted",
     "INSERT INTO audit (number, at, kind, subject, detail, hash, chain)"
     " SELECT 7, at, kind, subject, detail, hash, chain FROM audit WHERE number = 5",
     "record 7 ("},
    {"another chain", "UPDATE audit SET chain = " OTHER_ID " WHERE number = 4",
     "record 4 is missing"},
    {"no chain", "UPDATE audit SET chain = NULL WHERE number = 4", "record 4 is missing"},
    {"inserted in a chain that cannot be",
     "INSERT INTO audit (number, at, kind, subject, detail, hash, chain)"
     " SELECT 7, at, kind, subject, detail, hash, " SHORT " FROM audit WHERE number = 5",
     "a chain that cannot be"},
    {"no hash", "UPDATE audit SET hash = 'text' WHERE number = 3", "record 3 ("},
    {"a short hash", "UPDATE audit SET hash = " SHORT " WHERE number = 5", "record 5 ("},
    {"checkpoint missing", "DELETE FROM audit_checkpoint WHERE number = 5",
     "at record 6 names 5 as the one before, but that is 3"},
    {"first checkpoint missing", "DELETE FROM audit_checkpoint WHERE number = 3",
     "at record 5 names 3 as the one before, but that is 0"},
    {"checkpoint moved", "UPDATE audit_checkpoint SET number = 4 WHERE number = 5",
     "at record 4: it is not signed"},
    {"hash of a checkpoint", "UPDATE audit_checkpoint SET hash = " OTHER_HASH " WHERE number = 5",
     "at record 5 names another hash"},
    {"time of a checkpoint", "UPDATE audit_checkpoint SET at = at + 1 WHERE number = 5",
     "at record 5: it is not signed"},
    {"key of a checkpoint", "UPDATE audit_checkpoint SET key = " SHORT " WHERE number = 6",
     "at record 6: it is not signed"},
    {"signature", "UPDATE audit_checkpoint SET signature = " SHORT " WHERE number = 6",
     "at record 6: it is not signed"},
    {"chain of a checkpoint", "UPDATE audit_checkpoint SET chain = " OTHER_ID " WHERE number = 6",
     "are missing at the end: a checkpoint covers them"},
};

/* PostgreSQL's columns take no such values. */
static const Tampering tampering_types[] = {
    {"text that is none", "UPDATE audit SET detail = x'6e3d33' WHERE number = 3", "record 3 ("},
    {"a text with a NUL", "UPDATE audit SET detail = 'n=3' || char(0) || 'x' WHERE number = 3",
     "record 3 ("},
};

static void test_tampering(Fixture *fixture, gconstpointer data) {
  const Tampering *change = data;
  gboolean said = FALSE;
  fill(fixture);
  GOOD(store_script(fixture->store, change->sql, &error));
  g_autoptr(GPtrArray) faults = faults_of(fixture, NULL);
  for (guint n = 0; n < faults->len; n++) {
    g_test_message("%s", (const char *)faults->pdata[n]);
    said = said || strstr(faults->pdata[n], change->sentence) != NULL;
  }
  g_assert_true(said);
}

static void add_tampering(const Tampering *changes, gsize count) {
  for (gsize i = 0; i < count; i++) {
    g_autofree char *path = g_strconcat("/audit/tampering/", changes[i].name, NULL);
    g_test_add(path, Fixture, &changes[i], fixture_set_up, test_tampering, fixture_tear_down);
  }
}

/* A whole log rewritten from a record on, with all hashes made anew: the checkpoints tell. */
static void test_rewritten(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture);
  GOOD(store_script(fixture->store, "DELETE FROM audit WHERE number > 3", &error));
  open_again(fixture);
  for (int i = 4; i <= RECORDS + 1; i++)
    GOOD(audit_append(fixture->store, NOW + i, "kind", "subject", "n=other", &error));
  g_autoptr(GPtrArray) faults = faults_of(fixture, NULL);
  g_assert_cmpuint(faults->len, ==, 2);
  g_assert_nonnull(strstr(faults->pdata[0], "at record 5 names another hash"));
  g_assert_nonnull(strstr(faults->pdata[1], "at record 6 names another hash"));
}

/* After a stop the end of the log is under a checkpoint. */
static void test_stop(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture);
  GOOD(audit_append(fixture->store, NOW, AUDIT_STOPPED, "", "", &error));
  g_autoptr(GPtrArray) faults = faults_of(fixture, NULL);
  g_assert_cmpuint(faults->len, ==, 1);
  g_assert_nonnull(strstr(faults->pdata[0], "ends with a stop at record 7"));
  g_assert_cmpint(checkpoint(fixture, -1), ==, STORE_CHANGED);
  assert_sound(fixture, RECORDS + 2, 4, 0);
}

/* Of two answers to questions that were asked at once the second changes nothing. */
static void test_checkpoint_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture);
  g_assert_cmpint(checkpoint(fixture, -1), ==, STORE_UNCHANGED); /* nothing new */
  add(fixture, 7);
  g_assert_cmpint(checkpoint(fixture, 5), ==, STORE_UNCHANGED);
  g_assert_cmpint(checkpoint(fixture, -1), ==, STORE_CHANGED);
  assert_sound(fixture, RECORDS + 2, 4, 0);
}

/* The next record follows the last one that stayed. */
static void test_undone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture);
  fixture_commit(fixture);
  add(fixture, 7);
  fixture_undo(fixture);
  add(fixture, 7);
  fixture_commit(fixture);
  GOOD(store_handler_begin(fixture->store, &error));
  add(fixture, 8);
  GOOD(store_handler_end(fixture->store, FALSE, &error));
  add(fixture, 8);
  assert_sound(fixture, RECORDS + 3, 3, 2);
}

/* A chain whose head is no hash takes no further record. */
static void test_broken_head(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture);
  GOOD(store_script(fixture->store, "UPDATE audit SET hash = " SHORT " WHERE number = 6", &error));
  open_again(fixture);
  BREAKS(fixture, audit_append(fixture->store, NOW, "kind", "", "", &error));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/audit/good", test_good);
  FIXTURE_TEST("/audit/earlier-release", test_earlier_release);
  add_tampering(tampering, G_N_ELEMENTS(tampering));
  if (database_server() == NULL)
    add_tampering(tampering_types, G_N_ELEMENTS(tampering_types));
  FIXTURE_TEST("/audit/rewritten", test_rewritten);
  FIXTURE_TEST("/audit/stop", test_stop);
  FIXTURE_TEST("/audit/checkpoint-order", test_checkpoint_order);
  FIXTURE_TEST("/audit/signed-in-order", test_signed_in_order);
  FIXTURE_TEST("/audit/undone", test_undone);
  FIXTURE_TEST("/audit/broken-head", test_broken_head);
  return g_test_run();
}
