/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded driver: SQLite in WAL mode with synchronous=FULL, one writer, guarded by a lock
 * file. */
#include "store/sql.h"
#include "store/sqlite_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define CURSOR_OCTETS 128

struct SqlConnection {
  sqlite3 *database;
  GHashTable *prepared; /* text as it was given -> Prepared */
  GHashTable *given;    /* where that text lay -> the same Prepared */
  int lock;
  enum { NO_MARK, MARK_WANTED, MARKED } mark; /* a savepoint: made before the first change */
  gboolean lasting; /* handlers are not expected to be undone: a mark has no savepoint */
};

/* A statement runs once at a time. */
struct SqlCursor {
  SqlConnection *connection;
  sqlite3_stmt *statement;
  guint8 values[CURSOR_OCTETS]; /* what small parameters are while it runs */
};

typedef struct {
  char *sql;
  sqlite3_stmt *statement;
  SqlCursor cursor;
} Prepared;

/* One writer needs no locks. */
static const SqlWord words[] = {{"@int", "INTEGER"}, {"@blob", "BLOB"},    {"@text", "TEXT"},
                                {"@lock", ""},       {"@skip-locked", ""}, {"@light", ""},
                                {NULL, NULL}};

static void fail(SqlConnection *connection, const char *doing, GError **error) {
  g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "%s: %s", doing,
              sqlite3_errmsg(connection->database));
}

static void prepared_free(gpointer data) {
  Prepared *prepared = data;
  sqlite3_finalize(prepared->statement);
  g_free(prepared->sql);
  g_free(prepared);
}

static void sqlite_close(SqlConnection *connection) {
  g_hash_table_unref(connection->given);
  g_hash_table_unref(connection->prepared);
  sqlite3_close(connection->database);
  if (connection->lock >= 0)
    close(connection->lock);
  g_free(connection);
}

static int take_lock(const char *folder, GError **error) {
  g_autofree char *path = g_build_filename(folder, "signet.lock", NULL);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN, "%s: %s", path, g_strerror(errno));
    return -1;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  g_set_error(error, STORE_ERROR, STORE_ERROR_BUSY, "%s: another process works on this store",
              path);
  close(fd);
  return -1;
}

static gboolean sqlite_script(SqlConnection *connection, const char *sql, GError **error) {
  g_autofree char *text = sql_with_words(sql, words);
  if (sqlite3_exec(connection->database, text, NULL, NULL, NULL) == SQLITE_OK)
    return TRUE;
  fail(connection, "database script", error);
  return FALSE;
}

/* SQLite answers with the mode that it is in, also where it could not change it. */
static gboolean use_wal(SqlConnection *connection, GError **error) {
  sqlite3_stmt *statement = NULL;
  gboolean wal = sqlite3_prepare_v2(connection->database, "PRAGMA journal_mode=WAL", -1, &statement,
                                    NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW &&
                 g_strcmp0((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
  if (!wal)
    fail(connection, "write-ahead log", error);
  sqlite3_finalize(statement);
  return wal;
}

static SqlConnection *connection_new(int lock) {
  SqlConnection *connection = g_new0(SqlConnection, 1);
  connection->lock = lock;
  connection->prepared = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, prepared_free);
  connection->given = g_hash_table_new(NULL, NULL);
  return connection;
}

/* Whether signetctl restore came to its end there. */
static gboolean is_finished(const char *folder, GError **error) {
  g_autofree char *path = g_build_filename(folder, STORE_UNFINISHED, NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN,
              "%s: signetctl restore was begun there and not finished; run it again", folder);
  return FALSE;
}

static SqlConnection *open_writer(const char *folder, GError **error) {
  int lock = is_finished(folder, error) ? take_lock(folder, error) : -1;
  if (lock < 0)
    return NULL;
  SqlConnection *connection = connection_new(lock);
  g_autofree char *path = g_build_filename(folder, "signet.db", NULL);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path, &connection->database, flags, NULL) != SQLITE_OK) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN, "%s: %s", path,
                sqlite3_errmsg(connection->database));
    sqlite_close(connection);
    return NULL;
  }
  sqlite3_busy_timeout(connection->database, 10000);
  /* temp_store: what a savepoint may have to undo would be written to a file outside the folder. */
  if (!use_wal(connection, error) ||
      !sqlite_script(connection,
                     "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                     "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY;",
                     error)) {
    sqlite_close(connection);
    return NULL;
  }
  return connection;
}

static SqlConnection *open_reader(const char *folder, GError **error) {
  g_autofree char *path = g_build_filename(folder, "signet.db", NULL);
  if (!sqlite_is_readable(path, error))
    return NULL;
  SqlConnection *connection = connection_new(-1);
  int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
  gboolean good = sqlite3_open_v2(path, &connection->database, flags, NULL) == SQLITE_OK;
  if (good) {
    sqlite3_busy_timeout(connection->database, 10000);
    good = sqlite_script(connection, "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF;", NULL);
  }
  if (good)
    return connection;
  g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN, "%s: %s", path,
              sqlite3_errmsg(connection->database));
  sqlite_close(connection);
  return NULL;
}

static SqlConnection *sqlite_open(const StorePlace *place, gboolean reader, GError **error) {
  /* Nobody asks for its sums of memory, which take a lock for each allocation; no process comes
     here with two threads. */
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
  return reader ? open_reader(place->folder, error) : open_writer(place->folder, error);
}

static Prepared *prepare_anew(SqlConnection *connection, const char *sql, GError **error) {
  g_autofree char *text = sql_with_words(sql, words);
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v3(connection->database, text, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         NULL) != SQLITE_OK) {
    fail(connection, sql, error);
    return NULL;
  }
  Prepared *prepared = g_new0(Prepared, 1);
  *prepared = (Prepared){
      .sql = g_strdup(sql), .statement = statement, .cursor = {connection, statement, {0}}};
  g_hash_table_insert(connection->prepared, prepared->sql, prepared);
  return prepared;
}

/* Nearly always the text is a constant that was given before: then nothing is hashed. */
static Prepared *prepare(SqlConnection *connection, const char *sql, GError **error) {
  Prepared *prepared = g_hash_table_lookup(connection->given, sql);
  if (prepared != NULL && strcmp(prepared->sql, sql) == 0)
    return prepared;
  prepared = g_hash_table_lookup(connection->prepared, sql);
  if (prepared == NULL)
    prepared = prepare_anew(connection, sql, error);
  if (prepared == NULL)
    return NULL;
  g_hash_table_insert(connection->given, (gpointer)sql, prepared);
  return prepared;
}

/* A place where a parameter stays as it is while the statement runs; NULL: it has to be copied. */
static const void *keep(SqlCursor *cursor, gsize *kept, const SqlValue *value) {
  if (value->size > CURSOR_OCTETS - *kept)
    return NULL;
  guint8 *place = cursor->values + *kept;
  memcpy(place, value->data, value->size);
  *kept += value->size;
  return place;
}

static int bind_value(SqlCursor *cursor, int at, const SqlValue *value, gsize *kept,
                      gboolean lasting) {
  if (value->type == SQL_INT)
    return sqlite3_bind_int64(cursor->statement, at, value->number);
  if (value->type == SQL_NULL)
    return sqlite3_bind_null(cursor->statement, at);
  const void *place = value->size == 0 ? "" : lasting ? value->data : keep(cursor, kept, value);
  const void *data = place != NULL ? place : value->data;
  sqlite3_destructor_type life = place != NULL ? SQLITE_STATIC : SQLITE_TRANSIENT;
  int size = (int)value->size;
  return value->type == SQL_TEXT ? sqlite3_bind_text(cursor->statement, at, data, size, life)
                                 : sqlite3_bind_blob(cursor->statement, at, data, size, life);
}

/* lasting: the values live until the statement is released. */
static SqlCursor *bind(SqlConnection *connection, const char *sql, const char *format,
                       const SqlValue *values, gboolean lasting, GError **error) {
  Prepared *prepared = prepare(connection, sql, error);
  gsize kept = 0;
  for (guint i = 0; prepared != NULL && format[i] != '\0'; i++)
    if (bind_value(&prepared->cursor, (int)i + 1, &values[i], &kept, lasting) != SQLITE_OK) {
      fail(connection, sql, error);
      return NULL;
    }
  return prepared != NULL ? &prepared->cursor : NULL;
}

static void release(sqlite3_stmt *statement) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

static gint64 run_statement(SqlConnection *connection, const char *sql, const char *format,
                            const SqlValue *values, GError **error) {
  SqlCursor *cursor = bind(connection, sql, format, values, TRUE, error);
  if (cursor == NULL)
    return -1;
  int result = sqlite3_step(cursor->statement);
  gint64 changed = result == SQLITE_DONE ? sqlite3_changes(connection->database) : -1;
  if (changed < 0)
    fail(connection, sql, error);
  release(cursor->statement);
  return changed;
}

/* Handlers that only read need nothing to go back to. */
static gboolean make_mark(SqlConnection *connection, const char *sql, GError **error) {
  if (connection->mark != MARK_WANTED || g_str_has_prefix(sql, "SELECT"))
    return TRUE;
  connection->mark = MARKED;
  return connection->lasting ||
         run_statement(connection, "SAVEPOINT handler", "", NULL, error) >= 0;
}

static gint64 sqlite_change(SqlConnection *connection, const char *sql, const char *format,
                            const SqlValue *values, GError **error) {
  return make_mark(connection, sql, error) ? run_statement(connection, sql, format, values, error)
                                           : -1;
}

static gboolean sqlite_run(SqlConnection *connection, const char *sql, const char *format,
                           const SqlValue *values, GError **error) {
  return sqlite_change(connection, sql, format, values, error) >= 0;
}

static gboolean sqlite_begin(SqlConnection *connection, GError **error) {
  connection->mark = NO_MARK;
  return sqlite_run(connection, "BEGIN IMMEDIATE", "", NULL, error);
}

static void sqlite_rollback(SqlConnection *connection) {
  connection->mark = NO_MARK;
  sqlite_run(connection, "ROLLBACK", "", NULL, NULL);
}

static gboolean sqlite_commit(SqlConnection *connection, GError **error) {
  if (sqlite_run(connection, "COMMIT", "", NULL, error))
    return TRUE;
  sqlite_rollback(connection);
  return FALSE;
}

/* The one writer has it for itself. */
static gboolean sqlite_lock_schema(SqlConnection *connection G_GNUC_UNUSED,
                                   GError **error G_GNUC_UNUSED) {
  return TRUE;
}

static SqlCursor *sqlite_query(SqlConnection *connection, const char *sql, const char *format,
                               const SqlValue *values, GError **error) {
  return make_mark(connection, sql, error) ? bind(connection, sql, format, values, FALSE, error)
                                           : NULL;
}

static int sqlite_next(SqlCursor *cursor, GError **error) {
  int result = sqlite3_step(cursor->statement);
  if (result == SQLITE_ROW)
    return 1;
  if (result == SQLITE_DONE)
    return 0;
  fail(cursor->connection, "query", error);
  return -1;
}

static int sqlite_columns(SqlCursor *cursor) {
  return sqlite3_column_count(cursor->statement);
}

static const char *sqlite_name(SqlCursor *cursor, int column) {
  return sqlite3_column_name(cursor->statement, column);
}

static SqlValue sqlite_value(SqlCursor *cursor, int column) {
  SqlValue value = {SQL_NULL, 0, NULL, 0};
  int type = sqlite3_column_type(cursor->statement, column);
  if (type == SQLITE_INTEGER) {
    value.type = SQL_INT;
    value.number = sqlite3_column_int64(cursor->statement, column);
  } else if (type == SQLITE_TEXT) {
    value.type = SQL_TEXT;
    value.data = sqlite3_column_text(cursor->statement, column);
    value.size = (gsize)sqlite3_column_bytes(cursor->statement, column);
  } else if (type == SQLITE_BLOB) {
    value.type = SQL_BLOB;
    value.data = sqlite3_column_blob(cursor->statement, column);
    value.size = (gsize)sqlite3_column_bytes(cursor->statement, column);
  }
  return value;
}

static void sqlite_finish(SqlCursor *cursor) {
  release(cursor->statement);
}

static gboolean sqlite_mark(SqlConnection *connection, GError **error G_GNUC_UNUSED) {
  connection->mark = MARK_WANTED;
  return TRUE;
}

static gboolean sqlite_release(SqlConnection *connection, GError **error) {
  gboolean marked = connection->mark == MARKED && !connection->lasting;
  connection->mark = NO_MARK;
  return !marked || sqlite_run(connection, "RELEASE handler", "", NULL, error);
}

static gboolean sqlite_undo(SqlConnection *connection, GError **error) {
  if (connection->mark != MARKED)
    return TRUE;
  if (!connection->lasting)
    return sqlite_run(connection, "ROLLBACK TO handler", "", NULL, error);
  g_set_error(error, STORE_ERROR, STORE_ERROR_AGAIN, "what was not expected is to be undone");
  return FALSE;
}

static void sqlite_expect_undo(SqlConnection *connection, gboolean expected) {
  connection->lasting = !expected;
}

const SqlDriver sql_driver_sqlite = {
    .open = sqlite_open,
    .close = sqlite_close,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .mark = sqlite_mark,
    .release = sqlite_release,
    .undo = sqlite_undo,
    .expect_undo = sqlite_expect_undo,
    .lock_schema = sqlite_lock_schema,
    .script = sqlite_script,
    .run = sqlite_run,
    .change = sqlite_change,
    .query = sqlite_query,
    .next = sqlite_next,
    .value = sqlite_value,
    .columns = sqlite_columns,
    .name = sqlite_name,
    .finish = sqlite_finish,
};
