/* SPDX-License-Identifier: Apache-2.0 */
#include "store/copy.h"
#include "store/sql.h"

#include <string.h>

#define PROGRESS_ROWS 1000
#define COLUMNS_MAX 64

typedef struct {
  char *name;
  GPtrArray *columns; /* names */
  GArray *types;      /* of int: SQL_INT ... */
  gint64 node_at;     /* column that becomes the node's name; -1: none */
  gint64 rows;
} Table;

typedef struct {
  Store *from, *to;
  const char *node;
  StoreCopyProgress progress;
  gpointer user;
  gint64 done, of, changed;
} Copy;

static void table_free(gpointer data) {
  Table *table = data;
  g_free(table->name);
  g_ptr_array_unref(table->columns);
  g_array_unref(table->types);
  g_free(table);
}

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean refuse(GError **error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_propagate_error(error, g_error_new_valist(STORE_ERROR, STORE_ERROR_FAILED, format, values));
  va_end(values);
  return FALSE;
}

/* --- what there is
 * ------------------------------------------------------------------------------------------ */

/* What each store has of its own: its schema, who writes to it. In the order in which they were
   made, so that what refers to others comes behind them. */
static GPtrArray *read_names(Store *from, GError **error) {
  g_autoptr(GPtrArray) tables = g_ptr_array_new_with_free_func(table_free);
  SqlQuery query = sql_query(from,
                             "SELECT name FROM sqlite_schema WHERE type = 'table'"
                             " AND substr(name, 1, 7) <> 'sqlite_'"
                             " AND name NOT IN ('schema_version', 'writer') ORDER BY rowid",
                             "");
  while (sql_row(&query)) {
    Table *table = g_new0(Table, 1);
    table->name = sql_text(&query, 0);
    table->columns = g_ptr_array_new_with_free_func(g_free);
    table->types = g_array_new(FALSE, FALSE, sizeof(int));
    table->node_at = -1;
    g_ptr_array_add(tables, table);
  }
  return sql_end(&query, error) ? g_steal_pointer(&tables) : NULL;
}

/* Where several nodes are, a certificate names the one whose signer was asked. */
static gboolean is_node(const Table *table, const char *column) {
  return strcmp(table->name, "certificate") == 0 && strcmp(column, "asked") == 0;
}

static gboolean read_columns(Store *from, Table *table, GError **error) {
  SqlQuery query = sql_query(from, "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid", "t",
                             table->name);
  while (sql_row(&query)) {
    g_autofree char *type = sql_text(&query, 1);
    int kind = g_str_equal(type, "INTEGER") ? SQL_INT
               : g_str_equal(type, "BLOB")  ? SQL_BLOB
                                            : SQL_TEXT;
    g_ptr_array_add(table->columns, sql_text(&query, 0));
    if (is_node(table, table->columns->pdata[table->columns->len - 1]))
      table->node_at = table->columns->len - 1;
    g_array_append_val(table->types, kind);
  }
  return sql_end(&query, error);
}

static gboolean count_rows(Store *store, const Table *table, gint64 *rows, GError **error) {
  g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM %s", table->name);
  SqlQuery query = sql_query(store, sql, "");
  *rows = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

static gboolean check_empty(Store *to, const Table *table, GError **error) {
  g_autofree char *sql = g_strdup_printf("SELECT 1 FROM %s LIMIT 1", table->name);
  StoreFind found = sql_exists(sql_query(to, sql, ""), error);
  return found == STORE_FOUND
             ? refuse(error, "there is a store already: the table %s has rows", table->name)
             : found == STORE_MISSING;
}

static GPtrArray *read_tables(Copy *copy, GError **error) {
  g_autoptr(GPtrArray) tables = read_names(copy->from, error);
  for (guint i = 0; tables != NULL && i < tables->len; i++) {
    Table *table = tables->pdata[i];
    if (!check_empty(copy->to, table, error) || !read_columns(copy->from, table, error) ||
        !count_rows(copy->from, table, &table->rows, error))
      return NULL;
    copy->of += table->rows;
  }
  return g_steal_pointer(&tables);
}

/* --- its rows
 * -----------------------------------------------------------------------------------------------
 */

/* SQLite lets any column hold anything. */
static gboolean take_row(Copy *copy, const Table *table, SqlQuery *query, SqlValue *values,
                         GError **error) {
  for (guint i = 0; i < table->columns->len; i++) {
    values[i] = i == table->node_at ? (SqlValue){SQL_TEXT, 0, copy->node, strlen(copy->node)}
                                    : sql_value(query, (int)i);
    int type = (int)values[i].type;
    if (type != SQL_NULL && type != g_array_index(table->types, int, i))
      return refuse(error, "table %s, column %s: a value is not of the column's type", table->name,
                    (const char *)table->columns->pdata[i]);
    if (type == SQL_TEXT && !g_utf8_validate(values[i].data, (gssize)values[i].size, NULL))
      copy->changed++;
  }
  return TRUE;
}

static gboolean copy_rows(Copy *copy, const Table *table, SqlQuery *query, SqlLoad *load,
                          GError **error) {
  SqlValue values[COLUMNS_MAX];
  while (sql_row(query)) {
    if (!take_row(copy, table, query, values, error) ||
        !sql_load_row(copy->to, load, values, error))
      return FALSE;
    if (++copy->done % PROGRESS_ROWS == 0)
      copy->progress(copy->done, copy->of, copy->user);
  }
  return TRUE;
}

static gboolean load_table(Copy *copy, const Table *table, const char *columns, gint64 *rows,
                           GError **error) {
  g_autofree char *sql = g_strdup_printf("SELECT %s FROM %s", columns, table->name);
  SqlLoad *load = sql_load(copy->to, table->name, columns, table->columns->len, error);
  if (load == NULL)
    return FALSE;
  SqlQuery query = sql_query(copy->from, sql, "");
  gboolean good = copy_rows(copy, table, &query, load, error);
  good = sql_end(&query, good ? error : NULL) && good;
  return sql_load_end(copy->to, load, rows, good ? error : NULL) && good;
}

/* The first questions come before the database would look at its tables by itself. */
static gboolean analyze(Store *to, const Table *table, GError **error) {
  g_autofree char *sql = g_strdup_printf("ANALYZE %s", table->name);
  return store_script(to, sql, error);
}

static gboolean copy_table(Copy *copy, const Table *table, GError **error) {
  g_assert(table->columns->len <= COLUMNS_MAX);
  g_ptr_array_add(table->columns, NULL);
  g_autofree char *columns = g_strjoinv(", ", (char **)table->columns->pdata);
  g_ptr_array_remove_index(table->columns, table->columns->len - 1);
  gint64 sent = 0, there = 0;
  if (!load_table(copy, table, columns, &sent, error) ||
      !count_rows(copy->to, table, &there, error) || !analyze(copy->to, table, error))
    return FALSE;
  return (sent == table->rows && there == table->rows) ||
         refuse(error,
                "the table %s has %" G_GINT64_FORMAT " rows, of which %" G_GINT64_FORMAT
                " are there",
                table->name, table->rows, there);
}

/* Nobody has the name any more that they were taken by, or that they are for. */
static gboolean free_jobs(Store *to, GError **error) {
  return sql_run(to, error, "DELETE FROM job WHERE only_for IS NOT NULL", "") &&
         sql_run(to, error,
                 "UPDATE job SET taken_until = 0, owner = NULL, lease = lease + 1"
                 " WHERE taken_until > 0",
                 "");
}

gboolean store_copy(Store *from, Store *to, const char *node, StoreCopyProgress progress,
                    gpointer user, StoreCopied *copied, GError **error) {
  Copy copy = {from, to, node, progress, user, 0, 0, 0};
  if (!store_lock_schema(to, error) ||
      !store_script(to, "SET LOCAL idle_in_transaction_session_timeout = 0", error))
    return FALSE;
  g_autoptr(GPtrArray) tables = read_tables(&copy, error);
  for (guint i = 0; tables != NULL && i < tables->len; i++)
    if (!copy_table(&copy, tables->pdata[i], error))
      return FALSE;
  if (tables == NULL || !free_jobs(to, error))
    return FALSE;
  *copied = (StoreCopied){tables->len, copy.done, copy.changed};
  return TRUE;
}
