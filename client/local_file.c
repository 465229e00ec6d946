/* SPDX-License-Identifier: Apache-2.0 */
#include "client/local_file.h"

#include "client/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean fail(const char *path, GError **error) {
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s", path, g_strerror(errno));
  return FALSE;
}

/* At most length octets; fewer only at the end of the file. -1 with errno. */
static gssize read_up_to(int fd, guint8 *buffer, gsize length) {
  gsize done = 0;
  while (done < length) {
    ssize_t got = read(fd, buffer + done, length - done);
    if (got == 0)
      break;
    if (got < 0 && errno != EINTR)
      return -1;
    done += got > 0 ? (gsize)got : 0;
  }
  return (gssize)done;
}

GBytes *local_file_read(const char *path, GError **error) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    fail(path, error);
    return NULL;
  }
  g_autofree guint8 *buffer = g_malloc(LOCAL_FILE_MAX + 1);
  gssize length = read_up_to(fd, buffer, LOCAL_FILE_MAX + 1);
  if (length > LOCAL_FILE_MAX)
    errno = EFBIG;
  if (length < 0 || length > LOCAL_FILE_MAX)
    fail(path, error);
  close(fd);
  return length < 0 || length > LOCAL_FILE_MAX ? NULL : g_bytes_new(buffer, (gsize)length);
}

char *local_file_read_secret(const char *path, GError **error) {
  g_autoptr(GBytes) content = local_file_read(path, error);
  if (content == NULL)
    return NULL;
  gsize size = 0;
  const char *data = g_bytes_get_data(content, &size);
  gsize length = 0;
  while (length < size && data[length] != '\n' && data[length] != '\r') {
    if ((guchar)data[length] < 0x20)
      break;
    length++;
  }
  if (length == 0 || (length < size && data[length] != '\n' && data[length] != '\r')) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: the first line is not a password", path);
    return NULL;
  }
  return g_strndup(data, length);
}

static gboolean write_all(int fd, GBytes *content) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(content, &size);
  for (gsize done = 0; done < size;) {
    ssize_t put = write(fd, data + done, size - done);
    if (put < 0 && errno != EINTR)
      return FALSE;
    done += put > 0 ? (gsize)put : 0;
  }
  return fsync(fd) == 0;
}

static gboolean sync_folder(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return FALSE;
  gboolean synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

/* link() refuses an existing name, which rename() would take away. */
static gboolean put_in_place(const char *temporary, const char *path, LocalFileRule rule) {
  if (rule == LOCAL_FILE_REPLACE)
    return g_rename(temporary, path) == 0;
  return link(temporary, path) == 0 && g_unlink(temporary) == 0;
}

gboolean local_file_write(const char *path, GBytes *content, guint mode, LocalFileRule rule,
                          GError **error) {
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
  int fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail(path, error);
  gboolean written = fchmod(fd, mode) == 0 && write_all(fd, content);
  int reason = errno;
  close(fd);
  if (written) {
    written = put_in_place(temporary, path, rule) && sync_folder(folder);
    reason = errno;
  }
  if (!written) {
    g_unlink(temporary);
    errno = reason;
    return fail(path, error);
  }
  return TRUE;
}

gboolean local_file_rename(const char *from, const char *to, GError **error) {
  g_autofree char *folder = g_path_get_dirname(to);
  return (g_rename(from, to) == 0 && sync_folder(folder)) || fail(to, error);
}

gboolean local_file_make_folder(const char *path, GError **error) {
  return g_mkdir_with_parents(path, 0700) == 0 || fail(path, error);
}
