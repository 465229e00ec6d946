/* SPDX-License-Identifier: Apache-2.0 */
/* A place for one test's store: a temporary folder or, where SIGNET_TEST_POSTGRES names a server
   (tests/postgres.py), a database of its own there. */
#ifndef SIGNET_TESTS_STORE_DATABASE_H
#define SIGNET_TESTS_STORE_DATABASE_H

#include "store/job.h"

#include <glib/gstdio.h>
#include <libpq-fe.h>
#include <unistd.h>

#define DATABASE_OWNER "node/0"

static inline const char *database_server(void) {
  return g_getenv("SIGNET_TEST_POSTGRES");
}

/* On the server, outside of any store. */
static inline void database_do(const char *database, const char *sql) {
  g_autofree char *place = g_strdup_printf("%s dbname=%s", database_server(), database);
  PGconn *connection = PQconnectdb(place);
  PGresult *result = PQexec(connection, sql);
  if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
    g_error("%s: %s", sql, PQerrorMessage(connection));
  PQclear(result);
  PQfinish(connection);
}

/* Takes a single job. */
static inline StoreFind job_take_one(Store *store, JobKind kind, gint64 now, gint64 until, Job *job,
                                     GError **error) {
  g_autoptr(GArray) jobs = g_array_new(FALSE, FALSE, sizeof(Job));
  if (!job_take(store, kind, now, until, 1, jobs, error))
    return STORE_LOOKUP_FAILED;
  if (jobs->len > 0)
    *job = g_array_index(jobs, Job, 0);
  return jobs->len > 0 ? STORE_FOUND : STORE_MISSING;
}

/* Name of the database of a place on PostgreSQL. */
static inline const char *database_name(const StorePlace *place) {
  return strrchr(place->postgresql, '=') + 1;
}

/* database_clear frees it. The folder is there in any case. */
static inline StorePlace database_new(void) {
  static guint made;
  StorePlace place = {.folder = g_dir_make_tmp("signet-store-XXXXXX", NULL),
                      .owner = DATABASE_OWNER};
  g_assert_nonnull(place.folder);
  if (database_server() != NULL) {
    g_autofree char *name = g_strdup_printf("test_%d_%u", (int)getpid(), made++);
    g_autofree char *sql = g_strdup_printf("CREATE DATABASE %s", name);
    database_do("postgres", sql);
    place.postgresql = g_strdup_printf("%s dbname=%s", database_server(), name);
  }
  return place;
}

static inline void database_clear(StorePlace *place) {
  static const char *const files[] = {"signet.db", "signet.db-wal", "signet.db-shm", "signet.lock"};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(place->folder, files[i], NULL);
    g_unlink(path);
  }
  g_assert_cmpint(g_rmdir(place->folder), ==, 0);
  if (place->postgresql != NULL) {
    g_autofree char *sql = g_strdup_printf("DROP DATABASE %s", database_name(place));
    database_do("postgres", sql);
  }
  g_free((char *)place->folder);
  g_free((char *)place->postgresql);
}

#endif
