/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/audit.h"

#define RECORDS 5

static void fill(Fixture *fixture) {
  for (gint64 i = 1; i <= RECORDS; i++) {
    g_autofree char *detail = g_strdup_printf("n=%d", (int)i);
    GOOD(audit_append(fixture->store, NOW + i, "kind", "subject", detail, &error));
  }
}

static void assert_chain(Fixture *fixture, gint64 expected_records, gint64 expected_broken) {
  gint64 records = -1, broken = -1;
  GOOD(audit_verify(fixture->store, &records, &broken, &error));
  g_assert_cmpint(broken, ==, expected_broken);
  if (expected_broken == 0)
    g_assert_cmpint(records, ==, expected_records);
}

static void test_good(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  gint64 last = -1;
  GOOD(audit_last_time(fixture->store, &last, &error));
  g_assert_cmpint(last, ==, 0);
  assert_chain(fixture, 0, 0);
  fill(fixture);
  assert_chain(fixture, RECORDS, 0);
  GOOD(audit_last_time(fixture->store, &last, &error));
  g_assert_cmpint(last, ==, NOW + RECORDS);
  fixture_commit(fixture);
  store_rollback(fixture->store);
  store_close(fixture->store);
  fixture_open(fixture);
  GOOD(audit_append(fixture->store, NOW, "kind", "", "", &error)); /* after a restart */
  assert_chain(fixture, RECORDS + 1, 0);
  GOOD(audit_last_time(fixture->store, &last, &error)); /* a clock that fell back hides nothing */
  g_assert_cmpint(last, ==, NOW + RECORDS);
}

/* What somebody with the file in his hands may do: each is found at the record that no longer fits.
 */
static const struct {
  const char *name, *sql;
  gint64 broken;
} tampering[] = {
    {"detail", "UPDATE audit SET detail = 'n=9' WHERE number = 3", 3},
    {"kind", "UPDATE audit SET kind = 'x' WHERE number = 1", 1},
    {"subject", "UPDATE audit SET subject = 'x' WHERE number = 5", 5},
    {"time", "UPDATE audit SET at = at + 1 WHERE number = 2", 2},
    {"hash", "UPDATE audit SET hash = zeroblob(32) WHERE number = 4", 4},
    {"moved border", "UPDATE audit SET kind = 'kin', subject = 'dsubject' WHERE number = 2", 2},
    {"number", "UPDATE audit SET number = 9 WHERE number = 5", 5},
    {"missing", "DELETE FROM audit WHERE number = 3", 3},
    {"missing first", "DELETE FROM audit WHERE number = 1", 1},
    {"missing, the rest renumbered",
     "DELETE FROM audit WHERE number = 3; UPDATE audit SET number = number - 1 WHERE number > 3",
     3},
    {"reordered",
     "UPDATE audit SET number = 99 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3;"
     "UPDATE audit SET number = 3 WHERE number = 99",
     2},
    {"inserted",
     "INSERT INTO audit (number, at, kind, subject, detail, hash)"
     " SELECT 6, at, kind, subject, detail, hash FROM audit WHERE number = 5",
     6},
    {"text that is none", "UPDATE audit SET detail = x'6e3d33' WHERE number = 3", 3},
    {"no hash", "UPDATE audit SET hash = 'text' WHERE number = 3", 3},
    {"a short hash", "UPDATE audit SET hash = x'00' WHERE number = 5", 5},
    {"a text with a NUL", "UPDATE audit SET detail = 'n=3' || char(0) || 'x' WHERE number = 3", 3},
};

static void test_tampering(Fixture *fixture, gconstpointer data) {
  gsize i = GPOINTER_TO_SIZE(data);
  fill(fixture);
  GOOD(store_script(fixture->store, tampering[i].sql, &error));
  assert_chain(fixture, 0, tampering[i].broken);
}

/* A chain whose head is no hash takes no further record. */
static void test_broken_head(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture);
  GOOD(store_script(fixture->store, "UPDATE audit SET hash = x'00' WHERE number = 5", &error));
  BREAKS(audit_append(fixture->store, NOW, "kind", "", "", &error));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/audit/good", test_good);
  for (gsize i = 0; i < G_N_ELEMENTS(tampering); i++) {
    g_autofree char *path = g_strconcat("/audit/tampering/", tampering[i].name, NULL);
    g_test_add(path, Fixture, GSIZE_TO_POINTER(i), fixture_set_up, test_tampering,
               fixture_tear_down);
  }
  FIXTURE_TEST("/audit/broken-head", test_broken_head);
  return g_test_run();
}
