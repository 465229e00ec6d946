/* SPDX-License-Identifier: Apache-2.0 */
/* store/copy.h: a store on SQLite, with a row or two in every table of the schema, is the same on
   PostgreSQL. */
#include "store/copy.h"
#include "store/job.h"
#include "tests/unit/store/fixture.h"

typedef struct {
  Fixture target;
  Store *source;
} Pair;

static const char octet_values[] = "\0\1\n\r\t\"'\\.,\x7f\x80\xc3\xff";
static const char text_value[] = "a\tb\n\\N \"it's\" \xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91";
#define BIG G_GINT64_CONSTANT(0x0102030405060708)

static void set_up(Pair *pair, gconstpointer data) {
  GError *failure = NULL;
  fixture_set_up(&pair->target, data);
  StorePlace place = {.folder = pair->target.place.folder};
  pair->source = store_open(&place, &failure);
  good(pair->source != NULL, failure);
}

static void tear_down(Pair *pair, gconstpointer data) {
  store_close(pair->source);
  fixture_tear_down(&pair->target, data);
}

/* --- rows for every table
 * ------------------------------------------------------------------------------------ */

static GPtrArray *names(Store *source, const char *sql, const char *table) {
  GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
  SqlQuery query = sql_query(source, sql, "t", table);
  while (sql_row(&query))
    g_ptr_array_add(found, sql_text(&query, 0));
  GOOD(sql_end(&query, &error));
  return found;
}

static GPtrArray *tables(Store *source) {
  return names(source,
               "SELECT name FROM sqlite_schema WHERE type = 'table' AND ?1 = ''"
               " AND name NOT IN ('schema_version', 'writer', 'sqlite_stat1')",
               "");
}

/* Values that are hard to carry, the same in every table so that each finds what it refers to; the
   one number that a rule of the schema wants. */
static void add_full_rows(Store *source) {
  g_autoptr(GPtrArray) all = tables(source);
  g_autoptr(GBytes) blob = g_bytes_new(octet_values, sizeof(octet_values) - 1);
  for (guint i = 0; i < all->len; i++) {
    g_autoptr(GPtrArray) values =
        names(source,
              "SELECT CASE WHEN type = 'BLOB' THEN '?1' WHEN type = 'TEXT' THEN '?2'"
              " WHEN name = 'id' THEN '1' WHEN cid % 2 = 0 THEN '?3' ELSE '-?3' END"
              " FROM pragma_table_info(?1)",
              all->pdata[i]);
    g_ptr_array_add(values, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)values->pdata);
    g_autofree char *sql = g_strdup_printf("INSERT INTO %s SELECT %s WHERE ?1 || ?2 || ?3 <> ''",
                                           (char *)all->pdata[i], list);
    GIVES(STORE_CHANGED, sql_change(source, &error, sql, "bti", blob, text_value, BIG));
  }
}

/* As little as may be: null, or empty. */
static void add_empty_rows(Store *source) {
  g_autoptr(GPtrArray) all = tables(source);
  for (guint i = 0; i < all->len; i++) {
    g_autoptr(GPtrArray) values =
        names(source,
              "SELECT CASE WHEN \"notnull\" + pk = 0 THEN 'NULL' WHEN type = 'BLOB' THEN 'x'''''"
              " WHEN type = 'TEXT' THEN '''''' ELSE '0' END FROM pragma_table_info(?1)",
              all->pdata[i]);
    g_ptr_array_add(values, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)values->pdata);
    g_autofree char *sql =
        g_strdup_printf("INSERT OR IGNORE INTO %s VALUES (%s)", (char *)all->pdata[i], list);
    GOOD(sql_run(source, &error, sql, ""));
  }
}

/* Letters, sizes and octets of every column of every row. */
static char *content(Store *store, const char *table) {
  GString *text = g_string_new(NULL);
  g_autofree char *sql = g_strdup_printf("SELECT * FROM %s ORDER BY 1", table);
  SqlQuery query = sql_query(store, sql, "");
  while (sql_row(&query))
    for (int i = 0; i < sql_columns(&query); i++) {
      SqlValue value = sql_value(&query, i);
      g_string_append_printf(text, "%s %d %" G_GINT64_FORMAT " %" G_GSIZE_FORMAT " ",
                             sql_name(&query, i), (int)value.type, value.number, value.size);
      for (gsize octet = 0; octet < value.size; octet++)
        g_string_append_printf(text, "%02x", ((const guint8 *)value.data)[octet]);
      g_string_append_c(text, '\n');
    }
  GOOD(sql_end(&query, &error));
  return g_string_free(text, FALSE);
}

static void on_progress(gint64 done, gint64 of, gpointer user) {
  g_assert_cmpint(done, <=, of);
  *(gint64 *)user = done;
}

static StoreCopied copy(Pair *pair) {
  StoreCopied copied = {0, 0, 0};
  gint64 last = 0;
  GOOD(store_copy(pair->source, pair->target.store, "first", on_progress, &last, &copied, &error));
  g_assert_cmpint(last, ==, copied.rows - copied.rows % 1000);
  fixture_commit(&pair->target);
  return copied;
}

static void assert_refused(Pair *pair, const char *why) {
  g_autoptr(GError) error = NULL;
  StoreCopied copied;
  gint64 last = 0;
  g_assert_false(
      store_copy(pair->source, pair->target.store, "first", on_progress, &last, &copied, &error));
  g_assert_nonnull(strstr(error->message, why));
  fixture_undo(&pair->target);
}

/* --- tests
 * ---------------------------------------------------------------------------------------------- */

static void test_every_table(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  add_full_rows(pair->source);
  add_empty_rows(pair->source);
  GOOD(sql_run(pair->source, &error, "UPDATE job SET taken_until = 0, only_for = NULL", ""));
  GOOD(sql_run(pair->source, &error, "UPDATE certificate SET asked = 'first'", ""));
  g_autoptr(GPtrArray) all = tables(pair->source);
  StoreCopied copied = copy(pair);
  g_assert_cmpint(copied.tables, ==, all->len);
  g_assert_cmpint(copied.rows, >, copied.tables);
  g_assert_cmpint(copied.changed, ==, 0);
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *before = content(pair->source, all->pdata[i]);
    g_autofree char *after = content(pair->target.store, all->pdata[i]);
    g_assert_cmpstr(before, !=, "");
    g_assert_cmpstr(after, ==, before);
  }
}

static void test_many_rows(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) blob = g_bytes_new(octet_values, sizeof(octet_values) - 1);
  GOOD(sql_run(pair->source, &error,
               "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
               " INSERT INTO raw SELECT CAST(i || ?1 AS BLOB), CAST(randomblob(i % 700) || ?1 AS "
               "BLOB) FROM n",
               "b", blob));
  g_assert_cmpint(copy(pair).rows, ==, 5000);
  g_autofree char *before = content(pair->source, "raw");
  g_autofree char *after = content(pair->target.store, "raw");
  g_assert_cmpstr(after, ==, before);
}

/* Who took them is no more, nor is he whom one was for. */
static void test_jobs(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  GOOD(sql_run(pair->source, &error,
               "INSERT INTO job (kind, subject, due_at, attempts, taken_until, version, owner,"
               " lease) VALUES ('mail', x'01', 5, 1, 1000, 3, '', 7), ('mail', x'02', 5, 1, 0, 3,"
               " '', 7)",
               ""));
  GOOD(job_add_own(pair->source, JOB_CHECKPOINT, &(Id){{3}}, NOW, &error));
  copy(pair);
  g_assert_cmpint(number_of(pair->target.store, "SELECT count(*) FROM job"), ==, 2);
  g_assert_cmpint(number_of(pair->target.store, "SELECT count(*) FROM job WHERE taken_until = 0"),
                  ==, 2);
  g_assert_cmpint(number_of(pair->target.store, "SELECT sum(lease)::bigint FROM job"), ==, 15);
}

/* Their signatures are in the log of the node that this one is now. */
static void test_node(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  add_certificate(pair->source, 1, 1);
  copy(pair);
  g_assert_cmpint(
      number_of(pair->target.store, "SELECT count(*) FROM certificate WHERE asked = 'first'"), ==,
      1);
}

static void test_refused(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  add_account(pair->target.store, 1);
  fixture_commit(&pair->target);
  assert_refused(pair, "there is a store already: the table account has rows");
}

/* A value that has no place in a column there. */
static void test_other_type(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  GOOD(sql_run(pair->source, &error, "INSERT INTO raw VALUES (x'01', 5)", ""));
  assert_refused(pair, "table raw, column octets: a value is not of the column's type");
  g_assert_cmpint(number_of(pair->target.store, "SELECT count(*) FROM raw"), ==, 0);
}

/* What the database refuses undoes all of it. */
static void test_failed(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  add_account(pair->source, 1);
  GOOD(sql_run(pair->source, &error, "PRAGMA foreign_keys=OFF", ""));
  GOOD(sql_run(pair->source, &error, "INSERT INTO note VALUES (x'01', 1, 1, '', '')", ""));
  assert_refused(pair, "violates foreign key constraint");
  g_assert_cmpint(number_of(pair->target.store, "SELECT count(*) FROM account"), ==, 0);
}

/* Like every other text that goes to PostgreSQL. */
static void test_no_text(Pair *pair, gconstpointer data G_GNUC_UNUSED) {
  GOOD(sql_run(pair->source, &error, "INSERT INTO setting VALUES ('', ?1, '')", "t", "caf\xe9"));
  g_assert_cmpint(copy(pair).changed, ==, 1);
  SqlQuery query = sql_query(pair->target.store, "SELECT name FROM setting", "");
  g_assert_true(sql_row(&query));
  g_autofree char *name = sql_text(&query, 0);
  g_assert_cmpstr(name, ==, "caf\xef\xbf\xbd");
  GOOD(sql_end(&query, &error));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (database_server() == NULL)
    g_error("tests/postgres.py runs this");
#define PAIR_TEST(path, function) g_test_add(path, Pair, NULL, set_up, function, tear_down)
  PAIR_TEST("/copy/every-table", test_every_table);
  PAIR_TEST("/copy/many-rows", test_many_rows);
  PAIR_TEST("/copy/jobs", test_jobs);
  PAIR_TEST("/copy/node", test_node);
  PAIR_TEST("/copy/refused", test_refused);
  PAIR_TEST("/copy/other-type", test_other_type);
  PAIR_TEST("/copy/failed", test_failed);
  PAIR_TEST("/copy/no-text", test_no_text);
  return g_test_run();
}
