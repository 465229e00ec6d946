/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/checkpoint_file.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* A file without a name. */
static int open_file(void) {
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp("signet-checkpoint-XXXXXX", &path, NULL);
  g_assert_cmpint(fd, >=, 0);
  g_unlink(path);
  return fd;
}

static AuditCheckpoint numbered(gint64 number) {
  AuditCheckpoint checkpoint = {.number = number, .at = 1000 * number, .previous = number - 10};
  memset(&checkpoint.chain, 7, sizeof(checkpoint.chain));
  memset(checkpoint.hash, (int)number, sizeof(checkpoint.hash));
  return checkpoint;
}

static void keep(CheckpointFile *file, gint64 number) {
  g_autoptr(GError) error = NULL;
  AuditCheckpoint checkpoint = numbered(number);
  checkpoint_file_keep(file, &checkpoint, &error);
  g_assert_no_error(error);
}

/* What the next process finds; number 0: none. */
static void assert_found(int fd, gint64 number) {
  g_autoptr(GError) error = NULL;
  CheckpointFile found;
  AuditCheckpoint wanted = numbered(number);
  checkpoint_file_open(&found, fd, &error);
  g_assert_no_error(error);
  g_assert_cmpint(found.last.number, ==, number);
  if (number == 0)
    return;
  g_assert_true(id_equal(&found.last.chain, &wanted.chain));
  g_assert_true(memcmp(found.last.hash, wanted.hash, AUDIT_HASH_OCTETS) == 0);
  g_assert_cmpint(found.last.at, ==, wanted.at);
  g_assert_cmpint(found.last.previous, ==, wanted.previous);
}

/* After a restart the same is refused as before it. */
static void test_kept(void) {
  int fd = open_file();
  CheckpointFile file;
  assert_found(fd, 0);
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  for (gint64 number = 20; number < 100; number += 10) {
    keep(&file, number);
    assert_found(fd, number);
  }
  CheckpointFile again;
  AuditCheckpoint other = numbered(90), earlier = numbered(80), later = numbered(100);
  other.hash[0] ^= 1;
  g_assert_true(checkpoint_file_open(&again, fd, NULL));
  g_assert_nonnull(audit_checkpoint_fault(&again.last, &other));
  g_assert_nonnull(audit_checkpoint_fault(&again.last, &earlier));
  g_assert_null(audit_checkpoint_fault(&again.last, &later));
  keep(&again, 100);
  assert_found(fd, 100);
  close(fd);
}

/* Whatever of a write reached the disk: the one before is there, or that one. */
static void test_torn(gconstpointer writes) {
  int fd = open_file();
  CheckpointFile file;
  guint8 before[2 * 4096] = {0}, after[2 * 4096] = {0};
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  gint64 number = 20;
  for (int i = 1; i < GPOINTER_TO_INT(writes); i++, number += 10)
    keep(&file, number);
  gint64 last = file.last.number;
  g_assert_cmpint(pread(fd, before, sizeof(before), 0), >=, 0);
  keep(&file, number);
  g_assert_cmpint(pread(fd, after, sizeof(after), 0), >, 0);
  for (gsize cut = 0; cut < sizeof(after); cut++) {
    if (cut > 0 && before[cut - 1] == after[cut - 1])
      continue;
    guint8 torn[sizeof(after)];
    memcpy(torn, before, sizeof(torn));
    memcpy(torn, after, cut);
    g_assert_cmpint(pwrite(fd, torn, sizeof(torn), 0), ==, sizeof(torn));
    assert_found(fd, memcmp(torn, after, sizeof(torn)) == 0 ? number : last);
  }
  close(fd);
}

static void test_damaged(void) {
  int fd = open_file();
  CheckpointFile file;
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  keep(&file, 20);
  keep(&file, 30);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpint(pwrite(fd, "!", 1, (off_t)i * 4096 + 20), ==, 1);
  g_autoptr(GError) error = NULL;
  g_assert_false(checkpoint_file_open(&file, fd, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  close(fd);
}

/* Nothing is taken for kept that is not. */
static void test_not_kept(void) {
  int fd = g_open("/dev/full", O_RDWR | O_CLOEXEC, 0);
  CheckpointFile file = {.fd = fd};
  g_autoptr(GError) error = NULL;
  AuditCheckpoint checkpoint = numbered(20);
  g_assert_false(checkpoint_file_keep(&file, &checkpoint, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  g_assert_cmpint(file.last.number, ==, 0);
  close(fd);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/checkpoint-file/kept", test_kept);
  g_test_add_data_func("/checkpoint-file/torn/first", GINT_TO_POINTER(1), test_torn);
  g_test_add_data_func("/checkpoint-file/torn/second", GINT_TO_POINTER(2), test_torn);
  g_test_add_data_func("/checkpoint-file/torn/later", GINT_TO_POINTER(5), test_torn);
  g_test_add_func("/checkpoint-file/damaged", test_damaged);
  g_test_add_func("/checkpoint-file/not-kept", test_not_kept);
  return g_test_run();
}
