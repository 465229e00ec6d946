/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection to PostgreSQL relies on, whatever the server, database and role have as their
   defaults. */
#include "store/rate.h"
#include "store/setting.h"
#include "tests/unit/postgres/pair.h"

static void close_store(Fixture *fixture) {
  store_rollback(fixture->store);
  g_clear_pointer(&fixture->store, store_close);
}

static void test_defaults(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char *const careless[][2] = {{"synchronous_commit", "off"},
                                            {"default_transaction_isolation", "serializable"},
                                            {"standard_conforming_strings", "off"},
                                            {"bytea_output", "escape"},
                                            {"statement_timeout", "1"},
                                            {"lock_timeout", "1"},
                                            {"idle_in_transaction_session_timeout", "0"},
                                            {"search_path", "pg_temp, public"}};
  close_store(fixture);
  for (gsize i = 0; i < G_N_ELEMENTS(careless); i++) {
    g_autofree char *sql =
        g_strdup_printf("ALTER DATABASE %s SET %s = %s", database_name(&fixture->place),
                        careless[i][0], careless[i][1]);
    database_do("postgres", sql);
  }
  fixture_open(fixture);
  add_account(fixture->store, 1);
  fixture_commit(fixture);
  g_assert_cmpint(number_of(fixture->store,
                            "SELECT CASE WHEN current_setting('synchronous_commit') = 'on'"
                            " AND current_setting('transaction_isolation') = 'read committed'"
                            " AND current_setting('search_path') = 'signet, pg_temp'"
                            " AND current_setting('application_name') = 'signet node/0'"
                            " AND current_setting('idle_in_transaction_session_timeout') = '15s'"
                            " THEN 1 ELSE 0 END"),
                  ==, 1);
  g_assert_cmpint(number_of(fixture->store, "SELECT count(*) FROM signet.account"), ==, 1);
}

/* A standby that has applied it is more, and is left so. */
static void test_remote_apply(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  close_store(fixture);
  g_autofree char *sql = g_strdup_printf("ALTER DATABASE %s SET synchronous_commit = remote_apply",
                                         database_name(&fixture->place));
  database_do("postgres", sql);
  fixture_open(fixture);
  g_assert_cmpint(number_of(fixture->store,
                            "SELECT CASE WHEN current_setting('synchronous_commit') ="
                            " 'remote_apply' THEN 1 ELSE 0 END"),
                  ==, 1);
}

static void test_encoding(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *name = g_strdup_printf("latin_%d", (int)getpid());
  g_autofree char *make =
      g_strdup_printf("CREATE DATABASE %s ENCODING 'LATIN1' TEMPLATE template0", name);
  g_autofree char *drop = g_strdup_printf("DROP DATABASE %s", name);
  g_autofree char *where = g_strdup_printf("%s dbname=%s", database_server(), name);
  database_do("postgres", make);
  g_assert_null(store_open(&(StorePlace){.postgresql = where, .owner = "a/0"}, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_OPEN);
  g_assert_nonnull(strstr(failure->message, "LATIN1"));
  database_do("postgres", drop);
}

/* Octets of a peer that are no UTF-8 do not end a transaction. */
static void test_texts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_challenge(fixture->store, 1, NOW);
  g_autoptr(Challenge) found = NULL;
  GOOD(challenge_set_sent(fixture->store, &id, NOW, "250 ok \xff\xfe \xc3\xa9", &error));
  GIVES(STORE_FOUND, challenge_find(fixture->store, &id, &found, &error));
  g_assert_true(g_utf8_validate(found->relay_text, -1, NULL));
  g_assert_true(g_str_has_prefix(found->relay_text, "250 ok "));
  g_assert_true(g_str_has_suffix(found->relay_text, " \xc3\xa9"));
}

/* More than what fits into the buffers of both ends, sent without waiting. */
static void test_large(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  enum { SIZE = 1 << 20, COUNT = 20 };
  g_autofree guint8 *octets_of = g_malloc(SIZE);
  for (gsize i = 0; i < SIZE; i++)
    octets_of[i] = (guint8)(i * 7);
  g_autoptr(GBytes) large = g_bytes_new(octets_of, SIZE);
  for (gint64 i = 0; i < COUNT; i++)
    GOOD(sql_run(fixture->store, &error, "INSERT INTO raw (id, octets) VALUES (?1, ?2)", "db",
                 &(Id){{(guint8)i}}, large));
  SqlQuery query = sql_query(fixture->store, "SELECT octets FROM raw ORDER BY id", "");
  int rows = 0;
  while (sql_row(&query)) {
    g_autoptr(GBytes) found = sql_bytes(&query, 0);
    g_assert_true(g_bytes_equal(found, large));
    rows++;
  }
  GOOD(sql_end(&query, &error));
  g_assert_cmpint(rows, ==, COUNT);
}

/* A statement whose answer nobody awaits fails the transaction all the same, by its own reason. */
static void test_later_failure(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  add_account(fixture->store, 1);
  fixture_commit(fixture);
  add_account(fixture->store, 2);
  GOOD(sql_run(fixture->store, &error, "UPDATE account SET status = NULL", ""));
  g_assert_cmpint(sql_change(fixture->store, &failure, "UPDATE account SET contact = ''", ""), ==,
                  STORE_FAILED);
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_FAILED);
  g_assert_nonnull(strstr(failure->message, "23502"));
  fixture_undo(fixture);
  g_assert_cmpint(number_of(fixture->store, "SELECT count(*) FROM account"), ==, 1);
  GOOD(sql_run(fixture->store, &error, "UPDATE account SET status = NULL", ""));
  g_clear_error(&failure);
  g_assert_false(store_commit(fixture->store, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_FAILED);
  GOOD(store_begin(fixture->store, &error));
}

static gint64 one_number(SqlQuery *query) {
  g_assert_true(sql_row(query));
  gint64 number = sql_int(query, 0);
  g_assert_false(sql_row(query));
  GOOD(sql_end(query, &error));
  return number;
}

/* Queries that begin together have an answer each, in whichever order they are read, with changes
   between them; one is never read. */
static void test_together(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char count[] = "SELECT count(*) FROM account";
  enum { FIRST, UNREAD, SECOND, SAME, QUERIES };
  SqlQuery queries[QUERIES];
  queries[FIRST] = sql_query(fixture->store, count, "");
  queries[UNREAD] = sql_query(fixture->store, "SELECT 7", "");
  add_account(fixture->store, 1);
  queries[SECOND] = sql_query(fixture->store, count, "");
  queries[SAME] = sql_query(fixture->store, "SELECT ?1 + 1", "i", (gint64)41);
  g_assert_cmpint(number_of(fixture->store, count), ==, 1);
  g_assert_cmpint(one_number(&queries[SAME]), ==, 42);
  g_assert_cmpint(one_number(&queries[FIRST]), ==, 0);
  GOOD(sql_end(&queries[UNREAD], &error));
  g_assert_cmpint(one_number(&queries[SECOND]), ==, 1);
  queries[UNREAD] = sql_query(fixture->store, "SELECT 8", "");
  GOOD(sql_end(&queries[UNREAD], &error)); /* before its answer */
  fixture_commit(fixture);
}

/* Where one of them fails, none is read, and the transaction is over. */
static void test_together_failed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  SqlQuery before = sql_query(fixture->store, "SELECT 1", "");
  SqlQuery wrong = sql_query(fixture->store, "SELECT 1 / ?1", "i", (gint64)0);
  SqlQuery after = sql_query(fixture->store, "SELECT 2", "");
  g_assert_false(sql_row(&after));
  g_assert_false(sql_end(&after, &failure));
  g_assert_nonnull(strstr(failure->message, "22012"));
  g_assert_false(sql_row(&before));
  g_assert_false(sql_end(&before, NULL));
  g_assert_false(sql_end(&wrong, NULL) && store_commit(fixture->store, NULL));
  GOOD(store_begin(fixture->store, &error));
  g_assert_cmpint(number_of(fixture->store, "SELECT 1"), ==, 1);
}

static void test_reader(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  GError *problem = NULL;
  add_account(fixture->store, 1);
  fixture_commit(fixture);
  g_autoptr(Store) reader = store_open_reader(&fixture->place, &problem);
  g_assert_no_error(problem);
  g_assert_cmpint(number_of(reader, "SELECT count(*) FROM account"), ==, 1);
  g_assert_cmpint(sql_change(reader, &problem, "DELETE FROM account", ""), ==, STORE_FAILED);
  g_assert_nonnull(problem);
  g_clear_error(&problem);
  add_account(fixture->store, 2);
  fixture_commit(fixture);
  g_assert_cmpint(number_of(reader, "SELECT count(*) FROM account"), ==, 2);
}

/* Where a server started nothing yet. */
static void test_reader_first(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  StorePlace place = database_new();
  g_assert_null(store_open_reader(&place, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_OPEN);
  database_clear(&place);
}

static void test_faults(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED) {
  static const struct {
    const char *text, *fault;
  } cases[] = {
      {"host=a dbname=b", NULL},
      {"postgresql://signet@a:5432,b:5433/signet?sslmode=verify-full", NULL},
      {"host=a password=secret", "password"},
      {"postgresql://signet:secret@a/signet", "password"},
      {"host", "no connection string"},
      {"hosts=a", "no connection string"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *fault = store_place_fault(cases[i].text);
    if (cases[i].fault == NULL)
      g_assert_null(fault);
    else
      g_assert_nonnull(strstr(fault, cases[i].fault));
    g_assert_true(fault == NULL || strstr(fault, "secret") == NULL);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/session/defaults", test_defaults);
  FIXTURE_TEST("/session/remote-apply", test_remote_apply);
  FIXTURE_TEST("/session/encoding", test_encoding);
  FIXTURE_TEST("/session/texts", test_texts);
  FIXTURE_TEST("/session/large", test_large);
  FIXTURE_TEST("/session/later-failure", test_later_failure);
  FIXTURE_TEST("/session/together", test_together);
  FIXTURE_TEST("/session/together-failed", test_together_failed);
  FIXTURE_TEST("/session/reader", test_reader);
  FIXTURE_TEST("/session/reader-first", test_reader_first);
  FIXTURE_TEST("/session/faults", test_faults);
  return g_test_run();
}
