/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, migrating, transactions and the savepoints of handlers. */
#include "fixture.h"

static gint64 accounts(Fixture *fixture) {
  return number_of(fixture->store, "SELECT count(*) FROM account");
}

static void test_survives(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add_account(fixture->store, 1);
  GOOD(store_commit(fixture->store, &error));
  GOOD(store_begin(fixture->store, &error));
  add_account(fixture->store, 2);
  store_close(fixture->store); /* without commit */
  fixture_open(fixture);
  g_assert_cmpint(accounts(fixture), ==, 1);
}

static void test_rollback(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  add_account(fixture->store, 1);
  store_rollback(fixture->store);
  GOOD(store_begin(fixture->store, &error));
  g_assert_cmpint(accounts(fixture), ==, 0);
  add_account(fixture->store, 1);
  fixture_commit(fixture);
  g_assert_cmpint(accounts(fixture), ==, 1);
}

/* One handler's work is undone, its neighbours' in the same transaction is kept. */
static void test_handlers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const gboolean keep[] = {TRUE, FALSE, TRUE, FALSE};
  for (guint8 i = 0; i < G_N_ELEMENTS(keep); i++) {
    GOOD(store_handler_begin(fixture->store, &error));
    add_account(fixture->store, i);
    GOOD(store_handler_end(fixture->store, keep[i], &error));
  }
  fixture_commit(fixture);
  g_assert_cmpint(accounts(fixture), ==, 2);
  Id kept = an_id(2), undone = an_id(1);
  g_autoptr(Account) found = NULL, none = NULL;
  GIVES(STORE_FOUND, account_find(fixture->store, &kept, &found, &error));
  GIVES(STORE_MISSING, account_find(fixture->store, &undone, &none, &error));
}

/* Where nothing was expected to be undone a handler that changed something takes the transaction
   along, which says so; one that only read does not. */
static void test_unexpected(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) again = NULL;
  store_rollback(fixture->store);
  store_expect_undo(fixture->store, FALSE);
  GOOD(store_begin(fixture->store, &error));
  for (guint8 i = 0; i < 2; i++) {
    GOOD(store_handler_begin(fixture->store, &error));
    add_account(fixture->store, i);
    GOOD(store_handler_end(fixture->store, TRUE, &error));
  }
  GOOD(store_handler_begin(fixture->store, &error));
  g_assert_cmpint(accounts(fixture), ==, 2);
  GOOD(store_handler_end(fixture->store, FALSE, &error));
  GOOD(store_handler_begin(fixture->store, &error));
  add_account(fixture->store, 2);
  g_assert_false(store_handler_end(fixture->store, FALSE, &again));
  g_assert_error(again, STORE_ERROR, STORE_ERROR_AGAIN);
  store_rollback(fixture->store);
  store_expect_undo(fixture->store, TRUE);
  GOOD(store_begin(fixture->store, &error));
  g_assert_cmpint(accounts(fixture), ==, 0);
  test_handlers(fixture, NULL);
}

/* A statement that failed takes nothing along but its handler. */
static void test_failed_handler(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  add_account(fixture->store, 1);
  GOOD(store_handler_begin(fixture->store, &error));
  add_account(fixture->store, 2);
  Order orphan = {.id = an_id(1), .account_id = an_id(9), .status = (char *)"pending"};
  g_assert_cmpint(order_insert(fixture->store, &orphan, &failure), ==, STORE_FAILED);
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_FAILED);
  GOOD(store_handler_end(fixture->store, FALSE, &error));
  fixture_commit(fixture);
  g_assert_cmpint(accounts(fixture), ==, 1);
}

/* On a shared store a handler has a transaction for itself, and takes all of it along. */
static void test_failed_alone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL, again = NULL;
  add_account(fixture->store, 1);
  Order orphan = {.id = an_id(1), .account_id = an_id(9), .status = (char *)"pending"};
  g_assert_cmpint(order_insert(fixture->store, &orphan, &failure), ==, STORE_FAILED);
  g_assert_false(store_handler_end(fixture->store, FALSE, NULL));
  g_assert_false(store_commit(fixture->store, &again));
  g_assert_cmpstr(again->message, ==, failure->message);
  GOOD(store_begin(fixture->store, &error));
  g_assert_cmpint(accounts(fixture), ==, 0);
}

static void test_second_opener(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  g_assert_null(store_open(&fixture->place, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_BUSY);
  g_assert_nonnull(strstr(failure->message, "signet.lock"));
  g_assert_nonnull(strstr(failure->message, "another process"));
  add_account(fixture->store, 1); /* the first one is not disturbed */
  fixture_commit(fixture);
  store_rollback(fixture->store);
  store_close(fixture->store);
  fixture_open(fixture); /* and leaves the lock behind */
  g_assert_cmpint(accounts(fixture), ==, 1);
}

static void test_no_folder(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *path = g_build_filename(fixture->place.folder, "missing", NULL);
  g_assert_null(store_open(&(StorePlace){.folder = path}, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_OPEN);
  g_assert_nonnull(strstr(failure->message, path));
}

static void test_no_database(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *path = g_build_filename(fixture->place.folder, "signet.db", NULL);
  g_autofree char *wal = g_build_filename(fixture->place.folder, "signet.db-wal", NULL);
  store_rollback(fixture->store);
  g_clear_pointer(&fixture->store, store_close);
  g_unlink(wal);
  g_assert_true(g_file_set_contents(path, "this is no database, but somebody's text", -1, NULL));
  g_assert_null(store_open(&fixture->place, &failure));
  g_assert_nonnull(failure);
  g_assert_true(failure->domain == STORE_ERROR);
}

static void test_migrated_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char versions[] = "SELECT count(*) FROM schema_version";
  gint64 before = number_of(fixture->store, versions);
  g_assert_cmpint(before, >, 0);
  add_account(fixture->store, 1);
  fixture_commit(fixture);
  store_rollback(fixture->store);
  GOOD(schema_migrate(fixture->store, &error));
  GOOD(schema_migrate(fixture->store, &error));
  store_close(fixture->store);
  fixture_open(fixture);
  g_assert_cmpint(number_of(fixture->store, versions), ==, before);
  g_assert_cmpint(accounts(fixture), ==, 1);
}

/* A release runs on its own schema version and on the one after it, not on a later one. */
static void test_newer_schema(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char add[] =
      "INSERT INTO schema_version SELECT max(version) + 1 FROM schema_version";
  static const char newest[] = "SELECT max(version) FROM schema_version";
  g_autoptr(GError) failure = NULL;
  GOOD(store_script(fixture->store, add, &error));
  fixture_commit(fixture);
  gint64 next = number_of(fixture->store, newest);
  store_rollback(fixture->store);
  store_close(fixture->store);
  fixture_open(fixture);
  g_assert_cmpint(number_of(fixture->store, newest), ==, next);
  GOOD(store_script(fixture->store, add, &error));
  fixture_commit(fixture);
  store_rollback(fixture->store);
  g_clear_pointer(&fixture->store, store_close);
  g_assert_null(store_open(&fixture->place, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_OPEN);
  g_assert_nonnull(strstr(failure->message, "schema version"));
}

static void test_settings(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  SqlQuery query = sql_query(fixture->store, "PRAGMA journal_mode", "");
  g_assert_true(sql_row(&query));
  g_autofree char *mode = sql_text(&query, 0);
  GOOD(sql_end(&query, &error));
  g_assert_cmpstr(mode, ==, "wal");
  g_assert_cmpint(number_of(fixture->store, "PRAGMA synchronous"), ==, 2); /* FULL */
  g_assert_cmpint(number_of(fixture->store, "PRAGMA foreign_keys"), ==, 1);
  g_assert_cmpint(number_of(fixture->store, "PRAGMA temp_store"), ==, 2); /* MEMORY */
}

static void test_values(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) empty = g_bytes_new(NULL, 0);
  Id id = an_id(3), read, none;
  SqlQuery query = sql_query(fixture->store, "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7", "ittbbdd",
                             G_MININT64, "", NULL, empty, NULL, &id, NULL);
  g_assert_true(sql_row(&query));
  g_autofree char *text = sql_text(&query, 1), *no_text = sql_text(&query, 2);
  g_autoptr(GBytes) bytes = sql_bytes(&query, 3);
  g_autoptr(GBytes) no_bytes = sql_bytes(&query, 4);
  g_assert_cmpint(sql_int(&query, 0), ==, G_MININT64);
  g_assert_cmpstr(text, ==, "");
  g_assert_null(no_text);
  g_assert_nonnull(bytes);
  g_assert_cmpuint(g_bytes_get_size(bytes), ==, 0);
  g_assert_null(no_bytes);
  g_assert_true(sql_id(&query, 5, &read));
  g_assert_true(id_equal(&read, &id));
  g_assert_false(sql_id(&query, 6, &none));
  g_assert_false(sql_row(&query));
  GOOD(sql_end(&query, &error));
}

/* Texts are in the order of their octets. */
static void test_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char *const texts[] = {"", "A-", "AA", "B", "_", "a", "b", "\xc3\xa9"};
  for (gsize i = G_N_ELEMENTS(texts); i-- > 0;)
    GOOD(sql_run(fixture->store, &error,
                 "INSERT INTO setting (owner, name, value) VALUES ('', ?1, '')", "t", texts[i]));
  SqlQuery query = sql_query(fixture->store, "SELECT name FROM setting ORDER BY name", "");
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_assert_true(sql_row(&query));
    g_autofree char *name = sql_text(&query, 0);
    g_assert_cmpstr(name, ==, texts[i]);
  }
  g_assert_false(sql_row(&query));
  GOOD(sql_end(&query, &error));
}

static void test_bad_statement(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  SqlQuery query = sql_query(fixture->store, "SELECT * FROM nothing", "");
  g_assert_false(sql_row(&query));
  g_assert_false(sql_end(&query, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_FAILED);
  g_clear_error(&failure);
  g_assert_cmpint(sql_change(fixture->store, &failure, "UPDATE nothing SET x = 1", ""), ==,
                  STORE_FAILED);
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_FAILED);
}

/* Texts that lie where another lay before. */
static void test_statements(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  char text[] = "SELECT 1";
  for (char digit = '1'; digit <= '9'; digit++) {
    text[sizeof(text) - 2] = digit;
    SqlQuery query = sql_query(fixture->store, text, "");
    g_assert_true(sql_row(&query));
    g_assert_cmpint(sql_int(&query, 0), ==, digit - '0');
    GOOD(sql_end(&query, &error));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/store/survives", test_survives);
  FIXTURE_TEST("/store/rollback", test_rollback);
  FIXTURE_TEST("/store/migrated-once", test_migrated_once);
  FIXTURE_TEST("/store/newer-schema", test_newer_schema);
  FIXTURE_TEST("/store/values", test_values);
  FIXTURE_TEST("/store/order", test_order);
  FIXTURE_TEST("/store/bad-statement", test_bad_statement);
  FIXTURE_TEST("/store/statements", test_statements);
  if (database_server() != NULL) {
    FIXTURE_TEST("/store/failed-alone", test_failed_alone);
    return g_test_run();
  }
  FIXTURE_TEST("/store/handlers", test_handlers);
  FIXTURE_TEST("/store/failed-handler", test_failed_handler);
  FIXTURE_TEST("/store/unexpected", test_unexpected);
  FIXTURE_TEST("/store/second-opener", test_second_opener);
  FIXTURE_TEST("/store/no-folder", test_no_folder);
  FIXTURE_TEST("/store/no-database", test_no_database);
  FIXTURE_TEST("/store/settings", test_settings);
  return g_test_run();
}
