/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres_link.h"
#include "base/log.h"
#include "store/lock.h"

#include <string.h>

#define CONNECT_TIMEOUT "3"  /* seconds, for each address of each host */
#define ATTEMPT_PAUSE 100000 /* microseconds */
#define LOOK_PATIENCE 100000 /* for a server that answers, or a host that says there is none */
#define HANGING_PATIENCE                                                                           \
  1000000 /* how long the server may take to see that a connection is lost                         \
           */

#define MAX_PROCESSES 16

/* A connection that another thread makes. */
typedef struct {
  GPtrArray *keywords, *values;
  GMutex mutex;
  GCond ends;
  PGconn *connection; /* NULL: not yet, or taken */
} Look;

struct PostgresLink {
  GPtrArray *keywords, *values; /* for PQconnectdbParams, both end with NULL */
  char *owner;                  /* NULL: a reader */
  gboolean warned;              /* of a server that is careless */
  GArray *processes;            /* of int: at the server, those of its connections */
  Look *look;                   /* NULL: none */
};

/* --- the connection string
 * --------------------------------------------------------------------------------- */

char *store_place_fault(const char *postgresql) {
  char *message = NULL;
  PQconninfoOption *options = PQconninfoParse(postgresql, &message);
  if (options == NULL) {
    g_autofree char *line = g_strdelimit(g_strchomp(g_strdup(message)), "\r\n", ' ');
    PQfreemem(message);
    return g_strdup_printf("no connection string: %s", line);
  }
  gboolean password = FALSE;
  for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
    password = password || (option->val != NULL && (strcmp(option->keyword, "password") == 0 ||
                                                    strcmp(option->keyword, "sslpassword") == 0));
  PQconninfoFree(options);
  return password ? g_strdup("a password stands in it, give a password file") : NULL;
}

static void set(PostgresLink *link, const char *keyword, const char *value) {
  for (guint i = 0; i < link->keywords->len; i++)
    if (strcmp(link->keywords->pdata[i], keyword) == 0) {
      g_free(link->values->pdata[i]);
      link->values->pdata[i] = g_strdup(value);
      return;
    }
  g_ptr_array_add(link->keywords, g_strdup(keyword));
  g_ptr_array_add(link->values, g_strdup(value));
}

static void set_default(PostgresLink *link, const char *keyword, const char *value) {
  for (guint i = 0; i < link->keywords->len; i++)
    if (strcmp(link->keywords->pdata[i], keyword) == 0)
      return;
  set(link, keyword, value);
}

PostgresLink *link_new(const StorePlace *place, gboolean reader, GError **error) {
  g_autofree char *fault = store_place_fault(place->postgresql);
  if (fault != NULL) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN, "[store] postgresql: %s", fault);
    return NULL;
  }
  PostgresLink *link = g_new0(PostgresLink, 1);
  link->keywords = g_ptr_array_new_with_free_func(g_free);
  link->values = g_ptr_array_new_with_free_func(g_free);
  link->processes = g_array_new(FALSE, FALSE, sizeof(int));
  link->owner = reader ? NULL : g_strdup(place->owner != NULL ? place->owner : "");
  PQconninfoOption *options = PQconninfoParse(place->postgresql, NULL);
  for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
    if (option->val != NULL)
      set(link, option->keyword, option->val);
  PQconninfoFree(options);
  g_autofree char *name =
      reader ? g_strdup("signet reader") : g_strdup_printf("signet %s", link->owner);
  set(link, "application_name", name);
  set(link, "client_encoding", "UTF8");
  /* A reader's session is read-only on any server. */
  set(link, "target_session_attrs", reader ? "primary" : "read-write");
  if (place->password_file != NULL && place->password_file[0] != '\0')
    set(link, "passfile", place->password_file);
  set_default(link, "connect_timeout", CONNECT_TIMEOUT);
  set_default(link, "tcp_user_timeout", "15000");
  set_default(link, "keepalives_idle", "10");
  set_default(link, "keepalives_interval", "5");
  set_default(link, "keepalives_count", "3");
  g_ptr_array_add(link->keywords, NULL);
  g_ptr_array_add(link->values, NULL);
  return link;
}

/* --- looks
 * -------------------------------------------------------------------------------------------------
 */

static void look_clear(gpointer data) {
  Look *look = data;
  PQfinish(look->connection);
  g_ptr_array_unref(look->keywords);
  g_ptr_array_unref(look->values);
  g_mutex_clear(&look->mutex);
  g_cond_clear(&look->ends);
}

/* The thread may be the last one that has it. */
static void look_unref(Look *look) {
  g_atomic_rc_box_release_full(look, look_clear);
}

static PGconn *connect_to(const GPtrArray *keywords, const GPtrArray *values) {
  return PQconnectdbParams((const char *const *)keywords->pdata, (const char *const *)values->pdata,
                           0);
}

static gpointer look_run(gpointer data) {
  Look *look = data;
  PGconn *connection = connect_to(look->keywords, look->values);
  g_mutex_lock(&look->mutex);
  look->connection = connection;
  g_cond_signal(&look->ends);
  g_mutex_unlock(&look->mutex);
  look_unref(look);
  return NULL;
}

static Look *look_new(const PostgresLink *link) {
  Look *look = g_atomic_rc_box_new0(Look);
  look->keywords = g_ptr_array_ref(link->keywords);
  look->values = g_ptr_array_ref(link->values);
  g_mutex_init(&look->mutex);
  g_cond_init(&look->ends);
  GThread *thread = g_thread_try_new("look", look_run, g_atomic_rc_box_acquire(look), NULL);
  if (thread != NULL) {
    g_thread_unref(thread);
    return look;
  }
  look_unref(look);
  look_unref(look);
  return NULL;
}

gboolean link_look(PostgresLink *link) {
  gint64 until = g_get_monotonic_time();
  if (link->look == NULL) {
    link->look = look_new(link);
    until += LOOK_PATIENCE;
  }
  if (link->look == NULL)
    return TRUE;
  g_mutex_lock(&link->look->mutex);
  while (link->look->connection == NULL &&
         g_cond_wait_until(&link->look->ends, &link->look->mutex, until))
    continue;
  gboolean ended = link->look->connection != NULL;
  g_mutex_unlock(&link->look->mutex);
  return ended;
}

/* What a look that has ended found, which may be a failure; else one that is made now. */
static PGconn *take_connection(PostgresLink *link) {
  PGconn *connection = NULL;
  if (link->look != NULL) {
    g_mutex_lock(&link->look->mutex);
    connection = g_steal_pointer(&link->look->connection);
    g_mutex_unlock(&link->look->mutex);
    g_clear_pointer(&link->look, look_unref);
  }
  return connection != NULL ? connection : connect_to(link->keywords, link->values);
}

void link_free(PostgresLink *link) {
  g_clear_pointer(&link->look, look_unref);
  g_ptr_array_unref(link->keywords);
  g_ptr_array_unref(link->values);
  g_array_unref(link->processes);
  g_free(link->owner);
  g_free(link);
}

/* --- a session
 * ---------------------------------------------------------------------------------------------
 */

/* Whatever the server, the database or the role have as their defaults. */
static const char session[] =
    "SET search_path = signet, pg_temp; SET standard_conforming_strings = on;"
    "SET default_transaction_isolation = 'read committed';"
    "SET default_transaction_deferrable = off; SET client_min_messages = warning;"
    "SET row_security = off; SET jit = off;"
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    "SET tcp_user_timeout = 15000;";
static const char writer_session[] =
    "SET default_transaction_read_only = off;"
    "SET lock_timeout = '5s'; SET statement_timeout = '30s';"
    /* A process or machine that stops in the middle has its rows locked for no longer. */
    "SET idle_in_transaction_session_timeout = '15s';"
    /* A commit is on the disk, and on that of a synchronous standby if there is one. */
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');"
    "SELECT current_setting('server_encoding'), current_setting('fsync')";
static const char reader_session[] =
    "SET default_transaction_read_only = on; SET lock_timeout = '30s';"
    "SET statement_timeout = '10min'; SET idle_in_transaction_session_timeout = '10min';"
    "SELECT current_setting('server_encoding'), current_setting('fsync')";

static void on_notice(void *user, const PGresult *result) {
  *(gboolean *)user = TRUE;
  log_warning("database warning", "message", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
              NULL);
}

static void away(const char *why, GError **error) {
  g_autofree char *line = g_strdelimit(g_strchomp(g_strdup(why)), "\r\n", ' ');
  g_set_error(error, STORE_ERROR, STORE_ERROR_AWAY, "the database cannot be reached: %s", line);
}

/* A failure of a new connection, which says nothing yet of the database. */
static gboolean away_from(GError *failure, GError **error) {
  away(failure->message, error);
  g_error_free(failure);
  return FALSE;
}

static gboolean set_session(PostgresLink *link, PostgresPipe *pipe, GError **error) {
  GError *failure = NULL;
  PGresult *result = pipe_script(pipe, session, &failure);
  PQclear(result);
  if (result != NULL)
    result = pipe_script(pipe, link->owner != NULL ? writer_session : reader_session, &failure);
  if (result == NULL)
    return away_from(failure, error);
  gboolean utf8 = strcmp(PQgetvalue(result, 0, 0), "UTF8") == 0;
  if (!utf8)
    g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN,
                "the database has the encoding %s: make it with ENCODING 'UTF8'",
                PQgetvalue(result, 0, 0));
  if (strcmp(PQgetvalue(result, 0, 1), "on") != 0 && link->owner != NULL && !link->warned) {
    log_warning("database may lose what was committed", "reason", "fsync is off", NULL);
    link->warned = TRUE;
  }
  PQclear(result);
  return utf8;
}

/* --- the owner's lock
 * --------------------------------------------------------------------------------------- */

/* Who has the lock: its process id, 0 nobody, -1 on failure. */
static int lock_holder(PostgresPipe *pipe, gint64 number, GError **error) {
  g_autofree char *sql = g_strdup_printf(
      "SELECT CASE WHEN pg_try_advisory_lock(%" G_GINT64_FORMAT ") THEN 0 ELSE coalesce("
      "(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
      " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
      " AND classid::bigint = %" G_GINT64_FORMAT " AND objid::bigint = %" G_GINT64_FORMAT
      "), 1) END",
      number, (gint64)((guint64)number >> 32), number & 0xffffffff);
  PGresult *result = pipe_script(pipe, sql, error);
  int holder = result != NULL ? (int)g_ascii_strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
  PQclear(result);
  return holder;
}

static void end_hanging(PostgresPipe *pipe, int process) {
  g_autofree char *sql = g_strdup_printf("SELECT pg_terminate_backend(%d)", process);
  PQclear(pipe_script(pipe, sql, NULL));
}

static gboolean is_own(const PostgresLink *link, int process) {
  for (guint i = 0; i < link->processes->len; i++)
    if (g_array_index(link->processes, int, i) == process)
      return TRUE;
  return FALSE;
}

static gboolean take_owner_lock(PostgresLink *link, PostgresPipe *pipe, gint64 until,
                                GError **error) {
  gint64 number = lock_number(LOCK_WRITER, link->owner, strlen(link->owner));
  gint64 begun = g_get_monotonic_time();
  for (;;) {
    GError *failure = NULL;
    int holder = lock_holder(pipe, number, &failure);
    if (holder == 0)
      return TRUE;
    if (holder < 0)
      return away_from(failure, error);
    gint64 now = g_get_monotonic_time();
    gboolean own = is_own(link, holder);
    if (own && now - begun > HANGING_PATIENCE)
      end_hanging(pipe, holder);
    if (now > MAX(until, begun + 2 * HANGING_PATIENCE)) {
      g_set_error(error, STORE_ERROR, own ? STORE_ERROR_AWAY : STORE_ERROR_BUSY,
                  "another connection works on this database as \"%s\" (process %d there)",
                  link->owner, holder);
      return FALSE;
    }
    g_usleep(ATTEMPT_PAUSE / 4);
  }
}

static gboolean connect_once(PostgresLink *link, PostgresPipe *pipe, gint64 until, GError **error) {
  PGconn *connection = take_connection(link);
  if (PQstatus(connection) != CONNECTION_OK) {
    away(PQerrorMessage(connection), error);
    PQfinish(connection);
    return FALSE;
  }
  int process = PQbackendPID(connection);
  if (link->processes->len == MAX_PROCESSES)
    g_array_remove_index(link->processes, 0);
  g_array_append_val(link->processes, process);
  PQsetNoticeReceiver(connection, on_notice, &pipe->warned);
  pipe_use(pipe, connection);
  if (set_session(link, pipe, error) &&
      (link->owner == NULL || take_owner_lock(link, pipe, until, error)))
    return TRUE;
  pipe_use(pipe, NULL);
  return FALSE;
}

gboolean link_connect(PostgresLink *link, PostgresPipe *pipe, gint64 until, GError **error) {
  for (;;) {
    g_autoptr(GError) failure = NULL;
    if (connect_once(link, pipe, until, &failure))
      return TRUE;
    if (!g_error_matches(failure, STORE_ERROR, STORE_ERROR_AWAY) ||
        g_get_monotonic_time() > until) {
      g_propagate_error(error, g_steal_pointer(&failure));
      return FALSE;
    }
    g_usleep(ATTEMPT_PAUSE);
  }
}
