/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/backup_place.h"
#include "ca/signer_log.h"
#include "daemon/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static gboolean fail(GError **error, const char *path) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", path, g_strerror(errno));
  return FALSE;
}

/* --- folders
 * ------------------------------------------------------------------------------------------------
 */

static void empty(const char *folder) {
  static const char *const files[] = {
      BACKUP_STORE, BACKUP_STORE "-wal", BACKUP_STORE "-shm", BACKUP_STORE "-journal",
      BACKUP_LOG,   BACKUP_CHECKPOINT,   BACKUP_CONFIG,       "signet.lock",
      "backup.tar"};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(folder, files[i], NULL);
    g_unlink(path);
  }
}

int backup_place_make(const char *path, GError **error) {
  if (g_mkdir(path, 0700) != 0 && errno != EEXIST)
    return fail(error, path), -1;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return fail(error, path), -1;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    empty(path);
    return fd;
  }
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "%s: another process works there", path);
  close(fd);
  return -1;
}

void backup_place_remove(const char *path) {
  empty(path);
  g_rmdir(path);
}

gboolean backup_sync_folder(const char *folder, GError **error) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean good = (fd >= 0 && fsync(fd) == 0) || fail(error, folder);
  if (fd >= 0)
    close(fd);
  return good;
}

/* --- files
 * --------------------------------------------------------------------------------------------------
 */

gboolean backup_move(const char *from, const char *to, GError **error) {
  g_autofree char *folder = g_path_get_dirname(to);
  return (g_rename(from, to) == 0 || fail(error, to)) && backup_sync_folder(folder, error);
}

gboolean backup_log_size(const char *path, gint64 *size, GError **error) {
  gsize whole = 0;
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, error);
  if (file == NULL)
    return FALSE;
  if (!signer_log_whole((const guint8 *)g_mapped_file_get_contents(file),
                        g_mapped_file_get_length(file), &whole, error)) {
    g_prefix_error(error, "%s: ", path);
    return FALSE;
  }
  *size = (gint64)whole;
  return TRUE;
}

gboolean backup_log_goes_on(const char *path, const char *before, gint64 size, gboolean *goes_on,
                            GError **error) {
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, error);
  g_autoptr(GMappedFile) earlier = file != NULL ? g_mapped_file_new(before, FALSE, error) : NULL;
  if (earlier == NULL)
    return FALSE;
  *goes_on = (gint64)g_mapped_file_get_length(file) >= size &&
             (size == 0 || memcmp(g_mapped_file_get_contents(file),
                                  g_mapped_file_get_contents(earlier), (gsize)size) == 0);
  return TRUE;
}

static gboolean copy_octets(int from, int to, gint64 size) {
  guint8 buffer[64 * 1024];
  while (size != 0) {
    gsize wanted = size < 0 ? sizeof(buffer) : (gsize)MIN(size, (gint64)sizeof(buffer));
    ssize_t got = read(from, buffer, wanted);
    if (got < 0 || (got == 0 && size > 0))
      return FALSE;
    if (got == 0)
      return TRUE;
    for (ssize_t written = 0, more = 0; written < got; written += more) {
      more = write(to, buffer + written, (gsize)(got - written));
      if (more <= 0)
        return FALSE;
    }
    size -= size > 0 ? got : 0;
  }
  return TRUE;
}

gboolean backup_copy(const char *from, const char *to, gint64 size, GError **error) {
  int source = open(from, O_RDONLY | O_CLOEXEC);
  if (source < 0)
    return fail(error, from);
  int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean good =
      (target >= 0 && copy_octets(source, target, size) && fsync(target) == 0) || fail(error, to);
  if (target >= 0)
    close(target);
  close(source);
  return good;
}

gboolean backup_is_possible(const Config *config, GError **error) {
  if (!config_given(config, "store.postgresql"))
    return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
              "the store is in PostgreSQL: use its own tools, pg_basebackup with WAL archiving "
              "(back to any moment) or pg_dump, and keep a copy of %s/" BACKUP_LOG
              " of each node; after putting the database back run signetctl store restored",
              config_text(config, "store.directory"));
  return FALSE;
}
