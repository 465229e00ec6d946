/* SPDX-License-Identifier: Apache-2.0 */
#include "store/kept.h"
#include "store/sql.h"

#include <string.h>

struct Store {
  const SqlDriver *driver;
  SqlConnection *connection;
  char *owner;
  gint64 jobs_added;
  AuditHead audit_end;
  Overrides overrides;
  Kept *kept; /* NULL: others write too */
};

G_DEFINE_QUARK(signet - store - error - quark, store_error)

Kept *store_kept(Store *store) {
  return store->kept;
}

/* What was learnt since the transaction began may not be so any more. */
static void forget_undone(Store *store) {
  store->audit_end.chain.given = FALSE;
  kept_undo(store->kept);
}

void store_close(Store *store) {
  if (store == NULL)
    return;
  kept_free(store->kept);
  store->driver->close(store->connection);
  g_free(store->owner);
  g_free(store);
}

static Store *open_place(const StorePlace *place, gboolean reader, GError **error) {
  gboolean shared = place->postgresql != NULL && place->postgresql[0] != '\0';
  const SqlDriver *driver = shared ? &sql_driver_postgres : &sql_driver_sqlite;
  SqlConnection *connection = driver->open(place, reader, error);
  if (connection == NULL)
    return NULL;
  Store *store = g_new0(Store, 1);
  store->driver = driver;
  store->connection = connection;
  store->jobs_added = G_MAXINT64;
  store->kept = shared || reader ? NULL : kept_new();
  store->owner = g_strdup(shared && place->owner != NULL ? place->owner : "");
  return store;
}

Store *store_open(const StorePlace *place, GError **error) {
  g_autoptr(Store) store = open_place(place, FALSE, error);
  return store != NULL && schema_migrate(store, error) ? g_steal_pointer(&store) : NULL;
}

Store *store_open_reader(const StorePlace *place, GError **error) {
  g_autoptr(Store) store = open_place(place, TRUE, error);
  return store != NULL && schema_check(store, error) ? g_steal_pointer(&store) : NULL;
}

gboolean store_is_shared(const Store *store) {
  return store->driver->shared;
}

gboolean store_octets(Store *store, gint64 *octets, GError **error) {
  *octets = 0;
  if (!store_is_shared(store))
    return TRUE;
  SqlQuery query = sql_query(store,
                             "SELECT CAST(sum(pg_total_relation_size(oid)) AS bigint) FROM pg_class"
                             " WHERE relkind = 'r' AND relnamespace ="
                             " (SELECT oid FROM pg_namespace WHERE nspname = current_schema())",
                             "");
  *octets = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

const char *store_owner(const Store *store) {
  return store->owner;
}

AuditHead *store_audit_end(Store *store) {
  return &store->audit_end;
}

Overrides *store_overrides(Store *store) {
  return &store->overrides;
}

gboolean store_lock_schema(Store *store, GError **error) {
  return store->driver->lock_schema(store->connection, error);
}

gboolean store_script(Store *store, const char *sql, GError **error) {
  store->audit_end.chain.given = FALSE;
  kept_forget_all(store->kept);
  return store->driver->script(store->connection, sql, error);
}

gboolean store_begin(Store *store, GError **error) {
  kept_begin(store->kept);
  gboolean begun = store->driver->begin(store->connection, error);
  if (begun)
    store->overrides = OVERRIDES_UNKNOWN;
  return begun;
}

gboolean store_commit(Store *store, GError **error) {
  store->overrides = OVERRIDES_ASKED_FOR;
  gboolean committed = store->driver->commit(store->connection, error);
  if (!committed)
    forget_undone(store);
  return committed;
}

void store_rollback(Store *store) {
  forget_undone(store);
  store->overrides = OVERRIDES_ASKED_FOR;
  store->driver->rollback(store->connection);
}

void store_expect_undo(Store *store, gboolean expected) {
  if (store->driver->expect_undo != NULL)
    store->driver->expect_undo(store->connection, expected);
}

gboolean store_handler_begin(Store *store, GError **error) {
  return store->driver->mark(store->connection, error);
}

gboolean store_handler_end(Store *store, gboolean keep, GError **error) {
  gboolean done = (keep || store->driver->undo(store->connection, error)) &&
                  store->driver->release(store->connection, error);
  if (!keep || !done)
    forget_undone(store);
  return done;
}

gboolean store_keep_so_far(Store *store, GError **error) {
  return store_handler_end(store, TRUE, error) && store_handler_begin(store, error);
}

gint64 *store_jobs_added(Store *store) {
  return &store->jobs_added;
}

/* --- statements
 * -------------------------------------------------------------------------------------- */

char *sql_with_words(const char *sql, const SqlWord *words) {
  GString *text = g_string_new(sql);
  for (; strchr(text->str, '@') != NULL && words->word != NULL; words++)
    g_string_replace(text, words->word, words->text, 0);
  return g_string_free(text, FALSE);
}

static void read_values(const char *format, va_list arguments,
                        SqlValue values[SQL_MAX_PARAMETERS]) {
  for (guint count = 0; format[count] != '\0'; count++) {
    g_assert(count < SQL_MAX_PARAMETERS);
    SqlValue *value = &values[count];
    *value = (SqlValue){SQL_NULL, 0, NULL, 0};
    if (format[count] == 'i') {
      value->type = SQL_INT;
      value->number = va_arg(arguments, gint64);
    } else if (format[count] == 't') {
      value->data = va_arg(arguments, const char *);
      value->type = value->data != NULL ? SQL_TEXT : SQL_NULL;
      value->size = value->data != NULL ? strlen(value->data) : 0;
    } else if (format[count] == 'b') {
      GBytes *bytes = va_arg(arguments, GBytes *);
      value->type = bytes != NULL ? SQL_BLOB : SQL_NULL;
      value->data = bytes != NULL ? g_bytes_get_data(bytes, &value->size) : NULL;
    } else {
      const Id *id = va_arg(arguments, const Id *);
      value->type = id != NULL ? SQL_BLOB : SQL_NULL;
      value->data = id;
      value->size = ID_OCTETS;
    }
  }
}

StoreChange sql_change(Store *store, GError **error, const char *sql, const char *format, ...) {
  SqlValue values[SQL_MAX_PARAMETERS];
  va_list arguments;
  va_start(arguments, format);
  read_values(format, arguments, values);
  va_end(arguments);
  gint64 changed = store->driver->change(store->connection, sql, format, values, error);
  return changed < 0 ? STORE_FAILED : changed == 0 ? STORE_UNCHANGED : STORE_CHANGED;
}

gboolean sql_run(Store *store, GError **error, const char *sql, const char *format, ...) {
  SqlValue values[SQL_MAX_PARAMETERS];
  va_list arguments;
  va_start(arguments, format);
  read_values(format, arguments, values);
  va_end(arguments);
  return store->driver->run(store->connection, sql, format, values, error);
}

SqlQuery sql_query(Store *store, const char *sql, const char *format, ...) {
  SqlValue values[SQL_MAX_PARAMETERS];
  SqlQuery query = {store, NULL, NULL};
  va_list arguments;
  va_start(arguments, format);
  read_values(format, arguments, values);
  va_end(arguments);
  query.cursor = store->driver->query(store->connection, sql, format, values, &query.error);
  return query;
}

gboolean sql_row(SqlQuery *query) {
  return query->cursor != NULL && query->error == NULL &&
         query->store->driver->next(query->cursor, &query->error) > 0;
}

int sql_columns(SqlQuery *query) {
  return query->store->driver->columns(query->cursor);
}

const char *sql_name(SqlQuery *query, int column) {
  return query->store->driver->name(query->cursor, column);
}

SqlValue sql_value(SqlQuery *query, int column) {
  return query->store->driver->value(query->cursor, column);
}

gint64 sql_int(SqlQuery *query, int column) {
  return query->store->driver->value(query->cursor, column).number;
}

char *sql_text(SqlQuery *query, int column) {
  SqlValue value = query->store->driver->value(query->cursor, column);
  gboolean whole = value.type == SQL_TEXT && memchr(value.data, '\0', value.size) == NULL;
  return whole ? g_strndup(value.data, value.size) : NULL;
}

GBytes *sql_bytes(SqlQuery *query, int column) {
  SqlValue value = query->store->driver->value(query->cursor, column);
  return value.type == SQL_BLOB ? g_bytes_new(value.data, value.size) : NULL;
}

gboolean sql_id(SqlQuery *query, int column, Id *id) {
  SqlValue value = query->store->driver->value(query->cursor, column);
  if (value.type != SQL_BLOB || value.size != ID_OCTETS)
    return FALSE;
  memcpy(id->octets, value.data, ID_OCTETS);
  return TRUE;
}

gboolean sql_end(SqlQuery *query, GError **error) {
  if (query->cursor != NULL)
    query->store->driver->finish(query->cursor);
  query->cursor = NULL;
  if (query->error == NULL)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&query->error));
  return FALSE;
}

StoreFind sql_exists(SqlQuery query, GError **error) {
  StoreFind found = sql_row(&query) ? STORE_FOUND : STORE_MISSING;
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

gboolean sql_ids(SqlQuery query, GArray *ids, GError **error) {
  Id id;
  while (sql_row(&query) && sql_id(&query, 0, &id))
    g_array_append_val(ids, id);
  return sql_end(&query, error);
}

/* --- rows in bulk
 * -------------------------------------------------------------------------------------- */

SqlLoad *sql_load(Store *store, const char *table, const char *columns, guint count,
                  GError **error) {
  return store->driver->load(store->connection, table, columns, count, error);
}

gboolean sql_load_row(Store *store, SqlLoad *load, const SqlValue *values, GError **error) {
  return store->driver->load_row(load, values, error);
}

gboolean sql_load_end(Store *store, SqlLoad *load, gint64 *rows, GError **error) {
  return store->driver->load_end(load, rows, error);
}
