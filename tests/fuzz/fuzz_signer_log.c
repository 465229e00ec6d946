/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet for the mode, then a log as it comes (mode 0), or damage and records (1), of
   which the target makes a good log with a frame for each record: cut off so many octets at the
   end, and change one octet at a place. Holds: a log that opens takes another record, has it after
   it was opened anew, and nothing is there twice; a good one opens with all records; one that was
   only cut opens with those of the frames before; one that was changed before its last whole frame
   does not open. */
#include "base/log.h"
#include "ca/signer_frame.h"
#include "ca/signer_log.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <openssl/evp.h>

#define NOW G_GINT64_CONSTANT(1772323200000)

static SignerLog *open_log(int fd, GError **error) {
  g_autofree char *path = fuzz_path(fd);
  int own = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
  g_assert_cmpint(own, >=, 0);
  return signer_log_new(own, error);
}

static void assert_has(SignerLog *log, GBytes *tbs, GBytes *certificate) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) found = signer_log_find(log, tbs, &error);
  g_assert_no_error(error);
  g_assert_nonnull(found);
  fuzz_assert_same(found, certificate);
}

/* Opens, writes, opens again. FALSE when it does not open at first. */
static gboolean use(int fd) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = g_bytes_new_static("to be signed, never in the input", 32);
  g_autoptr(GBytes) certificate = g_bytes_new_static("certificate", 11);
  SignerLog *log = open_log(fd, &error);
  if (log == NULL) {
    g_assert_true(g_error_matches(error, CA_ERROR, CA_ERROR_LOG));
    return FALSE;
  }
  g_assert_null(signer_log_find(log, tbs, &error));
  g_assert_no_error(error);
  g_assert_true(signer_log_append(log, NOW, tbs, certificate, &error));
  g_assert_false(signer_log_append(log, NOW, tbs, certificate, NULL));
  assert_has(log, tbs, certificate);
  g_assert_true(signer_log_sync(log, &error));
  assert_has(log, tbs, certificate);
  signer_log_free(log);
  log = open_log(fd, &error);
  g_assert_no_error(error);
  assert_has(log, tbs, certificate);
  signer_log_free(log);
  return TRUE;
}

/* A log with one frame for each record, which is its own certificate; ends: where frames end. */
static GByteArray *make(GPtrArray *records, GArray *ends) {
  GByteArray *octets = g_byte_array_new();
  SignerChain chain = {0};
  for (guint i = 0; i < records->len; i++) {
    guint8 digest[EVP_MAX_MD_SIZE];
    g_autoptr(GByteArray) payload = g_byte_array_new();
    SignerRecord record = {.time = NOW, .digest = digest};
    record.certificate = g_bytes_get_data(records->pdata[i], &record.length);
    g_assert_cmpint(EVP_Digest(record.certificate, record.length, digest, NULL, EVP_sha256(), NULL),
                    ==, 1);
    signer_record_append(payload, &record);
    g_autoptr(GByteArray) frame = signer_frame_make(&chain, payload);
    g_byte_array_append(octets, frame->data, frame->len);
    g_array_append_val(ends, octets->len);
  }
  return octets;
}

static void free_record(gpointer record) {
  g_bytes_unref(record);
}

/* Records as they come, each once. */
static GPtrArray *read_records(FuzzInput *input) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_bytes_hash, g_bytes_equal);
  GPtrArray *records = g_ptr_array_new_with_free_func(free_record);
  while (input->size > 0) {
    guint length = 1 + fuzz_octet(input);
    GBytes *record = fuzz_take(input, length);
    if (g_bytes_get_size(record) == 0 || g_hash_table_contains(seen, record)) {
      g_bytes_unref(record);
      continue;
    }
    g_hash_table_add(seen, record);
    g_ptr_array_add(records, record);
  }
  return records;
}

static void assert_records(int fd, GPtrArray *records, guint count) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) none = NULL;
  SignerLog *log = open_log(fd, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < count; i++)
    assert_has(log, records->pdata[i], records->pdata[i]);
  if (count < records->len)
    none = signer_log_find(log, records->pdata[count], &error);
  g_assert_null(none);
  g_assert_no_error(error);
  g_assert_cmpuint(signer_log_last_hour(log, NOW), ==, count);
  signer_log_free(log);
}

static void run_made(FuzzInput *input) {
  guint cut = fuzz_octet(input);
  cut |= fuzz_octet(input) << 8;
  guint place = fuzz_octet(input);
  place |= fuzz_octet(input) << 8;
  guint8 change = (guint8)fuzz_octet(input);
  g_autoptr(GPtrArray) records = read_records(input);
  g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(guint));
  g_autoptr(GByteArray) octets = make(records, ends);
  g_byte_array_set_size(octets, octets->len - MIN(cut, octets->len));
  guint whole = 0;
  while (whole < ends->len && g_array_index(ends, guint, whole) <= octets->len)
    whole++;
  guint last = whole > 1 ? g_array_index(ends, guint, whole - 2) : 0;
  if (octets->len > 0)
    octets->data[place % octets->len] ^= change;
  g_autoptr(GBytes) content = g_bytes_new(octets->data, octets->len);
  int fd = fuzz_file(content);
  if (change == 0)
    assert_records(fd, records, whole);
  gboolean opened = use(fd);
  g_assert_true(change == 0 || octets->len == 0 || place % octets->len >= last || !opened);
  close(fd);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  log_init("fuzz", LOG_ERROR, LOG_TEXT);
  if (fuzz_octet(&input) % 2 == 1) {
    run_made(&input);
    return 0;
  }
  g_autoptr(GBytes) content = fuzz_rest(&input);
  int fd = fuzz_file(content);
  use(fd);
  close(fd);
  return 0;
}
