/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/backup_file.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512
#define BUFFER (256 * 1024)
#define MANIFEST "manifest.json"
#define MANIFEST_MAX (1024 * 1024)
#define MEMBERS_MAX 8
#define FORMAT 1
#define OCTAL_MAX (G_GINT64_CONSTANT(1) << 33) /* what 11 octal digits hold */

/* POSIX.1-1988 (ustar). */
typedef struct {
  char name[100], mode[8], uid[8], gid[8], size[12], time[12], sum[8], type, link[100], magic[6],
      version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
} Header;

G_STATIC_ASSERT(sizeof(Header) == BLOCK);

static gboolean fail(GError **error, const char *path, const char *what) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", path, what);
  return FALSE;
}

static gboolean fail_number(GError **error, const char *path) {
  return fail(error, path, g_strerror(errno));
}

static unsigned sum_of(const Header *header) {
  Header copy = *header;
  unsigned sum = 0;
  memset(copy.sum, ' ', sizeof(copy.sum));
  for (const guint8 *octet = (const guint8 *)&copy; octet < (const guint8 *)(&copy + 1); octet++)
    sum += *octet;
  return sum;
}

/* More than octal digits hold: big-endian behind an octet 80, as GNU tar and POSIX pax readers know
   it. */
static void put_size(Header *header, gint64 size) {
  if (size < OCTAL_MAX) {
    g_snprintf(header->size, sizeof(header->size), "%011" G_GINT64_MODIFIER "o", size);
    return;
  }
  guint64 octets = GUINT64_TO_BE((guint64)size);
  memset(header->size, 0, sizeof(header->size));
  header->size[0] = (char)0x80;
  memcpy(header->size + sizeof(header->size) - sizeof(octets), &octets, sizeof(octets));
}

static gint64 get_size(const Header *header) {
  guint64 octets = 0;
  if (header->size[0] != (char)0x80)
    return (gint64)g_ascii_strtoull(header->size, NULL, 8);
  memcpy(&octets, header->size + sizeof(header->size) - sizeof(octets), sizeof(octets));
  return (gint64)(GUINT64_FROM_BE(octets) & G_MAXINT64);
}

/* --- what is there already
 * ------------------------------------------------------------------------------------ */

static gboolean is_ours(int fd) {
  Header header;
  ssize_t got = read(fd, &header, sizeof(header));
  return got == 0 || (got == (ssize_t)sizeof(header) && strcmp(header.name, MANIFEST) == 0 &&
                      strcmp(header.magic, "ustar") == 0);
}

gboolean backup_may_replace(const char *path, GError **error) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT || fail_number(error, path);
  gboolean good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && is_ours(fd);
  close(fd);
  return good || fail(error, path, "it is there and is no backup of Signet; give another name");
}

/* --- writing
 * ------------------------------------------------------------------------------------------------
 */

typedef struct {
  int fd;
  const char *path;
  gint64 done, of;
  BackupProgress progress;
  gpointer user;
} Stream;

static gboolean write_all(Stream *stream, const void *data, gsize size, GError **error) {
  const guint8 *octets = data;
  while (size > 0) {
    ssize_t written = write(stream->fd, octets, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail_number(error, stream->path);
    octets += written;
    size -= (gsize)written;
  }
  return TRUE;
}

static gboolean write_header(Stream *stream, const char *name, gint64 size, gint64 time,
                             GError **error) {
  Header header = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
  g_strlcpy(header.name, name, sizeof(header.name));
  g_strlcpy(header.mode, "0000600", sizeof(header.mode));
  g_strlcpy(header.uid, "0000000", sizeof(header.uid));
  g_strlcpy(header.gid, "0000000", sizeof(header.gid));
  g_snprintf(header.time, sizeof(header.time), "%011" G_GINT64_MODIFIER "o", time / CLOCK_SECOND);
  put_size(&header, size);
  g_snprintf(header.sum, sizeof(header.sum), "%06o", sum_of(&header));
  header.sum[7] = ' ';
  return write_all(stream, &header, sizeof(header), error);
}

static gboolean write_padding(Stream *stream, gint64 size, GError **error) {
  static const guint8 zeros[BLOCK];
  return write_all(stream, zeros, (gsize)((BLOCK - size % BLOCK) % BLOCK), error);
}

static void go_on(Stream *stream, gint64 size) {
  stream->done += size;
  stream->progress(stream->done, MAX(stream->done, stream->of), stream->user);
}

/* size octets of fd, each piece handed to take. */
static gboolean read_pieces(int fd, const char *path, gint64 size,
                            gboolean (*take)(const guint8 *data, gsize size, gpointer user,
                                             GError **error),
                            gpointer user, GError **error) {
  g_autofree guint8 *buffer = g_malloc(BUFFER);
  while (size > 0) {
    ssize_t got = read(fd, buffer, (gsize)MIN(size, BUFFER));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail_number(error, path);
    if (got == 0)
      return fail(error, path, "it is cut short");
    if (!take(buffer, (gsize)got, user, error))
      return FALSE;
    size -= got;
  }
  return TRUE;
}

static gboolean take_digest(const guint8 *data, gsize size, gpointer user,
                            GError **error G_GNUC_UNUSED) {
  g_checksum_update(user, data, (gssize)size);
  return TRUE;
}

static gboolean take_written(const guint8 *data, gsize size, gpointer user, GError **error) {
  Stream *stream = user;
  go_on(stream, (gint64)size);
  return write_all(stream, data, size, error);
}

static gboolean each_piece(const BackupMember *member,
                           gboolean (*take)(const guint8 *data, gsize size, gpointer user,
                                            GError **error),
                           gpointer user, GError **error) {
  int fd = open(member->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail_number(error, member->path);
  gboolean good = read_pieces(fd, member->path, member->size, take, user, error);
  close(fd);
  return good;
}

static json_t *describe(const BackupMember *member, GError **error) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  return each_piece(member, take_digest, sum, error)
             ? json_pack("{s:s, s:I, s:s}", "name", member->name, "size", (json_int_t)member->size,
                         "sha256", g_checksum_get_string(sum))
             : NULL;
}

static json_t *make_manifest(const BackupFacts *facts, const BackupMember *members,
                             GError **error) {
  char chain[AUDIT_CHAIN_TEXT];
  json_t *list = json_array();
  for (; members->name != NULL; members++) {
    json_t *row = describe(members, error);
    if (row == NULL) {
      json_decref(list);
      return NULL;
    }
    json_array_append_new(list, row);
  }
  g_autofree char *made = clock_rfc3339(facts->made);
  g_autofree char *hash = audit_hex(facts->head.hash, AUDIT_HASH_OCTETS);
  return json_pack("{s:i, s:s, s:s, s:I, s:I, s:{s:s, s:I, s:s}, s:o}", "format", FORMAT, "signet",
                   SIGNET_VERSION, "made", made, "made-ms", (json_int_t)facts->made, "certificates",
                   (json_int_t)facts->certificates, "audit", "chain",
                   audit_chain_text(&facts->head.chain, chain), "number",
                   (json_int_t)facts->head.number, "hash", hash, "files", list);
}

static gboolean write_manifest(Stream *stream, const BackupFacts *facts,
                               const BackupMember *members, GError **error) {
  json_t *manifest = make_manifest(facts, members, error);
  if (manifest == NULL)
    return FALSE;
  char *text = json_dumps(manifest, JSON_INDENT(2));
  gsize size = strlen(text);
  gboolean good = write_header(stream, MANIFEST, (gint64)size, facts->made, error) &&
                  write_all(stream, text, size, error) &&
                  write_padding(stream, (gint64)size, error);
  free(text);
  json_decref(manifest);
  return good;
}

static gboolean write_archive(Stream *stream, const BackupFacts *facts, const BackupMember *members,
                              GError **error) {
  static const guint8 end[2 * BLOCK];
  gboolean good = write_manifest(stream, facts, members, error);
  for (; good && members->name != NULL; members++)
    good = write_header(stream, members->name, members->size, facts->made, error) &&
           each_piece(members, take_written, stream, error) &&
           write_padding(stream, members->size, error);
  return good && write_all(stream, end, sizeof(end), error) &&
         (fsync(stream->fd) == 0 || fail_number(error, stream->path));
}

gboolean backup_write(const char *path, const BackupFacts *facts, const BackupMember *members,
                      BackupProgress progress, gpointer user, GError **error) {
  Stream stream = {.path = path, .progress = progress, .user = user};
  for (const BackupMember *member = members; member->name != NULL; member++)
    stream.of += member->size;
  stream.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (stream.fd < 0)
    return fail_number(error, path);
  gboolean good = write_archive(&stream, facts, members, error);
  return (close(stream.fd) == 0 || fail_number(error, path)) && good;
}

/* --- reading
 * ------------------------------------------------------------------------------------------------
 */

/* The next member's header; *name "" at the end of the archive. */
static gboolean read_header(const Stream *stream, Header *header, GError **error) {
  gsize got = 0;
  while (got < sizeof(*header)) {
    ssize_t more = read(stream->fd, (guint8 *)header + got, sizeof(*header) - got);
    if (more < 0 && errno == EINTR)
      continue;
    if (more < 0)
      return fail_number(error, stream->path);
    if (more == 0)
      return fail(error, stream->path, "it is cut short");
    got += (gsize)more;
  }
  if (header->name[0] == '\0')
    return TRUE;
  return (memcmp(header->magic, "ustar", 5) == 0 && memchr(header->name, '\0', 100) != NULL &&
          g_ascii_strtoull(header->sum, NULL, 8) == sum_of(header)) ||
         fail(error, stream->path, "it is no backup of Signet, or damaged");
}

typedef struct {
  Stream *stream;
  GChecksum *sum;
  Stream *to; /* NULL: nowhere */
} Taking;

static gboolean take_member(const guint8 *data, gsize size, gpointer user, GError **error) {
  Taking *taking = user;
  g_checksum_update(taking->sum, data, (gssize)size);
  go_on(taking->stream, (gint64)size);
  return taking->to == NULL || write_all(taking->to, data, size, error);
}

static gboolean skip_padding(const Stream *stream, gint64 size, GError **error) {
  return lseek(stream->fd, (off_t)((BLOCK - size % BLOCK) % BLOCK), SEEK_CUR) >= 0 ||
         fail_number(error, stream->path);
}

static gboolean read_member(Stream *stream, const json_t *row, Stream *to, GError **error) {
  Header header;
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  Taking taking = {stream, sum, to};
  const char *name = json_string_value(json_object_get(row, "name"));
  gint64 size = json_integer_value(json_object_get(row, "size"));
  if (!read_header(stream, &header, error))
    return FALSE;
  if (strcmp(header.name, name) != 0 || get_size(&header) != size)
    return fail(error, stream->path, "its members are not those of its manifest");
  if (!read_pieces(stream->fd, stream->path, size, take_member, &taking, error) ||
      !skip_padding(stream, size, error))
    return FALSE;
  g_autofree char *what = g_strdup_printf("%s in it is damaged", name);
  return g_strcmp0(json_string_value(json_object_get(row, "sha256")), g_checksum_get_string(sum)) ==
             0 ||
         fail(error, stream->path, what);
}

static gboolean put_member(Stream *stream, const json_t *row, const char *folder, GError **error) {
  static const char *const known[] = {BACKUP_STORE, BACKUP_LOG, BACKUP_CHECKPOINT, BACKUP_CONFIG,
                                      NULL};
  const char *name = json_string_value(json_object_get(row, "name"));
  if (name == NULL || !g_strv_contains(known, name))
    return fail(error, stream->path, "its manifest names what is no part of a backup");
  if (folder == NULL)
    return read_member(stream, row, NULL, error);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  Stream to = {.path = path};
  to.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (to.fd < 0)
    return fail_number(error, path);
  gboolean good =
      read_member(stream, row, &to, error) && (fsync(to.fd) == 0 || fail_number(error, path));
  close(to.fd);
  return good;
}

static gboolean take_text(const guint8 *data, gsize size, gpointer user,
                          GError **error G_GNUC_UNUSED) {
  g_string_append_len(user, (const char *)data, (gssize)size);
  return TRUE;
}

static json_t *read_manifest(Stream *stream, GError **error) {
  Header header;
  g_autoptr(GString) text = g_string_new(NULL);
  if (!read_header(stream, &header, error))
    return NULL;
  gint64 size = get_size(&header);
  if (strcmp(header.name, MANIFEST) != 0 || size > MANIFEST_MAX)
    return fail(error, stream->path, "it is no backup of Signet"), NULL;
  if (!read_pieces(stream->fd, stream->path, size, take_text, text, error) ||
      !skip_padding(stream, size, error))
    return NULL;
  json_t *manifest = json_loadb(text->str, text->len, JSON_REJECT_DUPLICATES, NULL);
  if (manifest == NULL)
    fail(error, stream->path, "its manifest is damaged");
  return manifest;
}

static gboolean read_facts(const Stream *stream, const json_t *manifest, BackupFacts *facts,
                           GError **error) {
  const json_t *audit = json_object_get(manifest, "audit");
  const char *chain = json_string_value(json_object_get(audit, "chain"));
  const char *hash = json_string_value(json_object_get(audit, "hash"));
  if (json_integer_value(json_object_get(manifest, "format")) != FORMAT)
    return fail(error, stream->path, "it is of a later release; restore it with that one");
  *facts =
      (BackupFacts){.made = json_integer_value(json_object_get(manifest, "made-ms")),
                    .certificates = json_integer_value(json_object_get(manifest, "certificates")),
                    .head = {.number = json_integer_value(json_object_get(audit, "number"))}};
  facts->head.chain.given = chain != NULL && *chain != '\0';
  return (chain != NULL && hash != NULL &&
          audit_from_hex(hash, facts->head.hash, AUDIT_HASH_OCTETS) &&
          (!facts->head.chain.given || audit_from_hex(chain, &facts->head.chain.id, ID_OCTETS))) ||
         fail(error, stream->path, "its manifest is damaged");
}

static gboolean has_member(const json_t *files, const char *name) {
  size_t i = 0;
  const json_t *row = NULL;
  json_array_foreach(files, i, row) {
    if (g_strcmp0(json_string_value(json_object_get(row, "name")), name) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean read_archive(Stream *stream, const char *folder, BackupFacts *facts,
                             GError **error) {
  Header end;
  json_t *manifest = read_manifest(stream, error);
  const json_t *files = json_object_get(manifest, "files"), *row = NULL;
  gboolean good = manifest != NULL && read_facts(stream, manifest, facts, error);
  size_t i = 0;
  if (good && (json_array_size(files) > MEMBERS_MAX || !has_member(files, BACKUP_STORE) ||
               !has_member(files, BACKUP_LOG)))
    good = fail(error, stream->path, "its manifest lacks the store or the signer's log");
  json_array_foreach(files, i, row) {
    stream->of += json_integer_value(json_object_get(row, "size"));
  }
  json_array_foreach(files, i, row) {
    good = good && put_member(stream, row, folder, error);
  }
  good = good && read_header(stream, &end, error) &&
         (end.name[0] == '\0' || fail(error, stream->path, "there is more behind its members"));
  json_decref(manifest);
  return good;
}

gboolean backup_read(const char *path, const char *folder, BackupFacts *facts,
                     BackupProgress progress, gpointer user, GError **error) {
  Stream stream = {.path = path, .progress = progress, .user = user};
  stream.fd = open(path, O_RDONLY | O_CLOEXEC);
  if (stream.fd < 0)
    return fail_number(error, path);
  gboolean good = read_archive(&stream, folder, facts, error);
  close(stream.fd);
  return good;
}
