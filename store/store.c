/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sql.h"

#include <string.h>

struct Store {
  const SqlDriver *driver;
  SqlConnection *connection;
};

G_DEFINE_QUARK(signet - store - error - quark, store_error)

void store_close(Store *store) {
  if (store == NULL)
    return;
  store->driver->close(store->connection);
  g_free(store);
}

Store *store_open(const char *folder, GError **error) {
  SqlConnection *connection = sql_driver_sqlite.open(folder, error);
  if (connection == NULL)
    return NULL;
  g_autoptr(Store) store = g_new0(Store, 1);
  store->driver = &sql_driver_sqlite;
  store->connection = connection;
  if (!schema_migrate(store, error))
    return NULL;
  return g_steal_pointer(&store);
}

Store *store_open_reader(const char *folder, GError **error) {
  SqlConnection *connection = sql_driver_sqlite.open_reader(folder, error);
  if (connection == NULL)
    return NULL;
  g_autoptr(Store) store = g_new0(Store, 1);
  store->driver = &sql_driver_sqlite;
  store->connection = connection;
  return schema_check(store, error) ? g_steal_pointer(&store) : NULL;
}

gboolean store_script(Store *store, const char *sql, GError **error) {
  return store->driver->script(store->connection, sql, error);
}

gboolean store_begin(Store *store, GError **error) {
  return sql_run(store, error, "BEGIN IMMEDIATE", "");
}

gboolean store_commit(Store *store, GError **error) {
  if (sql_run(store, error, "COMMIT", ""))
    return TRUE;
  store_rollback(store);
  return FALSE;
}

void store_rollback(Store *store) {
  sql_run(store, NULL, "ROLLBACK", "");
}

gboolean store_handler_begin(Store *store, GError **error) {
  return !store->driver->handler_savepoints || sql_run(store, error, "SAVEPOINT handler", "");
}

gboolean store_handler_end(Store *store, gboolean keep, GError **error) {
  if (!store->driver->handler_savepoints)
    return TRUE;
  if (!keep && !sql_run(store, error, "ROLLBACK TO handler", ""))
    return FALSE;
  return sql_run(store, error, "RELEASE handler", "");
}

/* --- statements
 * -------------------------------------------------------------------------------------- */

static guint read_values(const char *format, va_list arguments,
                         SqlValue values[SQL_MAX_PARAMETERS]) {
  guint count = 0;
  for (; format[count] != '\0'; count++) {
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
  return count;
}

StoreChange sql_change(Store *store, GError **error, const char *sql, const char *format, ...) {
  SqlValue values[SQL_MAX_PARAMETERS];
  va_list arguments;
  va_start(arguments, format);
  guint count = read_values(format, arguments, values);
  va_end(arguments);
  gint64 changed = store->driver->change(store->connection, sql, values, count, error);
  return changed < 0 ? STORE_FAILED : changed == 0 ? STORE_UNCHANGED : STORE_CHANGED;
}

gboolean sql_run(Store *store, GError **error, const char *sql, const char *format, ...) {
  SqlValue values[SQL_MAX_PARAMETERS];
  va_list arguments;
  va_start(arguments, format);
  guint count = read_values(format, arguments, values);
  va_end(arguments);
  return store->driver->change(store->connection, sql, values, count, error) >= 0;
}

SqlQuery sql_query(Store *store, const char *sql, const char *format, ...) {
  SqlValue values[SQL_MAX_PARAMETERS];
  SqlQuery query = {store, NULL, NULL};
  va_list arguments;
  va_start(arguments, format);
  guint count = read_values(format, arguments, values);
  va_end(arguments);
  query.cursor = store->driver->query(store->connection, sql, values, count, &query.error);
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
