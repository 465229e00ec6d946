/* SPDX-License-Identifier: Apache-2.0 */
/* SQL for the files of store/, and what a driver provides. Statements write parameters as ?1, ?2
   and are string constants: a driver may keep all of them prepared. Words that each driver has its
   own text for: the types @int, @blob and @text; behind a SELECT @lock, which locks its rows to the
   end of the transaction, and @skip-locked, which leaves out those that others locked; at the very
   end of a change @light: when there is nothing else in the transaction, and nothing was undone,
   its commit need not be waited for. */
#ifndef SIGNET_STORE_SQL_H
#define SIGNET_STORE_SQL_H

#include "base/audit_record.h"
#include "store/store.h"

#define SQL_MAX_PARAMETERS 24

typedef struct {
  enum { SQL_NULL, SQL_INT, SQL_TEXT, SQL_BLOB } type;
  gint64 number;
  const void *data;
  gsize size;
} SqlValue;

typedef struct SqlCursor SqlCursor;
typedef struct SqlConnection SqlConnection;
typedef struct SqlLoad SqlLoad;

/* A driver: how one database is spoken to. format: a letter for each of values, as below. */
typedef struct {
  /* reader: beside a server that works on it; reads alone, takes no lock. */
  SqlConnection *(*open)(const StorePlace *place, gboolean reader, GError **error);
  void (*close)(SqlConnection *connection);
  gboolean (*begin)(SqlConnection *connection, GError **error);
  gboolean (*commit)(SqlConnection *connection, GError **error);
  void (*rollback)(SqlConnection *connection);
  /* A place in the transaction, with release it is none any more; undo: back to it, when what
     failed since does not end the transaction itself. */
  gboolean (*mark)(SqlConnection *connection, GError **error);
  gboolean (*release)(SqlConnection *connection, GError **error);
  gboolean (*undo)(SqlConnection *connection, GError **error);
  /* NULL where a place costs nothing. */
  void (*expect_undo)(SqlConnection *connection, gboolean expected);
  /* In a transaction: keeps others from changing the schema to its end. */
  gboolean (*lock_schema)(SqlConnection *connection, GError **error);
  /* Statements without parameters or rows; may be several. */
  gboolean (*script)(SqlConnection *connection, const char *sql, GError **error);
  /* May return before it is known whether it fails: the next call that has an answer says so. */
  gboolean (*run)(SqlConnection *connection, const char *sql, const char *format,
                  const SqlValue *values, GError **error);
  /* Rows changed, or -1. */
  gint64 (*change)(SqlConnection *connection, const char *sql, const char *format,
                   const SqlValue *values, GError **error);
  /* NULL where rows in bulk have no way of their own. */
  SqlLoad *(*load)(SqlConnection *connection, const char *table, const char *columns, guint count,
                   GError **error);
  gboolean (*load_row)(SqlLoad *load, const SqlValue *values, GError **error);
  gboolean (*load_end)(SqlLoad *load, gint64 *rows, GError **error);
  SqlCursor *(*query)(SqlConnection *connection, const char *sql, const char *format,
                      const SqlValue *values, GError **error);
  int (*next)(SqlCursor *cursor, GError **error);   /* 1 a row, 0 the end, -1 */
  SqlValue (*value)(SqlCursor *cursor, int column); /* valid until next */
  int (*columns)(SqlCursor *cursor);
  const char *(*name)(SqlCursor *cursor, int column); /* of the cursor */
  void (*finish)(SqlCursor *cursor);
  gboolean shared; /* others write too */
} SqlDriver;

extern const SqlDriver sql_driver_sqlite, sql_driver_postgres;

/* A driver's text for one word. */
typedef struct {
  const char *word, *text;
} SqlWord;

/* sql with each word of the list, whose end has a NULL, as its text; the caller frees it. */
char *sql_with_words(const char *sql, const SqlWord *words);

/* Parameters follow format, a letter each: i gint64, t const char* (NULL: null), b GBytes* (NULL:
   null), d const Id* (NULL: null). sql_run is for those whose count of rows nobody needs. */
StoreChange sql_change(Store *store, GError **error, const char *sql, const char *format, ...);
gboolean sql_run(Store *store, GError **error, const char *sql, const char *format, ...);

/* A running query; sql_row steps to the next row (FALSE at the end or on failure, see sql_end). In
   a transaction of a shared store the first sql_row waits for the answer: several that are begun
   before the first is read cost one wait. On SQLite a text can be
   open once at a time. */
#define SQL_TOGETHER 16 /* as many at most, so that neither side waits for the other to read */
typedef struct {
  Store *store;
  SqlCursor *cursor;
  GError *error;
} SqlQuery;

SqlQuery sql_query(Store *store, const char *sql, const char *format, ...);
gboolean sql_row(SqlQuery *query);
gint64 sql_int(SqlQuery *query, int column);
char *sql_text(SqlQuery *query, int column);    /* a copy; NULL for null and what is no C text */
GBytes *sql_bytes(SqlQuery *query, int column); /* a copy; NULL for null */
gboolean sql_id(SqlQuery *query, int column, Id *id);
/* Columns whatever they are: how many, the name of one, its value until the next row. */
int sql_columns(SqlQuery *query);
const char *sql_name(SqlQuery *query, int column);
SqlValue sql_value(SqlQuery *query, int column);
/* Frees the query; FALSE when it had failed. */
gboolean sql_end(SqlQuery *query, GError **error);
/* The whole of a query: whether it has a row; the ids in its first column, added to ids (of Id). */
StoreFind sql_exists(SqlQuery query, GError **error);
gboolean sql_ids(SqlQuery query, GArray *ids, GError **error);

/* The end of the owner's audit chain as the running transaction sees it, which nobody else adds to
   (store/audit.c). chain not given: it has to be read, also since something was undone. */
AuditHead *store_audit_end(Store *store);

/* Whether there are rate_overrides at all, as far as the running transaction has asked
   (store/rate.c). */
typedef enum {
  OVERRIDES_ASKED_FOR, /* no transaction runs: each time anew */
  OVERRIDES_UNKNOWN,
  OVERRIDES_NONE,
  OVERRIDES_SOME,
} Overrides;
Overrides *store_overrides(Store *store);

/* What audit_about is an index over: the beginning of the id of the order that a subject names
   second, after the account, else the second thing that it names, else the whole. Orders begin with
   their time, so that new entries lie close together. */
#define AUDIT_ABOUT                                                                                \
  "(CASE WHEN substr(subject, 31, 7) = ' order/' THEN substr(subject, 38, 12)"                     \
  " WHEN substr(subject, 31, 1) = ' ' THEN substr(subject, 32, 28) ELSE subject END)"

/* Orders that time ends, or removes: what orders_expiry is an index over. Not as a list: SQLite
   would make a table of it for each change. */
#define ORDER_ENDS "status <> 'processing' AND status <> 'valid'"

/* Challenges that their deadline ends: what challenge_deadline is an index over. */
#define CHALLENGE_ENDS "status IN ('pending', 'processing') AND passed_at IS NULL"

/* Rows in bulk, for a shared store, in a transaction. Between sql_load and its end nothing else is
   done with the store. columns: names, separated by commas; values: as many, of their types. */
SqlLoad *sql_load(Store *store, const char *table, const char *columns, guint count,
                  GError **error);
gboolean sql_load_row(Store *store, SqlLoad *load, const SqlValue *values, GError **error);
/* Frees the load; rows: how many are there now. */
gboolean sql_load_end(Store *store, SqlLoad *load, gint64 *rows, GError **error);

gboolean schema_migrate(Store *store, GError **error);
/* Whether the store has what this program reads. */
gboolean schema_check(Store *store, GError **error);
/* When the first is due of the jobs that were added since it was asked for (store/job.h). */
gint64 *store_jobs_added(Store *store);
gboolean store_lock_schema(Store *store, GError **error);
gboolean store_script(Store *store, const char *sql, GError **error);

#endif
