/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for PostgreSQL: READ COMMITTED, one transaction a handler, and commits whose outcome
   is found out when the connection is lost under them. */
#include "base/log.h"
#include "store/lock.h"
#include "store/postgres_link.h"
#include "store/postgres_load.h"

#include <string.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define ANSWER_PATIENCE (60 * SECOND) /* the server ends statements before */
#define OPEN_PATIENCE (2 * SECOND)
#define BEGIN_PATIENCE (3 * SECOND)
#define COMMIT_PATIENCE (10 * SECOND)
#define CONNECT_PAUSE (SECOND / 10)
#define AWAY_PAUSE (SECOND / 2) /* after which it is tried again */

static const char save[] = "SAVEPOINT handler";

#define TYPE_BOOL 16
#define TYPE_BYTEA 17
#define TYPE_INT8 20
#define TYPE_INT4 23
#define TYPE_TEXT 25

struct SqlConnection {
  PostgresLink *link;
  PostgresPipe pipe;
  char *owner;
  gboolean open, begun, wrote; /* a transaction; the server knows of it; it has changed something */
  gboolean wrote_light;        /* the same with what a handler that is kept may lose */
  gboolean marked;             /* there is a place to go back to */
  GError *failure;             /* what the transaction failed by: nothing more is sent */
  gint64 commits;              /* of this owner, as its row says */
  gint64 away_until;           /* monotonic; until then nobody is asked again */
};

struct SqlCursor {
  SqlConnection *connection;
  PGresult *result; /* NULL: it was not waited for yet */
  int row;          /* -1: before the first */
};

struct SqlLoad {
  SqlConnection *connection;
  PostgresLoad load;
};

/* --- connecting
 * -------------------------------------------------------------------------------------------- */

static PGresult *ask(SqlConnection *connection, const char *sql, const char *format,
                     const SqlValue *values, GError **error) {
  return pipe_send(&connection->pipe, sql, format, values, error)
             ? pipe_settle(&connection->pipe, error)
             : NULL;
}

static SqlValue text_value(const char *text) {
  return (SqlValue){SQL_TEXT, 0, text, strlen(text)};
}

/* The owner's row. There is no table before the first migration. */
static gboolean read_commits(SqlConnection *connection, GError **error) {
  const SqlValue owner = text_value(connection->owner);
  PGresult *table = ask(connection, "SELECT to_regclass('writer')::text", "", NULL, error);
  gboolean good = table != NULL, found = good && !PQgetisnull(table, 0, 0);
  PQclear(table);
  connection->commits = 0;
  if (!found)
    return good;
  PGresult *row =
      ask(connection, "SELECT commits FROM writer WHERE owner = ?1", "t", &owner, error);
  if (row != NULL && PQntuples(row) > 0) {
    gint64 number = 0;
    memcpy(&number, PQgetvalue(row, 0, 0), sizeof(number));
    connection->commits = GINT64_FROM_BE(number);
  }
  good = row != NULL;
  PQclear(row);
  return good;
}

/* A connection that is lost before it was of use is made anew, until then. */
static gboolean connect_until(SqlConnection *connection, gint64 until, GError **error) {
  for (;;) {
    g_autoptr(GError) failure = NULL;
    if (!link_connect(connection->link, &connection->pipe, until, error))
      return FALSE;
    if (connection->owner == NULL || read_commits(connection, &failure))
      return TRUE;
    pipe_use(&connection->pipe, NULL);
    if (g_get_monotonic_time() > until) {
      g_set_error(error, STORE_ERROR, STORE_ERROR_AWAY, "%s", failure->message);
      return FALSE;
    }
    g_usleep(CONNECT_PAUSE);
  }
}

/* Where there is no connection. One that was there until now is tried for longer; afterwards nobody
   waits for a look. */
static gboolean connect_again(SqlConnection *connection, GError **error) {
  gint64 now = g_get_monotonic_time();
  gboolean away = connection->away_until != 0;
  if (connection->pipe.connection != NULL)
    return TRUE;
  if (now < connection->away_until || (away && !link_look(connection->link))) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_AWAY, "the database could not be reached just now");
    return FALSE;
  }
  if (connect_until(connection, away ? 0 : now + BEGIN_PATIENCE, error)) {
    connection->away_until = 0;
    log_info("database connected again", NULL);
    return TRUE;
  }
  connection->away_until = g_get_monotonic_time() + AWAY_PAUSE;
  return FALSE;
}

static void postgres_close(SqlConnection *connection) {
  pipe_use(&connection->pipe, NULL);
  g_hash_table_unref(connection->pipe.prepared);
  link_free(connection->link);
  g_clear_error(&connection->failure);
  g_free(connection->owner);
  g_free(connection);
}

static SqlConnection *postgres_open(const StorePlace *place, gboolean reader, GError **error) {
  PostgresLink *link = link_new(place, reader, error);
  if (link == NULL)
    return NULL;
  SqlConnection *connection = g_new0(SqlConnection, 1);
  connection->link = link;
  connection->owner = reader ? NULL : g_strdup(place->owner != NULL ? place->owner : "");
  pipe_init(&connection->pipe, reader ? 0 : ANSWER_PATIENCE);
  if (connect_until(connection, g_get_monotonic_time() + OPEN_PATIENCE, error))
    return connection;
  postgres_close(connection);
  return NULL;
}

/* --- transactions
 * ------------------------------------------------------------------------------------------ */

static void end_transaction(SqlConnection *connection) {
  connection->open = connection->begun = connection->wrote = FALSE;
  connection->wrote_light = connection->marked = FALSE;
  connection->pipe.patience = connection->owner != NULL ? ANSWER_PATIENCE : 0;
  g_clear_error(&connection->failure);
}

/* Begun at the server together with its first statement. */
static gboolean postgres_begin(SqlConnection *connection, GError **error) {
  if (!connect_again(connection, error))
    return FALSE;
  end_transaction(connection);
  connection->open = TRUE;
  return TRUE;
}

static void postgres_rollback(SqlConnection *connection) {
  if (connection->begun && connection->pipe.connection != NULL)
    PQclear(ask(connection, "ROLLBACK", "", NULL, NULL));
  end_transaction(connection);
}

/* Says in the owner's row that one more is committed. */
static gboolean send_commits(SqlConnection *connection, GError **error) {
  const SqlValue values[] = {text_value(connection->owner),
                             {SQL_INT, connection->commits + 1, NULL, 0}};
  return pipe_send(&connection->pipe,
                   "INSERT INTO writer (owner, commits) VALUES (?1, ?2)"
                   " ON CONFLICT (owner) DO UPDATE SET commits = excluded.commits",
                   "ti", values, error);
}

/* A commit of its own: with a synchronous standby all that was committed before it is there too. */
static gboolean confirm(SqlConnection *connection, GError **error) {
  PGresult *result = send_commits(connection, error) ? pipe_settle(&connection->pipe, error) : NULL;
  gboolean good = result != NULL && !connection->pipe.warned;
  if (result != NULL)
    connection->commits++;
  if (result != NULL && !good)
    g_set_error(error, STORE_ERROR, STORE_ERROR_AWAY,
                "the database does not say that a commit is safe");
  PQclear(result);
  return good;
}

/* The connection was lost under a commit: the owner's row tells whether it is there. The lock that
   a new connection waits for makes sure that the one before has ended. */
static gboolean resolve(SqlConnection *connection, GError **error) {
  gint64 expected = connection->commits + 1;
  gint64 until = g_get_monotonic_time() + COMMIT_PATIENCE;
  do {
    g_autoptr(GError) failure = NULL;
    if (connection->pipe.connection == NULL && !connect_until(connection, until, &failure)) {
      g_propagate_error(error, g_steal_pointer(&failure));
      return FALSE;
    }
    if (connection->commits < expected) {
      g_set_error(error, STORE_ERROR, STORE_ERROR_AGAIN,
                  "the connection to the database was lost before the commit");
      return FALSE;
    }
    connection->pipe.patience = MAX(until - g_get_monotonic_time(), SECOND);
    connection->pipe.warned = FALSE;
    if (confirm(connection, &failure)) {
      log_info("commit found after a lost connection", NULL);
      return TRUE;
    }
  } while (g_get_monotonic_time() < until);
  g_set_error(error, STORE_ERROR, STORE_ERROR_AWAY,
              "the connection to the database was lost during a commit");
  return FALSE;
}

/* What goes before COMMIT. */
static gboolean send_end(SqlConnection *connection, GError **error) {
  if (connection->wrote)
    return send_commits(connection, error);
  return !connection->wrote_light ||
         pipe_send(&connection->pipe, "SET LOCAL synchronous_commit = off", "", NULL, error);
}

static gboolean commit_sent(SqlConnection *connection, GError **error) {
  GError *failure = NULL;
  gboolean wrote = connection->wrote;
  connection->pipe.warned = FALSE;
  PGresult *result =
      send_end(connection, &failure) ? ask(connection, "COMMIT", "", NULL, &failure) : NULL;
  gboolean committed = result != NULL && strcmp(PQcmdStatus(result), "COMMIT") == 0;
  if (result != NULL && !committed)
    failure = g_error_new(STORE_ERROR, STORE_ERROR_FAILED, "the database undid the transaction");
  PQclear(result);
  connection->commits += committed && wrote ? 1 : 0;
  if (committed)
    return !wrote || !connection->pipe.warned || confirm(connection, error);
  if (wrote && connection->pipe.connection == NULL) {
    log_warning("commit in doubt", "reason", failure->message, NULL);
    g_error_free(failure);
    return resolve(connection, error);
  }
  g_propagate_error(error, failure);
  return FALSE;
}

static gboolean postgres_commit(SqlConnection *connection, GError **error) {
  gboolean good = TRUE;
  if (connection->failure != NULL) {
    g_propagate_error(error, g_steal_pointer(&connection->failure));
    good = FALSE;
  } else if (connection->begun) {
    good = commit_sent(connection, error);
  }
  if (good)
    end_transaction(connection);
  else
    postgres_rollback(connection);
  return good;
}

/* --- statements
 * -------------------------------------------------------------------------------------------- */

static gboolean fail(SqlConnection *connection, GError *failure, GError **error) {
  if (connection->open && connection->failure == NULL)
    connection->failure = g_error_copy(failure);
  g_propagate_error(error, failure);
  return FALSE;
}

/* Also begins the transaction at the server. */
static gboolean make_ready(SqlConnection *connection, GError **error) {
  GError *failure = NULL;
  if (connection->failure != NULL) {
    g_propagate_error(error, g_error_copy(connection->failure));
    return FALSE;
  }
  if (!connection->open)
    return connect_again(connection, error);
  if (connection->begun || pipe_send(&connection->pipe, "BEGIN", "", NULL, &failure)) {
    connection->begun = TRUE;
    return TRUE;
  }
  return fail(connection, failure, error);
}

static void note_change(SqlConnection *connection, const char *sql) {
  if (g_str_has_suffix(sql, "@light"))
    connection->wrote_light = TRUE;
  else if (!g_str_has_prefix(sql, "SELECT") && strcmp(sql, save) != 0)
    connection->wrote = TRUE;
}

static gboolean send_statement(SqlConnection *connection, const char *sql, const char *format,
                               const SqlValue *values, GError **error) {
  GError *failure = NULL;
  if (!make_ready(connection, error))
    return FALSE;
  note_change(connection, sql);
  return pipe_send(&connection->pipe, sql, format, values, &failure) ||
         fail(connection, failure, error);
}

/* Waits for what was sent, unless it is known that the transaction failed. */
static void learn_failure(SqlConnection *connection) {
  GError *failure = NULL;
  if (connection->failure != NULL || g_queue_is_empty(&connection->pipe.awaited))
    return;
  PQclear(pipe_settle(&connection->pipe, &failure));
  if (failure != NULL)
    fail(connection, failure, NULL);
}

static PGresult *statement(SqlConnection *connection, const char *sql, const char *format,
                           const SqlValue *values, GError **error) {
  GError *failure = NULL;
  if (!send_statement(connection, sql, format, values, error))
    return NULL;
  PGresult *result = pipe_settle(&connection->pipe, &failure);
  if (result == NULL)
    fail(connection, failure, error);
  return result;
}

static gint64 postgres_change(SqlConnection *connection, const char *sql, const char *format,
                              const SqlValue *values, GError **error) {
  PGresult *result = statement(connection, sql, format, values, error);
  gint64 changed = result != NULL ? g_ascii_strtoll(PQcmdTuples(result), NULL, 10) : -1;
  PQclear(result);
  return changed;
}

/* In a transaction its end tells what became of it. */
static gboolean postgres_run(SqlConnection *connection, const char *sql, const char *format,
                             const SqlValue *values, GError **error) {
  return connection->open ? send_statement(connection, sql, format, values, error)
                          : postgres_change(connection, sql, format, values, error) >= 0;
}

/* For what is sent outside of the pipeline. */
static gboolean settle(SqlConnection *connection, GError **error) {
  if (!make_ready(connection, error))
    return FALSE;
  connection->wrote = TRUE;
  learn_failure(connection);
  if (connection->failure == NULL)
    return TRUE;
  g_propagate_error(error, g_error_copy(connection->failure));
  return FALSE;
}

static gboolean postgres_script(SqlConnection *connection, const char *sql, GError **error) {
  GError *failure = NULL;
  if (!settle(connection, error))
    return FALSE;
  PGresult *result = pipe_script(&connection->pipe, sql, &failure);
  gboolean good = result != NULL;
  PQclear(result);
  return good || fail(connection, failure, error);
}

/* A migration may take its time, and wait for another. */
static gboolean postgres_lock_schema(SqlConnection *connection, GError **error) {
  g_autofree char *sql = g_strdup_printf(
      "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;"
      "SELECT pg_advisory_xact_lock(%" G_GINT64_FORMAT ");"
      "DO $$ BEGIN IF to_regnamespace('signet') IS NULL THEN CREATE SCHEMA signet; END IF; END $$",
      lock_number(LOCK_SCHEMA, "", 0));
  connection->pipe.patience = 0;
  return postgres_script(connection, sql, error);
}

/* --- places
 * -----------------------------------------------------------------------------------------------
 */

/* The begin of a transaction needs no savepoint. */
static gboolean postgres_mark(SqlConnection *connection, GError **error) {
  connection->marked = connection->begun;
  return !connection->begun || send_statement(connection, save, "", NULL, error);
}

/* The next one takes its name, and its place. */
static gboolean postgres_release(SqlConnection *connection, GError **error G_GNUC_UNUSED) {
  connection->marked = FALSE;
  return TRUE;
}

static gboolean postgres_undo(SqlConnection *connection, GError **error) {
  learn_failure(connection);
  if (connection->failure != NULL &&
      !g_error_matches(connection->failure, STORE_ERROR, STORE_ERROR_FAILED)) {
    g_propagate_error(error, g_error_copy(connection->failure));
    return FALSE;
  }
  if (!connection->marked) {
    postgres_rollback(connection);
    connection->open = TRUE;
    return TRUE;
  }
  g_clear_error(&connection->failure);
  connection->wrote = connection->wrote || connection->wrote_light;
  PGresult *result = ask(connection, "ROLLBACK TO SAVEPOINT handler", "", NULL, error);
  PQclear(result);
  return result != NULL;
}

/* --- rows in bulk
 * -----------------------------------------------------------------------------------------------
 */

static SqlLoad *postgres_load(SqlConnection *connection, const char *table, const char *columns,
                              guint count, GError **error) {
  g_autofree SqlLoad *load = g_new0(SqlLoad, 1);
  GError *failure = NULL;
  load->connection = connection;
  if (!settle(connection, error))
    return NULL;
  if (load_begin(&load->load, &connection->pipe, table, columns, count, &failure))
    return g_steal_pointer(&load);
  fail(connection, failure, error);
  return NULL;
}

static gboolean postgres_load_row(SqlLoad *load, const SqlValue *values, GError **error) {
  GError *failure = NULL;
  return load_row(&load->load, values, &failure) || fail(load->connection, failure, error);
}

static gboolean postgres_load_end(SqlLoad *load, gint64 *rows, GError **error) {
  GError *failure = NULL;
  gboolean good = load_end(&load->load, rows, &failure) || fail(load->connection, failure, error);
  g_free(load);
  return good;
}

/* --- results
 * -----------------------------------------------------------------------------------------------
 */

static gboolean is_known(Oid type) {
  return type == TYPE_BOOL || type == TYPE_BYTEA || type == TYPE_INT8 || type == TYPE_INT4 ||
         type == TYPE_TEXT;
}

static gboolean types_are_known(const PGresult *result, GError **error) {
  for (int i = 0; i < PQnfields(result); i++)
    if (!is_known(PQftype(result, i))) {
      g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED,
                  "column %s has a type that is not used here", PQfname(result, i));
      return FALSE;
    }
  return TRUE;
}

/* In a transaction the first row is waited for, so that several that begin together have one wait.
 */
static SqlCursor *postgres_query(SqlConnection *connection, const char *sql, const char *format,
                                 const SqlValue *values, GError **error) {
  PGresult *result = NULL;
  gboolean sent = connection->open
                      ? send_statement(connection, sql, format, values, error)
                      : (result = statement(connection, sql, format, values, error)) != NULL;
  if (!sent)
    return NULL;
  SqlCursor *cursor = g_new0(SqlCursor, 1);
  *cursor = (SqlCursor){.connection = connection, .result = result, .row = -1};
  if (result == NULL)
    pipe_keep(&connection->pipe, &cursor->result);
  return cursor;
}

/* What failed is that query, or another one of its transaction. */
static gboolean has_result(SqlCursor *cursor, GError **error) {
  SqlConnection *connection = cursor->connection;
  GError *failure = NULL;
  if (cursor->result == NULL)
    learn_failure(connection);
  if (connection->failure != NULL) {
    g_propagate_error(error, g_error_copy(connection->failure));
    return FALSE;
  }
  g_assert(cursor->result != NULL); /* else its transaction ended meanwhile */
  return types_are_known(cursor->result, &failure) || fail(connection, failure, error);
}

static int postgres_next(SqlCursor *cursor, GError **error) {
  if (cursor->row < 0 && !has_result(cursor, error))
    return -1;
  return ++cursor->row < PQntuples(cursor->result) ? 1 : 0;
}

static gint64 read_number(const char *octets, int size) {
  gint64 number = size > 0 && (octets[0] & 0x80) != 0 ? -1 : 0;
  for (int i = 0; i < size; i++)
    number = (gint64)((guint64)number << 8 | (guint8)octets[i]);
  return number;
}

static SqlValue postgres_value(SqlCursor *cursor, int column) {
  SqlValue value = {SQL_NULL, 0, NULL, 0};
  if (PQgetisnull(cursor->result, cursor->row, column))
    return value;
  Oid type = PQftype(cursor->result, column);
  int size = PQgetlength(cursor->result, cursor->row, column);
  value.data = PQgetvalue(cursor->result, cursor->row, column);
  value.size = (gsize)size;
  value.type = type == TYPE_TEXT ? SQL_TEXT : type == TYPE_BYTEA ? SQL_BLOB : SQL_INT;
  if (value.type == SQL_INT)
    value = (SqlValue){SQL_INT, read_number(value.data, size), NULL, 0};
  return value;
}

static int postgres_columns(SqlCursor *cursor) {
  return PQnfields(cursor->result);
}

static const char *postgres_name(SqlCursor *cursor, int column) {
  return PQfname(cursor->result, column);
}

static void postgres_finish(SqlCursor *cursor) {
  if (cursor->result == NULL)
    pipe_forget(&cursor->connection->pipe, &cursor->result);
  PQclear(cursor->result);
  g_free(cursor);
}

const SqlDriver sql_driver_postgres = {
    .open = postgres_open,
    .close = postgres_close,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .mark = postgres_mark,
    .release = postgres_release,
    .undo = postgres_undo,
    .lock_schema = postgres_lock_schema,
    .script = postgres_script,
    .run = postgres_run,
    .change = postgres_change,
    .load = postgres_load,
    .load_row = postgres_load_row,
    .load_end = postgres_load_end,
    .query = postgres_query,
    .next = postgres_next,
    .value = postgres_value,
    .columns = postgres_columns,
    .name = postgres_name,
    .finish = postgres_finish,
    .shared = TRUE,
};
