/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/checkpoint_file.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_file(void) {
  int fd = memfd_create("signer.checkpoint", MFD_CLOEXEC);
  g_assert_cmpint(fd, >=, 0);
  return fd;
}

#define CHAIN 7

static AuditCheckpoint numbered(guint16 chain, gint64 number) {
  AuditCheckpoint checkpoint = {.number = number, .at = 1000 * number, .previous = number - 10};
  memcpy(&checkpoint.chain, &chain, sizeof(chain));
  memset(checkpoint.hash, (int)number, sizeof(checkpoint.hash));
  return checkpoint;
}

static void keep(CheckpointFile *file, guint16 chain, gint64 number) {
  g_autoptr(GError) error = NULL;
  AuditCheckpoint checkpoint = numbered(chain, number);
  checkpoint_file_keep(file, &checkpoint, &error);
  g_assert_no_error(error);
}

/* What the next process finds; number 0: none. */
static void assert_found(int fd, guint16 chain, gint64 number) {
  g_autoptr(GError) error = NULL;
  g_auto(CheckpointFile) found = {0};
  AuditCheckpoint wanted = numbered(chain, number);
  checkpoint_file_open(&found, fd, &error);
  g_assert_no_error(error);
  AuditCheckpoint last = checkpoint_file_last(&found, &wanted.chain);
  g_assert_cmpint(last.number, ==, number);
  if (number == 0)
    return;
  g_assert_true(id_equal(&last.chain, &wanted.chain));
  g_assert_true(memcmp(last.hash, wanted.hash, AUDIT_HASH_OCTETS) == 0);
  g_assert_cmpint(last.at, ==, wanted.at);
  g_assert_cmpint(last.previous, ==, wanted.previous);
}

/* After a restart the same is refused as before it. */
static void test_kept(void) {
  int fd = open_file();
  g_auto(CheckpointFile) file = {0};
  assert_found(fd, CHAIN, 0);
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  for (gint64 number = 20; number < 100; number += 10) {
    keep(&file, CHAIN, number);
    assert_found(fd, CHAIN, number);
  }
  g_auto(CheckpointFile) again = {0};
  AuditCheckpoint other = numbered(CHAIN, 90), earlier = numbered(CHAIN, 80),
                  later = numbered(CHAIN, 100);
  other.hash[0] ^= 1;
  g_assert_true(checkpoint_file_open(&again, fd, NULL));
  AuditCheckpoint last = checkpoint_file_last(&again, &other.chain);
  g_assert_nonnull(audit_checkpoint_fault(&last, &other));
  g_assert_nonnull(audit_checkpoint_fault(&last, &earlier));
  g_assert_null(audit_checkpoint_fault(&last, &later));
  keep(&again, CHAIN, 100);
  assert_found(fd, CHAIN, 100);
  close(fd);
}

/* Whatever of a write reached the disk: the one before is there, or that one. */
static void test_torn(gconstpointer writes) {
  int fd = open_file();
  g_auto(CheckpointFile) file = {0};
  guint8 before[2 * 4096] = {0}, after[2 * 4096] = {0};
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  gint64 number = 20;
  for (int i = 1; i < GPOINTER_TO_INT(writes); i++, number += 10)
    keep(&file, CHAIN, number);
  gint64 last = number > 20 ? number - 10 : 0;
  g_assert_cmpint(pread(fd, before, sizeof(before), 0), >=, 0);
  keep(&file, CHAIN, number);
  g_assert_cmpint(pread(fd, after, sizeof(after), 0), >, 0);
  for (gsize cut = 0; cut < sizeof(after); cut++) {
    if (cut > 0 && before[cut - 1] == after[cut - 1])
      continue;
    guint8 torn[sizeof(after)];
    memcpy(torn, before, sizeof(torn));
    memcpy(torn, after, cut);
    g_assert_cmpint(pwrite(fd, torn, sizeof(torn), 0), ==, sizeof(torn));
    assert_found(fd, CHAIN, memcmp(torn, after, sizeof(torn)) == 0 ? number : last);
  }
  close(fd);
}

static void test_damaged(void) {
  int fd = open_file();
  g_auto(CheckpointFile) file = {0};
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  keep(&file, CHAIN, 20);
  keep(&file, CHAIN, 30);
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
  g_auto(CheckpointFile) file = {0};
  g_autoptr(GError) error = NULL;
  AuditCheckpoint checkpoint = numbered(CHAIN, 20);
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  g_assert_false(checkpoint_file_keep(&file, &checkpoint, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  g_assert_cmpint(checkpoint_file_last(&file, &checkpoint.chain).number, ==, 0);
  close(fd);
}

/* Each chain has its own last one, over restarts too. */
static void test_chains(void) {
  int fd = open_file();
  g_auto(CheckpointFile) file = {0};
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  gint64 last[5] = {0};
  g_assert_cmpint(checkpoint_file_newest(&file).number, ==, 0);
  for (gint64 number = 20; number < 60; number += 10)
    for (guint16 chain = 0; chain < G_N_ELEMENTS(last); chain++) {
      last[chain] = number + chain;
      keep(&file, chain, last[chain]);
      for (guint16 other = 0; other < G_N_ELEMENTS(last); other++)
        assert_found(fd, other, last[other]);
      g_assert_cmpint(checkpoint_file_newest(&file).number, ==, last[chain]);
    }
  close(fd);
}

/* A chain whose first write was cut short leaves the others as they are, and its place to the next
   one. */
static void test_chain_torn(void) {
  int fd = open_file();
  g_auto(CheckpointFile) file = {0};
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  keep(&file, 1, 20);
  keep(&file, 2, 20);
  g_assert_cmpint(pwrite(fd, "!", 1, (off_t)3 * 4096 + 30), ==, 1);
  g_auto(CheckpointFile) again = {0};
  g_assert_true(checkpoint_file_open(&again, fd, NULL));
  assert_found(fd, 1, 20);
  assert_found(fd, 2, 0);
  keep(&again, 3, 30);
  assert_found(fd, 1, 20);
  assert_found(fd, 3, 30);
  close(fd);
}

/* New chains push none out. */
static void test_many(void) {
  int fd = open_file();
  g_auto(CheckpointFile) file = {0};
  g_autoptr(GError) error = NULL;
  g_assert_true(checkpoint_file_open(&file, fd, NULL));
  for (guint16 chain = 0; chain < CHECKPOINT_FILE_CHAINS; chain++)
    keep(&file, chain, 20);
  AuditCheckpoint more = numbered(CHECKPOINT_FILE_CHAINS, 20);
  g_assert_false(checkpoint_file_keep(&file, &more, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  keep(&file, 0, 30);
  assert_found(fd, 0, 30);
  assert_found(fd, CHECKPOINT_FILE_CHAINS - 1, 20);
  assert_found(fd, CHECKPOINT_FILE_CHAINS, 0);
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
  g_test_add_func("/checkpoint-file/chains", test_chains);
  g_test_add_func("/checkpoint-file/chain-torn", test_chain_torn);
  g_test_add_func("/checkpoint-file/many", test_many);
  return g_test_run();
}
