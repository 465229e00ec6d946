/* SPDX-License-Identifier: Apache-2.0 */
/* A store that an earlier release made, opened by this one: schema_3.sql. There was none on
   PostgreSQL. */
#include "store/audit.h"
#include "store/audit_feed.h"
#include "store/job.h"
#include "store/message.h"
#include "tests/unit/store/fixture.h"

#include <sqlite3.h>

/* Beside the store, as no code of Signet reads it. */
static sqlite3 *open_database(const Fixture *fixture) {
  g_autofree char *path = g_build_filename(fixture->place.folder, "signet.db", NULL);
  sqlite3 *database = NULL;
  g_assert_cmpint(sqlite3_open(path, &database), ==, SQLITE_OK);
  return database;
}

/* The first column of every row, a line each. */
static char *column_of(sqlite3 *database, const char *sql) {
  GString *lines = g_string_new(NULL);
  sqlite3_stmt *statement = NULL;
  g_assert_cmpint(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), ==, SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW)
    g_string_append_printf(lines, "%s\n", (const char *)sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  return g_string_free(lines, FALSE);
}

/* A query for each table that gives its rows by the columns that it has now. */
static GPtrArray *queries_of(sqlite3 *database) {
  GPtrArray *queries = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *names = column_of(
      database, "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema_version'");
  g_auto(GStrv) tables = g_strsplit(g_strchomp(names), "\n", -1);
  for (char **table = tables; *table != NULL; table++) {
    g_autofree char *sql = g_strdup_printf("SELECT group_concat('quote(' || name || ')', ' || "
                                           "'','' || ') FROM pragma_table_info('%s')",
                                           *table);
    g_autofree char *columns = column_of(database, sql);
    g_ptr_array_add(queries, g_strdup_printf("SELECT '%s ' || %s FROM %s ORDER BY 1", *table,
                                             g_strchomp(columns), *table));
  }
  return queries;
}

static char *rows_of(sqlite3 *database, const GPtrArray *queries) {
  GString *rows = g_string_new(NULL);
  for (guint i = 0; i < queries->len; i++) {
    g_autofree char *found = column_of(database, queries->pdata[i]);
    g_assert_cmpstr(found, !=, ""); /* every table has some */
    g_string_append(rows, found);
  }
  return g_string_free(rows, FALSE);
}

/* Every table and index, without the blanks. */
static char *schema_of(sqlite3 *database) {
  return column_of(database,
                   "SELECT type || ' ' || name || replace(replace(sql, ' ', ''), char(10), '')"
                   " FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name");
}

static void close_store(Fixture *fixture) {
  store_rollback(fixture->store);
  g_clear_pointer(&fixture->store, store_close);
}

/* In place of the store of the fixture. */
static sqlite3 *make_old(Fixture *fixture) {
  static const char *const files[] = {"signet.db", "signet.db-wal", "signet.db-shm"};
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "unit", "store", "schema_3.sql", NULL);
  g_autofree char *sql = NULL;
  close_store(fixture);
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *file = g_build_filename(fixture->place.folder, files[i], NULL);
    g_unlink(file);
  }
  g_assert_true(g_file_get_contents(path, &sql, NULL, NULL));
  sqlite3 *database = open_database(fixture);
  g_assert_cmpint(sqlite3_exec(database, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  return database;
}

/* The new schema is that of a store that was never old, and every old row is what it was. */
static void test_rows(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  sqlite3 *database = open_database(fixture);
  g_autofree char *fresh = schema_of(database);
  sqlite3_close(database);
  database = make_old(fixture);
  g_autofree char *old = schema_of(database);
  g_autoptr(GPtrArray) queries = queries_of(database);
  g_autofree char *before = rows_of(database, queries);
  sqlite3_close(database);
  fixture_open(fixture);
  close_store(fixture);
  database = open_database(fixture);
  g_autofree char *upgraded = schema_of(database);
  g_autofree char *after = rows_of(database, queries);
  g_autofree char *versions = column_of(database, "SELECT version FROM schema_version ORDER BY 1");
  sqlite3_close(database);
  g_assert_cmpstr(after, ==, before);
  g_assert_cmpstr(upgraded, !=, old);
  g_assert_cmpstr(upgraded, ==, fresh);
  g_assert_cmpstr(versions, ==, "3\n4\n");
}

static void fail(const char *sentence, gpointer user G_GNUC_UNUSED) {
  g_error("%s", sentence);
}

/* What was under way goes on: read and written by today's code. */
static void test_goes_on(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id waiting = an_id(31), unmailed = an_id(32), reply = an_id(62), certificate_id = an_id(40);
  g_autoptr(Challenge) challenge = NULL;
  g_autoptr(Certificate) certificate = NULL;
  g_autoptr(Message) message = NULL;
  const AuditWalkHooks hooks = {fail, NULL, NULL};
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  const Id chain = {{7}};
  Job job;
  sqlite3_close(make_old(fixture));
  fixture_open(fixture);
  GIVES(STORE_FOUND, challenge_find_by_recipient(fixture->store, "acme-challenge+b@ca.test",
                                                 &challenge, &error));
  g_assert_cmpstr(challenge->status, ==, "processing");
  g_assert_cmpstr(challenge->token1, ==, "token1 b");
  g_assert_null(challenge->envelope_from);
  g_assert_null(challenge->mail_sender);
  g_assert_null(challenge->relay_text);
  g_assert_cmpint(challenge->queued_at, ==, 0);
  g_assert_cmpint(challenge->bounces, ==, 0);
  g_assert_cmpint(challenge->bounce_octets, ==, 0);
  GIVES(STORE_FOUND, challenge_has_unjudged(fixture->store, &waiting, &error));
  GIVES(STORE_FOUND, job_take_one(fixture->store, JOB_JUDGE, NOW + 5, NOW + 6, &job, &error));
  g_assert_true(id_equal(&job.subject, &reply));
  GIVES(STORE_CHANGED,
        message_judge(fixture->store, &reply, "noted", "dkim", "no key", "evidence", NULL, &error));
  GIVES(STORE_FOUND, message_find(fixture->store, &reply, &message, &error));
  g_assert_cmpstr(message->rule, ==, "dkim");
  assert_octets(message->octets, "another reply");
  GIVES(STORE_CHANGED, challenge_set_mail(fixture->store, &unmailed, NOW, "token1 c", "<c@ca.test>",
                                          "acme-bounce+c@ca.test", &error));
  GIVES(STORE_FOUND, certificate_find(fixture->store, &certificate_id, &certificate, &error));
  assert_octets(certificate->der, "der");
  g_assert_cmpint(certificate->revoked_at, ==, NOW + 7);
  GOOD(audit_begin(fixture->store, NOW + 7, &chain, &error));
  GOOD(audit_append(fixture->store, NOW + 7, "core started", "", "{}", &error));
  GOOD(audit_verify_store(fixture->store, walk, NULL, NULL, &error));
  g_assert_cmpint(audit_walk_sums(walk)->faults, ==, 0);
  g_assert_cmpint(audit_walk_sums(walk)->records, ==, 4); /* one begins the new chain */
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (database_server() != NULL)
    return g_test_run();
  FIXTURE_TEST("/upgrade/rows", test_rows);
  FIXTURE_TEST("/upgrade/goes-on", test_goes_on);
  return g_test_run();
}
