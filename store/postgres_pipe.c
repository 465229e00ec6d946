/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres_pipe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Of server/catalog/pg_type_d.h, which libpq's own headers lack. */
#define TYPE_BYTEA 17
#define TYPE_INT8 20
#define TYPE_TEXT 25

typedef struct {
  const char *prepares; /* SQL text, key of prepared; NULL: it runs a statement */
  PGresult **result;    /* where its result goes; NULL: nowhere */
} PostgresSent;

static const SqlWord words[] = {{"@int", "bigint"},
                                {"@blob", "bytea"},
                                {"@text", "text COLLATE \"C\""}, /* SQLite compares octets too */
                                {"@lock", "FOR NO KEY UPDATE"},
                                {"@skip-locked", "FOR UPDATE SKIP LOCKED"},
                                {"@light", ""},
                                {NULL, NULL}};

void pipe_init(PostgresPipe *pipe, gint64 patience) {
  pipe->connection = NULL;
  pipe->names = 0;
  pipe->warned = FALSE;
  pipe->prepared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_queue_init(&pipe->awaited);
  pipe->patience = patience;
}

void pipe_use(PostgresPipe *pipe, PGconn *connection) {
  PQfinish(pipe->connection);
  pipe->connection = connection;
  g_queue_clear_full(&pipe->awaited, g_free);
  g_hash_table_remove_all(pipe->prepared);
  if (connection != NULL) {
    PQsetnonblocking(connection, 1);
    PQenterPipelineMode(connection);
  }
}

/* --- errors
 * ------------------------------------------------------------------------------------------------
 */

/* What others did, not the statement: class 40 is serialization and deadlock. A unique key may have
   come from a transaction that this one could not see; a parent may have gone so. */
static gboolean worth_again(const char *state) {
  return g_str_has_prefix(state, "40") || strcmp(state, "23505") == 0 ||
         strcmp(state, "23503") == 0 || strcmp(state, "55P03") == 0;
}

/* The server is no primary any more. */
static gboolean moved_away(const char *state) {
  return strcmp(state, "25006") == 0;
}

static char *one_line(const char *text) {
  char *line = g_strchomp(g_strdup(text != NULL ? text : ""));
  return g_strdelimit(line, "\r\n\t", ' ');
}

void pipe_lose(PostgresPipe *pipe, const char *why, GError **error) {
  g_autofree char *line = one_line(why);
  g_set_error(error, STORE_ERROR, STORE_ERROR_AGAIN, "the connection to the database was lost: %s",
              line);
  pipe_use(pipe, NULL);
}

GError *pipe_result_error(const PGresult *result) {
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  gboolean again = state != NULL && (worth_again(state) || moved_away(state));
  g_autofree char *line = one_line(message != NULL ? message : PQresultErrorMessage(result));
  return g_error_new(STORE_ERROR, again ? STORE_ERROR_AGAIN : STORE_ERROR_FAILED,
                     "database: %s (%s)", line, state != NULL ? state : "no code");
}

/* --- sending
 * -----------------------------------------------------------------------------------------------
 */

static char *own_text(const char *sql) {
  char *text = sql_with_words(sql, words);
  for (char *at = strchr(text, '?'); at != NULL; at = strchr(at, '?'))
    *at = '$';
  return text;
}

static void await(PostgresPipe *pipe, const char *prepares) {
  PostgresSent *sent = g_new0(PostgresSent, 1);
  sent->prepares = prepares;
  g_queue_push_tail(&pipe->awaited, sent);
}

/* The types are those of the letters, so that the server infers none. NULL: the connection is lost.
 */
static const char *prepare(PostgresPipe *pipe, const char *sql, const char *format) {
  const char *known = g_hash_table_lookup(pipe->prepared, sql);
  if (known != NULL)
    return known;
  Oid types[SQL_MAX_PARAMETERS];
  int count = (int)strlen(format);
  for (int i = 0; i < count; i++)
    types[i] = format[i] == 'i' ? TYPE_INT8 : format[i] == 't' ? TYPE_TEXT : TYPE_BYTEA;
  g_autofree char *text = own_text(sql);
  char *key = g_strdup(sql);
  char *name = g_strdup_printf("s%u", pipe->names++);
  g_hash_table_insert(pipe->prepared, key, name);
  if (PQsendPrepare(pipe->connection, name, text, count, types) != 1)
    return NULL;
  await(pipe, key);
  return name;
}

char *pipe_made_valid(const SqlValue *value) {
  if (value->type != SQL_TEXT || g_utf8_validate(value->data, (gssize)value->size, NULL))
    return NULL;
  return g_utf8_make_valid(value->data, (gssize)value->size);
}

gboolean pipe_send(PostgresPipe *pipe, const char *sql, const char *format, const SqlValue *values,
                   GError **error) {
  g_autoptr(GPtrArray) valid = g_ptr_array_new_with_free_func(g_free);
  const char *octets[SQL_MAX_PARAMETERS];
  int sizes[SQL_MAX_PARAMETERS], binary[SQL_MAX_PARAMETERS];
  gint64 numbers[SQL_MAX_PARAMETERS];
  int count = (int)strlen(format);
  if (pipe->connection == NULL) {
    pipe_lose(pipe, "there is none", error);
    return FALSE;
  }
  const char *name = prepare(pipe, sql, format);
  for (int i = 0; i < count; i++) {
    const SqlValue *value = &values[i];
    numbers[i] = GINT64_TO_BE(value->number);
    gboolean number = value->type == SQL_INT;
    octets[i] = value->type == SQL_NULL                   ? NULL
                : number                                  ? (const char *)&numbers[i]
                : value->data == NULL || value->size == 0 ? ""
                                                          : value->data;
    sizes[i] = number ? (int)sizeof(gint64) : (int)value->size;
    binary[i] = 1;
    char *text = pipe_made_valid(value);
    if (text != NULL) {
      g_ptr_array_add(valid, text);
      octets[i] = text;
      sizes[i] = (int)strlen(text);
    }
  }
  if (name == NULL ||
      PQsendQueryPrepared(pipe->connection, name, count, octets, sizes, binary, 1) != 1) {
    pipe_lose(pipe, PQerrorMessage(pipe->connection), error);
    return FALSE;
  }
  await(pipe, NULL);
  return TRUE;
}

void pipe_keep(PostgresPipe *pipe, PGresult **result) {
  PostgresSent *sent = g_queue_peek_tail(&pipe->awaited);
  sent->result = result;
}

void pipe_forget(PostgresPipe *pipe, PGresult *const *result) {
  for (GList *at = pipe->awaited.head; at != NULL; at = at->next) {
    PostgresSent *sent = at->data;
    if (sent->result == result)
      sent->result = NULL;
  }
}

/* --- answers
 * -----------------------------------------------------------------------------------------------
 */

#define LATE "no answer in time"

static gint64 deadline(const PostgresPipe *pipe) {
  return pipe->patience == 0 ? 0 : g_get_monotonic_time() + pipe->patience;
}

/* The next result, NULL also when it took too long (*late). */
static PGresult *next_result(PostgresPipe *pipe, gint64 until, gboolean *late) {
  for (;;) {
    int unsent = PQflush(pipe->connection);
    if (unsent < 0 || !PQisBusy(pipe->connection))
      return PQgetResult(pipe->connection);
    gint64 left = MAX(until - g_get_monotonic_time(), 0);
    struct pollfd ready = {PQsocket(pipe->connection), POLLIN, 0};
    if (unsent > 0)
      ready.events |= POLLOUT;
    int found = poll(&ready, 1, until == 0 ? -1 : (int)((left + 999) / 1000));
    *late = found == 0;
    if (found == 0)
      return NULL;
    if (found > 0 && (ready.revents & ~POLLOUT) != 0)
      PQconsumeInput(pipe->connection); /* what it fails by is told by PQgetResult */
  }
}

/* Takes note of what failed first. */
static void note_failure(const PGresult *result, GError **first) {
  if (*first == NULL && PQresultStatus(result) != PGRES_PIPELINE_ABORTED)
    *first = pipe_result_error(result);
}

static gboolean is_good(const PGresult *result) {
  ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static gboolean is_moved(const PGresult *result) {
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state != NULL && moved_away(state);
}

/* One thing that was sent has one result, and then a NULL. FALSE: the connection is lost. */
static gboolean take_answer(PostgresPipe *pipe, gint64 until, PGresult **last, GError **first,
                            gboolean *late) {
  g_autofree PostgresSent *sent = g_queue_pop_head(&pipe->awaited);
  PGresult *result = next_result(pipe, until, late);
  if (result == NULL)
    return FALSE;
  if (!is_good(result)) {
    note_failure(result, first);
    if (sent->prepares != NULL)
      g_hash_table_remove(pipe->prepared, sent->prepares);
    if (is_moved(result)) {
      PQclear(result);
      return FALSE;
    }
  }
  if (is_good(result) && sent->result != NULL) {
    *sent->result = result;
  } else if (is_good(result) && sent->prepares == NULL) {
    PQclear(*last);
    *last = result;
  } else {
    PQclear(result);
  }
  if (PQstatus(pipe->connection) == CONNECTION_BAD)
    return FALSE;
  PQclear(next_result(pipe, until, late));
  return !*late;
}

PGresult *pipe_settle(PostgresPipe *pipe, GError **error) {
  g_autoptr(GError) first = NULL;
  PGresult *last = NULL;
  gboolean late = FALSE;
  gint64 until = deadline(pipe);
  gboolean alive = pipe->connection != NULL && PQpipelineSync(pipe->connection) == 1;
  while (alive && !g_queue_is_empty(&pipe->awaited))
    alive = take_answer(pipe, until, &last, &first, &late);
  PGresult *end = alive ? next_result(pipe, until, &late) : NULL;
  alive = end != NULL && PQresultStatus(end) == PGRES_PIPELINE_SYNC;
  PQclear(end);
  if (alive && first == NULL)
    return last;
  PQclear(last);
  if (!alive)
    pipe_lose(pipe,
              first != NULL              ? first->message
              : late                     ? LATE
              : pipe->connection == NULL ? "there is none"
                                         : PQerrorMessage(pipe->connection),
              error);
  else
    g_propagate_error(error, g_steal_pointer(&first));
  return NULL;
}

PGresult *pipe_script(PostgresPipe *pipe, const char *sql, GError **error) {
  g_autofree char *text = sql_with_words(sql, words);
  g_autoptr(GError) first = NULL;
  PGresult *last = NULL, *result = NULL;
  gboolean late = FALSE;
  gint64 until = deadline(pipe);
  if (pipe->connection == NULL || PQexitPipelineMode(pipe->connection) != 1 ||
      PQsendQuery(pipe->connection, text) != 1) {
    pipe_lose(pipe, pipe->connection == NULL ? "there is none" : PQerrorMessage(pipe->connection),
              error);
    return NULL;
  }
  while ((result = next_result(pipe, until, &late)) != NULL) {
    if (!is_good(result))
      note_failure(result, &first);
    PQclear(last);
    last = result;
  }
  if (late || PQstatus(pipe->connection) == CONNECTION_BAD)
    pipe_lose(pipe,
              late            ? LATE
              : first != NULL ? first->message
                              : PQerrorMessage(pipe->connection),
              error);
  else
    PQenterPipelineMode(pipe->connection);
  if (first == NULL && pipe->connection != NULL)
    return last;
  PQclear(last);
  if (pipe->connection != NULL)
    g_propagate_error(error, g_steal_pointer(&first));
  return NULL;
}
