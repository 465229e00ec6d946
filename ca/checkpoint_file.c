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

/* Whether the slot at index is whole. */
static gboolean is_whole(const Slot *slot, guint index) {
  guint8 digest[DIGEST_OCTETS];
  digest_of(slot, digest);
  return memcmp(digest, slot->digest, DIGEST_OCTETS) == 0 &&
         GUINT64_FROM_BE(slot->written) % 2 == index;
}

static void take(CheckpointFile *file, const Slot *slot) {
  file->written = GUINT64_FROM_BE(slot->written);
  file->last = (AuditCheckpoint){.chain = slot->chain,
                                 .number = GINT64_FROM_BE(slot->number),
                                 .at = GINT64_FROM_BE(slot->at),
                                 .previous = GINT64_FROM_BE(slot->previous)};
  memcpy(file->last.hash, slot->hash, AUDIT_HASH_OCTETS);
}

/* The first write goes to slot 1, so that a file with nothing whole is one whose first write was
   cut short as long as slot 0 is empty. */
gboolean checkpoint_file_open(CheckpointFile *file, int fd, GError **error) {
  static const Slot empty;
  Slot slots[2] = {0};
  *file = (CheckpointFile){.fd = fd};
  for (guint i = 0; i < G_N_ELEMENTS(slots); i++) {
    if (pread(fd, &slots[i], sizeof(Slot), (off_t)i * SLOT_DISTANCE) < 0)
      return fail(error, "cannot be read", errno);
    if (is_whole(&slots[i], i) && GUINT64_FROM_BE(slots[i].written) > file->written)
      take(file, &slots[i]);
  }
  return file->written > 0 || memcmp(&slots[0], &empty, sizeof(Slot)) == 0 ||
         fail(error, "is damaged", 0);
}

gboolean checkpoint_file_keep(CheckpointFile *file, const AuditCheckpoint *checkpoint,
                              GError **error) {
  guint64 written = file->written + 1;
  Slot slot = {.written = GUINT64_TO_BE(written),
               .chain = checkpoint->chain,
               .number = GINT64_TO_BE(checkpoint->number),
               .at = GINT64_TO_BE(checkpoint->at),
               .previous = GINT64_TO_BE(checkpoint->previous)};
  memcpy(slot.hash, checkpoint->hash, AUDIT_HASH_OCTETS);
  digest_of(&slot, slot.digest);
  ssize_t done = pwrite(file->fd, &slot, sizeof(slot), (off_t)(written % 2) * SLOT_DISTANCE);
  if (done != (ssize_t)sizeof(slot) || fsync(file->fd) != 0)
    return fail(error, "cannot be kept",
                done >= 0 && done != (ssize_t)sizeof(slot) ? ENOSPC : errno);
  file->written = written;
  file->last = *checkpoint;
  return TRUE;
}
