/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signer_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"
#include "ca/issuer.h"
#include "ca/signer_frame.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATE_MAX_OCTETS (64 * 1024)

typedef struct {
  guint64 prefix; /* first 8 octets of the digest */
  guint64 place;
} Entry;

/* Invariant: the first size octets of the file are good frames, and chain is the last one's. A
   record's place is its offset in the file, for records in pending the one that they will have. */
struct SignerLog {
  int fd;
  gsize size;
  SignerChain chain;
  GByteArray *pending; /* payload of the next frame */
  GArray *old;         /* of Entry, sorted: what was there at first, a million in 16 MiB */
  GHashTable *index;   /* of later ones: first 8 octets of the digest (plus 1, 2, .. when taken) ->
                          place */
  GArray *times;       /* of gint64, sorted */
  gboolean
      failed; /* a write or fsync failed: what the file holds is unknown until it is read anew */
};

static gboolean fail(GError **error, const char *what, int number) {
  g_set_error(error, CA_ERROR, CA_ERROR_LOG, "the signer's log: %s%s%s", what,
              number != 0 ? ": " : "", number != 0 ? g_strerror(number) : "");
  return FALSE;
}

static gboolean read_at(int fd, guint8 *to, gsize length, gsize offset) {
  while (length > 0) {
    ssize_t got = pread(fd, to, length, (off_t)offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return FALSE;
    to += got;
    offset += (gsize)got;
    length -= (gsize)got;
  }
  return TRUE;
}

/* Copies length octets at place, which lie in the file or in pending. */
static gboolean read_place(const SignerLog *log, gsize place, guint8 *to, gsize length) {
  if (place < log->size)
    return read_at(log->fd, to, length, place);
  gsize offset = place - log->size - SIGNER_FRAME_HEADER;
  if (offset + length > log->pending->len)
    return FALSE;
  memcpy(to, log->pending->data + offset, length);
  return TRUE;
}

/* Whether the record at place is of that digest. */
static gboolean is_of(const SignerLog *log, gsize place, const guint8 *digest, gboolean *broken) {
  guint8 record[SIGNER_RECORD_HEADER];
  *broken = *broken || !read_place(log, place, record, sizeof record);
  return !*broken && memcmp(record + 8, digest, SIGNER_FRAME_DIGEST) == 0;
}

static guint64 prefix_of(const guint8 *digest) {
  guint64 prefix;
  memcpy(&prefix, digest, sizeof prefix);
  return prefix;
}

/* The index of the first entry that is not below prefix. */
static guint first_entry(const GArray *entries, guint64 prefix) {
  guint low = 0, high = entries->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;
    if (g_array_index(entries, Entry, middle).prefix < prefix)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static gboolean look_up_old(const SignerLog *log, const guint8 *digest, gsize *place,
                            gboolean *broken) {
  guint64 prefix = prefix_of(digest);
  for (guint i = first_entry(log->old, prefix); i < log->old->len; i++) {
    const Entry *entry = &g_array_index(log->old, Entry, i);
    if (entry->prefix != prefix)
      return FALSE;
    *place = entry->place;
    if (is_of(log, entry->place, digest, broken))
      return TRUE;
  }
  return FALSE;
}

/* Looks a digest up: TRUE when it is there, with its place; else key is the free key for it. */
static gboolean look_up(const SignerLog *log, const guint8 *digest, guintptr *key, gsize *place,
                        gboolean *broken) {
  gpointer value;
  if (look_up_old(log, digest, place, broken))
    return TRUE;
  *key = (guintptr)prefix_of(digest);
  while (!*broken && g_hash_table_lookup_extended(log->index, (gpointer)*key, NULL, &value)) {
    *place = GPOINTER_TO_SIZE(value);
    if (is_of(log, *place, digest, broken))
      return TRUE;
    (*key)++;
  }
  return FALSE;
}

static gboolean add_index(SignerLog *log, const guint8 *digest, gsize place, GError **error) {
  guintptr key;
  gsize found;
  gboolean broken = FALSE;
  if (look_up(log, digest, &key, &found, &broken))
    return fail(error, "the same octets are there twice", 0);
  if (broken)
    return fail(error, "cannot be read", errno);
  g_hash_table_insert(log->index, (gpointer)key, GSIZE_TO_POINTER(place));
  return TRUE;
}

/* payload lies in the file at offset. */
static gboolean load_records(SignerLog *log, const guint8 *payload, gsize length, gsize offset,
                             GError **error) {
  for (gsize at = 0; at < length;) {
    SignerRecord record;
    gsize used = signer_record_read(payload + at, length - at, &record);
    if (used == 0)
      return fail(error, "a record does not fit its frame", 0);
    Entry entry = {prefix_of(record.digest), offset + at};
    g_array_append_val(log->old, entry);
    g_array_append_val(log->times, record.time);
    at += used;
  }
  return TRUE;
}

static gboolean cut_off(SignerLog *log, gsize size, GError **error) {
  g_autofree char *octets = g_strdup_printf("%" G_GSIZE_FORMAT, size - log->size);
  log_warning("signer log repaired", "octets", octets, "reason", "the last write was cut short",
              NULL);
  if (ftruncate(log->fd, (off_t)log->size) != 0)
    return fail(error, "cannot be cut", errno);
  return TRUE;
}

static gboolean load(SignerLog *log, const guint8 *data, gsize size, GError **error) {
  while (log->size < size) {
    gsize payload = 0;
    switch (signer_frame_read(&log->chain, data + log->size, size - log->size, &payload)) {
    case SIGNER_FRAME_TORN:
      return cut_off(log, size, error);
    case SIGNER_FRAME_DAMAGED:
      g_set_error(error, CA_ERROR, CA_ERROR_LOG,
                  "the signer's log: damaged at octet %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT,
                  log->size, size);
      return FALSE;
    case SIGNER_FRAME_GOOD:
      break;
    }
    gsize start = log->size + SIGNER_FRAME_HEADER;
    log->size = start + payload + SIGNER_FRAME_DIGEST;
    if (!load_records(log, data + start, payload, start, error))
      return FALSE;
  }
  return TRUE;
}

static gint compare_entries(gconstpointer a, gconstpointer b) {
  guint64 x = ((const Entry *)a)->prefix, y = ((const Entry *)b)->prefix;
  return x < y ? -1 : x > y;
}

/* Sorts what was read; the same digest must not be there twice. */
static gboolean sort_entries(SignerLog *log, const guint8 *data, GError **error) {
  g_array_sort(log->old, compare_entries);
  for (guint i = 1; i < log->old->len; i++) {
    const Entry *first = &g_array_index(log->old, Entry, i - 1), *second = first + 1;
    /* Entries of one prefix are next to each other, and hardly ever two. */
    for (; first->prefix == second->prefix; first--) {
      if (memcmp(data + first->place + 8, data + second->place + 8, SIGNER_FRAME_DIGEST) == 0)
        return fail(error, "the same octets are there twice", 0);
      if (first == &g_array_index(log->old, Entry, 0))
        break;
    }
  }
  return TRUE;
}

static gint compare_times(gconstpointer a, gconstpointer b) {
  gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;
  return x < y ? -1 : x > y;
}

SignerLog *signer_log_new(int fd, GError **error) {
  g_autoptr(SignerLog) log = g_new0(SignerLog, 1);
  log->fd = fd;
  log->pending = g_byte_array_new();
  log->old = g_array_new(FALSE, FALSE, sizeof(Entry));
  log->index = g_hash_table_new(g_direct_hash, g_direct_equal);
  log->times = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_autoptr(GError) reason = NULL;
  g_autoptr(GMappedFile) file = g_mapped_file_new_from_fd(fd, FALSE, &reason);
  if (file == NULL)
    return fail(error, reason->message, 0), NULL;
  const guint8 *data = (const guint8 *)g_mapped_file_get_contents(file);
  if (!load(log, data, g_mapped_file_get_length(file), error) || !sort_entries(log, data, error))
    return NULL;
  /* What was found may stand in the page cache alone. */
  if (fsync(fd) != 0)
    return fail(error, "cannot be synced", errno), NULL;
  g_array_sort(log->times, compare_times);
  return g_steal_pointer(&log);
}

void signer_log_free(SignerLog *log) {
  if (log == NULL)
    return;
  if (log->fd >= 0)
    close(log->fd);
  g_clear_pointer(&log->pending, g_byte_array_unref);
  g_clear_pointer(&log->old, g_array_unref);
  g_clear_pointer(&log->index, g_hash_table_unref);
  g_clear_pointer(&log->times, g_array_unref);
  g_free(log);
}

GBytes *signer_log_find(SignerLog *log, GBytes *tbs, GError **error) {
  guint8 digest[SHA256_OCTETS], header[SIGNER_RECORD_HEADER];
  guintptr key;
  gsize place;
  gboolean broken = FALSE;
  SignerRecord record;
  sha256_of(tbs, digest);
  if (log->failed)
    return fail(error, "failed before; restart", 0), NULL;
  if (!look_up(log, digest, &key, &place, &broken)) {
    if (broken)
      fail(error, "cannot be read", errno);
    return NULL;
  }
  if (!read_place(log, place, header, sizeof header))
    return fail(error, "cannot be read", errno), NULL;
  signer_record_read(header, sizeof header, &record);
  if (record.length > CERTIFICATE_MAX_OCTETS)
    return fail(error, "a record is too long", 0), NULL;
  g_autofree guint8 *certificate = g_malloc(record.length + 1);
  if (!read_place(log, place + SIGNER_RECORD_HEADER, certificate, record.length))
    return fail(error, "cannot be read", errno), NULL;
  return g_bytes_new_take(g_steal_pointer(&certificate), record.length);
}

/* The first index in times whose time is at or after time. */
static guint first_since(const GArray *times, gint64 time) {
  guint low = 0, high = times->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;
    if (g_array_index(times, gint64, middle) < time)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

gboolean signer_log_append(SignerLog *log, gint64 now, GBytes *tbs, GBytes *certificate,
                           GError **error) {
  guint8 digest[SHA256_OCTETS];
  SignerRecord record = {.time = now, .digest = digest};
  record.certificate = g_bytes_get_data(certificate, &record.length);
  sha256_of(tbs, digest);
  if (log->failed)
    return fail(error, "failed before; restart", 0);
  if (record.length == 0 || record.length > CERTIFICATE_MAX_OCTETS ||
      log->pending->len + SIGNER_RECORD_HEADER + record.length > SIGNER_FRAME_MAX_PAYLOAD)
    return fail(error, "the certificate is too long, or too much waits for the sync", 0);
  if (!add_index(log, digest, log->size + SIGNER_FRAME_HEADER + log->pending->len, error))
    return FALSE;
  signer_record_append(log->pending, &record);
  g_array_insert_val(log->times, first_since(log->times, now), now);
  return TRUE;
}

static gboolean write_all(int fd, const guint8 *data, gsize length) {
  while (length > 0) {
    ssize_t done = write(fd, data, length);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return FALSE;
    data += done;
    length -= (gsize)done;
  }
  return TRUE;
}

/* After a failed write or fsync nobody knows what is on the disk: the frame is taken back as well
   as can be, and the log answers nothing more. */
gboolean signer_log_sync(SignerLog *log, GError **error) {
  if (log->failed)
    return fail(error, "failed before; restart", 0);
  if (log->pending->len == 0)
    return TRUE;
  g_autoptr(GByteArray) frame = signer_frame_make(&log->chain, log->pending);
  if (!write_all(log->fd, frame->data, frame->len) || fsync(log->fd) != 0) {
    int number = errno;
    log->failed = TRUE;
    if (ftruncate(log->fd, (off_t)log->size) != 0)
      log_error("signer log not cut", "reason", g_strerror(errno), NULL);
    return fail(error, "cannot be written", number);
  }
  log->size += frame->len;
  g_byte_array_set_size(log->pending, 0);
  return TRUE;
}

guint signer_log_last_hour(const SignerLog *log, gint64 now) {
  return log->times->len - first_since(log->times, now - CLOCK_HOUR);
}

static gboolean scan_records(const guint8 *payload, gsize length,
                             void (*found)(const SignerRecord *record, gpointer user),
                             gpointer user, GError **error) {
  for (gsize at = 0; at < length;) {
    SignerRecord record;
    gsize used = signer_record_read(payload + at, length - at, &record);
    if (used == 0)
      return fail(error, "a record does not fit its frame", 0);
    found(&record, user);
    at += used;
  }
  return TRUE;
}

gboolean signer_log_whole(const guint8 *data, gsize size, gsize *whole, GError **error) {
  SignerChain chain = {0};
  for (*whole = 0; *whole < size;) {
    gsize payload = 0;
    SignerFrameState state = signer_frame_read(&chain, data + *whole, size - *whole, &payload);
    if (state == SIGNER_FRAME_TORN)
      return TRUE;
    if (state == SIGNER_FRAME_DAMAGED) {
      g_set_error(error, CA_ERROR, CA_ERROR_LOG,
                  "the signer's log is damaged at octet %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT,
                  *whole, size);
      return FALSE;
    }
    *whole += SIGNER_FRAME_HEADER + payload + SIGNER_FRAME_DIGEST;
  }
  return TRUE;
}

gboolean signer_log_scan(const guint8 *data, gsize size,
                         void (*found)(const SignerRecord *record, gpointer user), gpointer user,
                         gboolean *torn, GError **error) {
  SignerChain chain = {0};
  *torn = FALSE;
  for (gsize at = 0; at < size && !*torn;) {
    gsize payload = 0;
    SignerFrameState state = signer_frame_read(&chain, data + at, size - at, &payload);
    *torn = state == SIGNER_FRAME_TORN;
    if (state == SIGNER_FRAME_DAMAGED) {
      g_set_error(error, CA_ERROR, CA_ERROR_LOG,
                  "the signer's log is damaged at octet %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT,
                  at, size);
      return FALSE;
    }
    if (state == SIGNER_FRAME_GOOD &&
        !scan_records(data + at + SIGNER_FRAME_HEADER, payload, found, user, error))
      return FALSE;
    at += SIGNER_FRAME_HEADER + payload + SIGNER_FRAME_DIGEST;
  }
  return TRUE;
}
