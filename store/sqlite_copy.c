/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#define PAGES_AT_ONCE 1000
#define BUSY_MILLISECONDS 10000

static void close_database(sqlite3 *database) {
  sqlite3_close(database);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3, close_database)

static gboolean fail(sqlite3 *database, const char *path, GError **error) {
  g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "%s: %s", path, sqlite3_errmsg(database));
  return FALSE;
}

gboolean sqlite_is_readable(const char *path, GError **error) {
  if (access(path, R_OK) == 0)
    return TRUE;
  const char *todo = errno == ENOENT   ? "; signetd makes it at its first start"
                     : errno == EACCES ? "; ask as root or as the user of signetd"
                                       : "";
  g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN, "%s: %s%s", path, g_strerror(errno), todo);
  return FALSE;
}

static gboolean open_database(const char *path, int flags, sqlite3 **database, GError **error) {
  if (sqlite3_open_v2(path, database, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
    return fail(*database, path, error);
  sqlite3_busy_timeout(*database, BUSY_MILLISECONDS);
  return TRUE;
}

static gboolean make_file(const char *path, GError **error) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0)
    return close(fd) == 0;
  g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "%s: %s", path, g_strerror(errno));
  return FALSE;
}

static gboolean sync_file(const char *path, GError **error) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  gboolean good = fd >= 0 && fsync(fd) == 0;
  int number = errno;
  if (fd >= 0)
    close(fd);
  if (!good)
    g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "%s: %s", path, g_strerror(number));
  return good;
}

/* from is in a read transaction: its pages stay as they were at its begin, whatever the server
   writes, so that the copy needs not begin anew. */
static gboolean copy_pages(sqlite3 *from, sqlite3 *to, const char *path,
                           SqliteCopyProgress progress, gpointer user, GError **error) {
  sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
  int result = backup != NULL ? SQLITE_OK : SQLITE_ERROR;
  while (result == SQLITE_OK) {
    result = sqlite3_backup_step(backup, PAGES_AT_ONCE);
    gint64 of = sqlite3_backup_pagecount(backup);
    progress(of - sqlite3_backup_remaining(backup), of, user);
  }
  if (backup != NULL)
    sqlite3_backup_finish(backup);
  return result == SQLITE_DONE || fail(to, path, error);
}

gboolean sqlite_copy(const char *folder, const char *path, SqliteCopyProgress progress,
                     gpointer user, GError **error) {
  g_autoptr(sqlite3) from = NULL;
  g_autoptr(sqlite3) to = NULL;
  g_autofree char *source = g_build_filename(folder, "signet.db", NULL);
  if (!sqlite_is_readable(source, error) ||
      !open_database(source, SQLITE_OPEN_READONLY, &from, error) || !make_file(path, error) ||
      !open_database(path, SQLITE_OPEN_READWRITE, &to, error))
    return FALSE;
  if (sqlite3_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) !=
      SQLITE_OK)
    return fail(from, source, error);
  if (!copy_pages(from, to, path, progress, user, error))
    return FALSE;
  if (sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
    return fail(to, path, error);
  return sync_file(path, error);
}

gboolean sqlite_copy_check(const char *path, GError **error) {
  g_autoptr(sqlite3) database = NULL;
  sqlite3_stmt *statement = NULL;
  if (!open_database(path, SQLITE_OPEN_READONLY, &database, error))
    return FALSE;
  gboolean good = sqlite3_prepare_v2(database, "PRAGMA integrity_check(1)", -1, &statement, NULL) ==
                      SQLITE_OK &&
                  sqlite3_step(statement) == SQLITE_ROW;
  g_autofree char *said =
      good ? g_strdup((const char *)sqlite3_column_text(statement, 0)) : g_strdup("");
  sqlite3_finalize(statement);
  if (!good)
    return fail(database, path, error);
  if (g_strcmp0(said, "ok") == 0)
    return TRUE;
  g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "%s is damaged: %s", path, said);
  return FALSE;
}
