/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/checkpoint_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SLOT_DISTANCE 4096 /* a torn write of one touches no sector of the other */
#define DIGEST_OCTETS 32

/* As it lies in the file; numbers are big-endian. */
typedef struct {
  guint64 written;
  Id chain;
  gint64 number;
  guint8 hash[AUDIT_HASH_OCTETS];
  gint64 at, previous;
  guint8 digest[DIGEST_OCTETS]; /* of all before */
} Slot;

G_STATIC_ASSERT(sizeof(Slot) == 4 * sizeof(gint64) + ID_OCTETS + AUDIT_HASH_OCTETS + DIGEST_OCTETS);

static gboolean fail(GError **error, const char *what, int number) {
  g_set_error(error, CA_ERROR, CA_ERROR_LOG, "the signer's last checkpoint %s%s%s", what,
              number != 0 ? ": " : "", number != 0 ? g_strerror(number) : "");
  return FALSE;
}

static void digest_of(const Slot *slot, guint8 digest[DIGEST_OCTETS]) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize length = DIGEST_OCTETS;
  g_checksum_update(sum, (const guint8 *)slot, G_STRUCT_OFFSET(Slot, digest));
  g_checksum_get_digest(sum, digest, &length);
}

/* The two slots of a chain. */
typedef struct {
  guint64 written;      /* number of the slot written last; 0: none */
  AuditCheckpoint last; /* number 0: none */
} Pair;

static off_t place_of(guint pair, guint64 slot) {
  return (off_t)(2 * pair + slot % 2) * SLOT_DISTANCE;
}

/* Whether the slot at index is whole. */
static gboolean is_whole(const Slot *slot, guint index) {
  guint8 digest[DIGEST_OCTETS];
  digest_of(slot, digest);
  return memcmp(digest, slot->digest, DIGEST_OCTETS) == 0 &&
         GUINT64_FROM_BE(slot->written) % 2 == index;
}

static void take(Pair *pair, const Slot *slot) {
  pair->written = GUINT64_FROM_BE(slot->written);
  pair->last = (AuditCheckpoint){.chain = slot->chain,
                                 .number = GINT64_FROM_BE(slot->number),
                                 .at = GINT64_FROM_BE(slot->at),
                                 .previous = GINT64_FROM_BE(slot->previous)};
  memcpy(pair->last.hash, slot->hash, AUDIT_HASH_OCTETS);
}

/* The first write goes to slot 1, so that a pair with nothing whole is one whose first write was
   cut short as long as slot 0 is empty; it is the next new chain's. */
static gboolean read_pair(CheckpointFile *file, guint index, gboolean *end, GError **error) {
  static const Slot empty;
  Slot slots[2] = {0};
  Pair pair = {0};
  gssize got = 0;
  for (guint i = 0; i < G_N_ELEMENTS(slots); i++) {
    gssize octets = pread(file->fd, &slots[i], sizeof(Slot), place_of(index, i));
    if (octets < 0)
      return fail(error, "cannot be read", errno);
    got += octets;
    if (is_whole(&slots[i], i) && GUINT64_FROM_BE(slots[i].written) > pair.written)
      take(&pair, &slots[i]);
  }
  *end = got == 0;
  if (pair.written == 0 && memcmp(&slots[0], &empty, sizeof(Slot)) != 0)
    return fail(error, "is damaged", 0);
  if (!*end)
    g_array_append_val(file->pairs, pair);
  return TRUE;
}

gboolean checkpoint_file_open(CheckpointFile *file, int fd, GError **error) {
  gboolean end = FALSE;
  *file = (CheckpointFile){fd, g_array_new(FALSE, FALSE, sizeof(Pair))};
  for (guint i = 0; i < CHECKPOINT_FILE_CHAINS && !end; i++)
    if (!read_pair(file, i, &end, error)) {
      checkpoint_file_clear(file);
      return FALSE;
    }
  return TRUE;
}

void checkpoint_file_clear(CheckpointFile *file) {
  g_clear_pointer(&file->pairs, g_array_unref);
}

/* Index of the pair of a chain, else of the first one that is free, which may be behind the end. */
static guint find_pair(const CheckpointFile *file, const Id *chain) {
  guint unused = file->pairs->len;
  for (guint i = file->pairs->len; i > 0; i--) {
    const Pair *pair = &g_array_index(file->pairs, Pair, i - 1);
    if (pair->written > 0 && id_equal(&pair->last.chain, chain))
      return i - 1;
    if (pair->written == 0)
      unused = i - 1;
  }
  return unused;
}

AuditCheckpoint checkpoint_file_last(const CheckpointFile *file, const Id *chain) {
  guint index = find_pair(file, chain);
  return index < file->pairs->len ? g_array_index(file->pairs, Pair, index).last
                                  : (AuditCheckpoint){.number = 0};
}

AuditCheckpoint checkpoint_file_newest(const CheckpointFile *file) {
  AuditCheckpoint newest = {.number = 0};
  for (guint i = 0; i < file->pairs->len; i++) {
    const AuditCheckpoint *last = &g_array_index(file->pairs, Pair, i).last;
    if (last->number > 0 && (newest.number == 0 || last->at > newest.at))
      newest = *last;
  }
  return newest;
}

static gboolean write_slot(int fd, const Slot *slot, off_t place, GError **error) {
  ssize_t done = pwrite(fd, slot, sizeof(*slot), place);
  return (done == (ssize_t)sizeof(*slot) && fsync(fd) == 0) ||
         fail(error, "cannot be kept",
              done >= 0 && done != (ssize_t)sizeof(*slot) ? ENOSPC : errno);
}

gboolean checkpoint_file_keep(CheckpointFile *file, const AuditCheckpoint *checkpoint,
                              GError **error) {
  guint index = find_pair(file, &checkpoint->chain);
  if (index >= CHECKPOINT_FILE_CHAINS)
    return fail(error, "cannot be kept: there are too many chains", 0);
  Pair pair = {.written = 0};
  if (index < file->pairs->len)
    pair = g_array_index(file->pairs, Pair, index);
  pair.written++;
  pair.last = *checkpoint;
  Slot slot = {.written = GUINT64_TO_BE(pair.written),
               .chain = checkpoint->chain,
               .number = GINT64_TO_BE(checkpoint->number),
               .at = GINT64_TO_BE(checkpoint->at),
               .previous = GINT64_TO_BE(checkpoint->previous)};
  memcpy(slot.hash, checkpoint->hash, AUDIT_HASH_OCTETS);
  digest_of(&slot, slot.digest);
  if (!write_slot(file->fd, &slot, place_of(index, pair.written), error))
    return FALSE;
  if (index == file->pairs->len)
    g_array_append_val(file->pairs, pair);
  else
    g_array_index(file->pairs, Pair, index) = pair;
  return TRUE;
}
