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
  GHashTable *tags; /* name -> Tag, of the file as it was last read */
};

typedef struct {
  ino_t number;
  struct timespec changed;
  char *etag;
} Tag;

static void tag_free(gpointer data) {
  Tag *tag = data;
  g_free(tag->etag);
  g_free(tag);
}

static const struct {
  const char *ending, *type;
} types[] = {{".crl", "application/pkix-crl"}, {".der", "application/pkix-cert"}};

Published *published_new(int fd) {
  Published *published = g_new0(Published, 1);
  published->folder = fd;
  published->tags = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, tag_free);
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

/* A file is replaced, never changed: its number and time say whether it is the same. */
static const char *tag_of(Published *published, const char *name, const struct stat *status,
                          GBytes *content) {
  Tag *tag = g_hash_table_lookup(published->tags, name);
  if (tag != NULL && tag->number == status->st_ino &&
      tag->changed.tv_sec == status->st_mtim.tv_sec &&
      tag->changed.tv_nsec == status->st_mtim.tv_nsec)
    return tag->etag;
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, content);
  tag = g_new0(Tag, 1);
  tag->number = status->st_ino;
  tag->changed = status->st_mtim;
  tag->etag = g_strdup_printf("\"%.32s\"", digest);
  g_hash_table_insert(published->tags, g_strdup(name), tag);
  return tag->etag;
}

static GBytes *read_whole(int fd, const struct stat *status) {
  gsize size = (gsize)status->st_size;
  if (!S_ISREG(status->st_mode) || status->st_size > PUBLISHED_MAX_OCTETS)
    return NULL;
  g_autofree guint8 *octets = g_malloc(size);
  return read(fd, octets, size) == (ssize_t)size ? g_bytes_new_take(g_steal_pointer(&octets), size)
                                                 : NULL;
}

gboolean published_read(Published *published, const char *name, PublishedFile *file) {
  struct stat status;
  file->type = type_of(name);
  int fd =
      file->type != NULL ? openat(published->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
  if (fd < 0)
    return FALSE;
  file->content = fstat(fd, &status) == 0 ? read_whole(fd, &status) : NULL;
  close(fd);
  if (file->content != NULL)
    file->etag = tag_of(published, name, &status, file->content);
  return file->content != NULL;
}

gboolean published_is_known(const char *if_none_match, const char *etag) {
  if (if_none_match == NULL)
    return FALSE;
  g_auto(GStrv) tags = g_strsplit(if_none_match, ",", -1);
  for (char **tag = tags; *tag != NULL; tag++) {
    const char *value = g_strstrip(*tag);
    if (strcmp(value, "*") == 0 ||
        strcmp(g_str_has_prefix(value, "W/") ? value + 2 : value, etag) == 0)
      return TRUE;
  }
  return FALSE;
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
