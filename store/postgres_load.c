/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres_load.h"

#include <string.h>

#define SENT_AT_ONCE (256 * 1024)

/* What the octets begin with: signature, no flags, no further header. They end with a row of -1
   columns. */
static const char head[] = "PGCOPY\n\377\r\n\0"
                           "\0\0\0\0"
                           "\0\0\0\0";

static void put_16(GByteArray *to, gint16 number) {
  guint16 octets = GUINT16_TO_BE((guint16)number);
  g_byte_array_append(to, (const guint8 *)&octets, sizeof(octets));
}

static void put_32(GByteArray *to, gint32 number) {
  guint32 octets = GUINT32_TO_BE((guint32)number);
  g_byte_array_append(to, (const guint8 *)&octets, sizeof(octets));
}

static void put_sized(GByteArray *to, const void *data, gsize size) {
  put_32(to, (gint32)size);
  g_byte_array_append(to, data, (guint)size);
}

static void put_value(GByteArray *to, const SqlValue *value) {
  gint64 number = GINT64_TO_BE(value->number);
  g_autofree char *valid = pipe_made_valid(value);
  if (value->type == SQL_NULL)
    put_32(to, -1);
  else if (value->type == SQL_INT)
    put_sized(to, &number, sizeof(number));
  else if (valid != NULL)
    put_sized(to, valid, strlen(valid));
  else
    put_sized(to, value->data, value->size);
}

/* The connection waits for room by itself. */
static gboolean send_waiting(PostgresLoad *load, GError **error) {
  GByteArray *waiting = load->waiting;
  gboolean sent =
      PQputCopyData(load->pipe->connection, (const char *)waiting->data, (int)waiting->len) == 1;
  g_byte_array_set_size(waiting, 0);
  if (!sent)
    pipe_lose(load->pipe, PQerrorMessage(load->pipe->connection), error);
  return sent;
}

static void leave(PostgresLoad *load) {
  if (load->pipe->connection != NULL) {
    PQsetnonblocking(load->pipe->connection, 1);
    PQenterPipelineMode(load->pipe->connection);
  }
  g_byte_array_unref(load->waiting);
}

gboolean load_begin(PostgresLoad *load, PostgresPipe *pipe, const char *table, const char *columns,
                    guint count, GError **error) {
  g_autofree char *sql = g_strdup_printf("COPY %s (%s) FROM STDIN (FORMAT binary)", table, columns);
  *load = (PostgresLoad){pipe, g_byte_array_sized_new(2 * SENT_AT_ONCE), count};
  g_byte_array_append(load->waiting, (const guint8 *)head, sizeof(head) - 1);
  if (pipe->connection == NULL || PQexitPipelineMode(pipe->connection) != 1 ||
      PQsetnonblocking(pipe->connection, 0) != 0) {
    pipe_lose(pipe, PQerrorMessage(pipe->connection), error);
    leave(load);
    return FALSE;
  }
  PGresult *result = PQexec(pipe->connection, sql);
  gboolean begun = PQresultStatus(result) == PGRES_COPY_IN;
  if (!begun) {
    g_propagate_error(error, pipe_result_error(result));
    leave(load);
  }
  PQclear(result);
  return begun;
}

gboolean load_row(PostgresLoad *load, const SqlValue *values, GError **error) {
  put_16(load->waiting, (gint16)load->columns);
  for (guint i = 0; i < load->columns; i++)
    put_value(load->waiting, &values[i]);
  return load->waiting->len < SENT_AT_ONCE || send_waiting(load, error);
}

static gboolean take_result(PostgresLoad *load, gint64 *rows, GError **error) {
  PGconn *connection = load->pipe->connection;
  gboolean good = FALSE;
  g_autoptr(GError) failure = NULL;
  for (PGresult *result = NULL; (result = PQgetResult(connection)) != NULL; PQclear(result)) {
    good = PQresultStatus(result) == PGRES_COMMAND_OK;
    *rows = good ? g_ascii_strtoll(PQcmdTuples(result), NULL, 10) : 0;
    if (!good && failure == NULL)
      failure = pipe_result_error(result);
  }
  if (PQstatus(connection) == CONNECTION_BAD) {
    pipe_lose(load->pipe, PQerrorMessage(connection), error);
    return FALSE;
  }
  if (failure != NULL)
    g_propagate_error(error, g_steal_pointer(&failure));
  return good;
}

/* Without a whole end the server takes nothing of the table. */
gboolean load_end(PostgresLoad *load, gint64 *rows, GError **error) {
  PostgresPipe *pipe = load->pipe;
  gboolean good = FALSE;
  put_16(load->waiting, -1);
  if (pipe->connection == NULL)
    pipe_lose(pipe, "it has gone", error);
  else if (send_waiting(load, error) && PQputCopyEnd(pipe->connection, NULL) == 1)
    good = take_result(load, rows, error);
  else if (pipe->connection != NULL)
    pipe_lose(pipe, PQerrorMessage(pipe->connection), error);
  leave(load);
  return good;
}
