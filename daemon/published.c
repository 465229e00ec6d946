/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/published.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_OCTETS 100

struct Published {
  int folder;
};

static const struct {
  const char *ending, *type;
} types[] = {{".crl", "application/pkix-crl"}, {".der", "application/pkix-cert"}};

Published *published_new(int fd) {
  Published *published = g_new0(Published, 1);
  published->folder = fd;
  return published;
}

static const char *type_of(const char *name) {
  if (*name == '.' || strlen(name) > NAME_MAX_OCTETS)
    return NULL;
  for (const char *p = name; *p != '\0'; p++)
    if (!g_ascii_isalnum(*p) && *p != '-' && *p != '.')
      return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
    if (g_str_has_suffix(name, types[i].ending))
      return types[i].type;
  return NULL;
}

GBytes *published_read(Published *published, const char *name, const char **type) {
  struct stat status;
  *type = type_of(name);
  int fd = *type != NULL ? openat(published->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
  if (fd < 0)
    return NULL;
  GBytes *content = NULL;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
      status.st_size <= PUBLISHED_MAX_OCTETS) {
    gsize size = (gsize)status.st_size;
    guint8 *octets = g_malloc(size);
    if (read(fd, octets, size) == (ssize_t)size)
      content = g_bytes_new_take(octets, size);
    else
      g_free(octets);
  }
  close(fd);
  return content;
}

static gboolean write_all(int fd, GBytes *content) {
  gsize size = 0, written = 0;
  const guint8 *octets = g_bytes_get_data(content, &size);
  while (written < size) {
    ssize_t more = write(fd, octets + written, size - written);
    if (more < 0 && errno == EINTR)
      continue;
    if (more <= 0)
      return FALSE;
    written += (gsize)more;
  }
  return fsync(fd) == 0;
}

gboolean published_write(Published *published, const char *name, GBytes *content, GError **error) {
  g_autofree char *aside = g_strconcat(name, ".new", NULL);
  int fd =
      openat(published->folder, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  gboolean good = fd >= 0 && write_all(fd, content);
  good = (fd < 0 || close(fd) == 0) && good;
  good = good && renameat(published->folder, aside, published->folder, name) == 0 &&
         fsync(published->folder) == 0;
  if (!good)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", name, g_strerror(errno));
  return good;
}
