/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signer_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "ca/signer_frame.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOW (G_GINT64_CONSTANT(1772323200) * 1000)

typedef struct {
  char *directory, *path;
} Fixture;

static void set_up(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  f->directory = g_dir_make_tmp("signer-log-XXXXXX", NULL);
  f->path = g_build_filename(f->directory, "log", NULL);
}

static void tear_down(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_unlink(f->path);
  g_rmdir(f->directory);
  g_free(f->path);
  g_free(f->directory);
}

static SignerLog *open_log(const Fixture *f, GError **error) {
  int fd = g_open(f->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  g_assert_cmpint(fd, >=, 0);
  return signer_log_new(fd, error);
}

static GBytes *numbered(const char *what, guint number) {
  char *text = g_strdup_printf("%s %u", what, number);
  return g_bytes_new_take(text, strlen(text));
}

static void append(SignerLog *log, guint number) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = numbered("tbs", number);
  g_autoptr(GBytes) certificate = numbered("certificate", number);
  signer_log_append(log, NOW + number, tbs, certificate, &error);
  g_assert_no_error(error);
}

/* Whether number is there, with its own certificate. */
static gboolean has(SignerLog *log, guint number) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = numbered("tbs", number);
  g_autoptr(GBytes) wanted = numbered("certificate", number);
  g_autoptr(GBytes) found = signer_log_find(log, tbs, &error);
  g_assert_no_error(error);
  g_assert_true(found == NULL || g_bytes_equal(found, wanted));
  return found != NULL;
}

/* A log of one frame a number, and its octets. */
static GBytes *make_log(const Fixture *f, guint frames, guint in_each) {
  char *contents;
  gsize length;
  g_unlink(f->path);
  g_autoptr(SignerLog) log = open_log(f, NULL);
  for (guint i = 0; i < frames; i++) {
    for (guint k = 0; k < in_each; k++)
      append(log, i * in_each + k);
    g_assert_true(signer_log_sync(log, NULL));
  }
  g_assert_true(g_file_get_contents(f->path, &contents, &length, NULL));
  return g_bytes_new_take(contents, length);
}

/* Unlinked first: without G_FILE_SET_CONTENTS_CONSISTENT GLib 2.74 leaves a longer file's end
 * there. */
static void write_file(const Fixture *f, const guint8 *octets, gsize length) {
  g_unlink(f->path);
  g_assert_true(g_file_set_contents_full(f->path, (const char *)octets, (gssize)length,
                                         G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void test_round_trip(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) error = NULL;
  {
    g_autoptr(SignerLog) log = open_log(f, &error);
    g_assert_no_error(error);
    g_assert_false(has(log, 0));
    append(log, 0);
    append(log, 1);
    g_assert_true(has(log, 1)); /* not yet synced */
    g_assert_true(signer_log_sync(log, &error));
    g_assert_true(signer_log_sync(log, &error)); /* nothing to do */
    append(log, 2);
    g_assert_true(has(log, 0));
    g_assert_true(has(log, 2));
    g_assert_true(signer_log_sync(log, &error));
    append(log, 3); /* lost: never synced */
  }
  g_autoptr(SignerLog) log = open_log(f, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < 3; i++)
    g_assert_true(has(log, i));
  g_assert_false(has(log, 3));
  append(log, 3);
  g_assert_true(signer_log_sync(log, &error));
  g_assert_true(has(log, 3));
}

static void test_never_twice(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(SignerLog) log = open_log(f, NULL);
  g_autoptr(GBytes) tbs = numbered("tbs", 1);
  g_autoptr(GBytes) certificate = numbered("other", 1);
  append(log, 1);
  for (guint i = 0; i < 2; i++) {
    g_autoptr(GError) error = NULL;
    g_assert_false(signer_log_append(log, NOW, tbs, certificate, &error));
    g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
    g_assert_true(signer_log_sync(log, NULL));
    g_assert_true(has(log, 1));
  }
}

/* Adds a frame with one record, whose digest is of that number, but for its beginning. */
static void add_frame(SignerChain *chain, GByteArray *octets, guint64 number, guint64 beginning) {
  g_autoptr(GByteArray) payload = g_byte_array_new();
  guint8 digest[SIGNER_FRAME_DIGEST] = {0};
  memcpy(digest, &beginning, sizeof(beginning));
  memcpy(digest + sizeof(beginning), &number, sizeof(number));
  const SignerRecord record = {NOW, digest, (const guint8 *)"certificate", 11};
  signer_record_append(payload, &record);
  g_autoptr(GByteArray) frame = signer_frame_make(chain, payload);
  g_byte_array_append(octets, frame->data, frame->len);
}

/* Digests that begin alike are no matter in a log that is read; the same one twice is. */
static void test_twice_in_file(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  static const struct {
    guint64 number, beginning;
  } frames[] = {{1, 7}, {2, 9}, {2, 7}, {3, 7}, {1, 8}, {4, 9}, {2, 7}};
  SignerChain chain = {0};
  g_autoptr(GByteArray) octets = g_byte_array_new();
  for (gsize i = 0; i < G_N_ELEMENTS(frames); i++) {
    g_autoptr(GError) error = NULL;
    add_frame(&chain, octets, frames[i].number, frames[i].beginning);
    write_file(f, octets->data, octets->len);
    g_autoptr(SignerLog) log = open_log(f, &error);
    if (i + 1 < G_N_ELEMENTS(frames))
      g_assert_no_error(error);
    else
      g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  }
}

/* Also what was there when the log was opened. */
static void test_never_again(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) whole = make_log(f, 20, 1);
  g_autoptr(SignerLog) log = open_log(f, NULL);
  g_autoptr(GBytes) certificate = numbered("other", 1);
  for (guint i = 0; i < 20; i++) {
    g_autoptr(GBytes) tbs = numbered("tbs", i);
    g_assert_true(has(log, i));
    g_assert_false(signer_log_append(log, NOW, tbs, certificate, NULL));
  }
  g_assert_false(has(log, 20));
}

static void test_limits(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(SignerLog) log = open_log(f, NULL);
  g_autofree guint8 *large = g_malloc0(64 * 1024 + 1);
  g_autoptr(GBytes) tbs = numbered("tbs", 1);
  g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
  g_autoptr(GBytes) too_long = g_bytes_new(large, 64 * 1024 + 1);
  g_assert_false(signer_log_append(log, NOW, tbs, none, NULL));
  g_assert_false(signer_log_append(log, NOW, tbs, too_long, NULL));
  g_assert_false(has(log, 1));
}

/* Cut at every octet: whole frames stay, the rest goes, and the log can be written on. */
static void test_cut(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) whole = make_log(f, 3, 2);
  gsize length;
  const guint8 *octets = g_bytes_get_data(whole, &length);
  g_autoptr(GBytes) two = make_log(f, 2, 2);
  gsize before = g_bytes_get_size(two);
  for (gsize cut = before; cut <= length; cut++) {
    g_autoptr(GError) error = NULL;
    gsize good = 0;
    g_assert_true(signer_log_whole(octets, cut, &good, &error));
    g_assert_cmpuint(good, ==, cut == length ? length : before);
    write_file(f, octets, cut);
    g_autoptr(SignerLog) log = open_log(f, &error);
    g_assert_no_error(error);
    g_assert_true(has(log, 3));
    g_assert_cmpint(has(log, 4), ==, cut == length);
    g_assert_cmpint(has(log, 5), ==, cut == length);
    append(log, 99);
    g_assert_true(signer_log_sync(log, &error));
    g_clear_pointer(&log, signer_log_free);
    log = open_log(f, &error);
    g_assert_no_error(error);
    g_assert_true(has(log, 99));
  }
}

/* The last frame's octets changed, zeroed from any octet on, or zeroed up to it: cut off or
   refused, and what is before stays in any case. */
static void test_last_frame(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) whole = make_log(f, 3, 1);
  gsize length;
  const guint8 *octets = g_bytes_get_data(whole, &length);
  g_autoptr(GBytes) two = make_log(f, 2, 1);
  gsize before = g_bytes_get_size(two);
  for (gsize at = before; at < length; at++) {
    for (int kind = 0; kind < 3; kind++) {
      g_autofree guint8 *copy = g_memdup2(octets, length);
      g_autoptr(GError) error = NULL;
      if (kind == 0)
        copy[at] ^= 0x10;
      else if (kind == 1)
        memset(copy + at, 0, length - at);
      else
        memset(copy + before, 0, at - before + 1);
      gboolean same = memcmp(copy, octets, length) == 0;
      write_file(f, copy, length);
      g_autoptr(SignerLog) log = open_log(f, &error);
      if (log == NULL) { /* a header that no torn write leaves behind */
        g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
        g_assert_cmpint(kind, ==, 0);
        g_assert_cmpuint(at, <, before + 16);
        continue;
      }
      g_assert_true(has(log, 0) && has(log, 1));
      g_assert_cmpint(has(log, 2), ==, same);
    }
  }
}

/* Any octet before the last frame changed: refused, nothing is cut off. */
static void test_damage(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) whole = make_log(f, 3, 1);
  gsize length;
  const guint8 *octets = g_bytes_get_data(whole, &length);
  g_autoptr(GBytes) two = make_log(f, 2, 1);
  gsize before = g_bytes_get_size(two);
  for (gsize at = 0; at < before; at++) {
    for (guint bit = 0; bit < 8; bit++) {
      g_autofree guint8 *copy = g_memdup2(octets, length);
      g_autofree char *after = NULL;
      g_autoptr(GError) error = NULL;
      gsize size;
      copy[at] ^= (guint8)(1u << bit);
      write_file(f, copy, length);
      g_assert_null(open_log(f, &error));
      g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
      g_assert_true(g_file_get_contents(f->path, &after, &size, NULL));
      g_assert_cmpuint(size, ==, length);
      g_assert_true(memcmp(after, copy, size) == 0);
    }
  }
}

/* Frames that are good by themselves but left out, repeated or exchanged. */
static void test_order(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) whole = make_log(f, 3, 1);
  const guint8 *octets = g_bytes_get_data(whole, NULL);
  gsize frame = g_bytes_get_size(whole) / 3;
  static const char *const orders[] = {"02", "12", "001", "021", "0112", "10"};
  for (gsize i = 0; i < G_N_ELEMENTS(orders); i++) {
    g_autoptr(GByteArray) copy = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    for (const char *p = orders[i]; *p != '\0'; p++)
      g_byte_array_append(copy, octets + (gsize)(*p - '0') * frame, (guint)frame);
    write_file(f, copy->data, copy->len);
    g_assert_null(open_log(f, &error));
    g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  }
}

static void test_trailing(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) whole = make_log(f, 2, 1);
  g_autoptr(GByteArray) copy = g_byte_array_new();
  g_autoptr(GError) error = NULL;
  g_byte_array_append(copy, g_bytes_get_data(whole, NULL), (guint)g_bytes_get_size(whole));
  g_byte_array_append(copy, (const guint8 *)"somebody wrote this here by hand", 32);
  write_file(f, copy->data, copy->len);
  g_assert_null(open_log(f, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
}

static void test_last_hour(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  static const gint64 times[] = {0, -CLOCK_HOUR, -CLOCK_HOUR - 1, CLOCK_DAY, -1, -CLOCK_DAY};
  for (int reopened = 0; reopened < 2; reopened++) {
    g_autoptr(SignerLog) log = open_log(f, NULL);
    for (guint i = 0; reopened == 0 && i < G_N_ELEMENTS(times); i++) {
      g_autoptr(GBytes) tbs = numbered("tbs", i);
      g_assert_true(signer_log_append(log, NOW + times[i], tbs, tbs, NULL));
    }
    g_assert_true(signer_log_sync(log, NULL));
    g_assert_cmpuint(signer_log_last_hour(log, NOW), ==, 4);
    g_assert_cmpuint(signer_log_last_hour(log, NOW + 2 * CLOCK_HOUR), ==, 1);
    g_assert_cmpuint(signer_log_last_hour(log, NOW - 7 * CLOCK_DAY), ==, 6);
    g_assert_cmpuint(signer_log_last_hour(log, NOW + 7 * CLOCK_DAY), ==, 0);
  }
}

/* A write that stops in the middle (file size limit): an error, then nothing more; what was synced
 * is there. */
static void test_full(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) error = NULL;
  g_autoptr(SignerLog) log = open_log(f, NULL);
  append(log, 0);
  g_assert_true(signer_log_sync(log, NULL));
  struct rlimit old, small;
  getrlimit(RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 150;
  signal(SIGXFSZ, SIG_IGN);
  append(log, 1);
  setrlimit(RLIMIT_FSIZE, &small);
  gboolean synced = signer_log_sync(log, &error);
  setrlimit(RLIMIT_FSIZE, &old);
  g_assert_false(synced);
  g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  g_autoptr(GBytes) tbs = numbered("tbs", 0);
  g_assert_null(signer_log_find(log, tbs, NULL));
  g_assert_false(signer_log_append(log, NOW, tbs, tbs, NULL));
  g_assert_false(signer_log_sync(log, NULL));
  g_clear_pointer(&log, signer_log_free);
  g_clear_error(&error);
  log = open_log(f, &error);
  g_assert_no_error(error);
  g_assert_true(has(log, 0));
  g_assert_false(has(log, 1));
}

/* With -m perf: how long a log of a million certificates takes to open. */
static void test_open_time(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
  guint count = g_test_perf() ? 1000000 : 20000;
  g_autofree guint8 *certificate = g_malloc0(1000);
  g_autoptr(GBytes) octets = g_bytes_new(certificate, 1000);
  g_autoptr(SignerLog) log = open_log(f, NULL);
  for (guint i = 0; i < count; i++) {
    g_autoptr(GBytes) tbs = numbered("tbs", i);
    g_assert_true(signer_log_append(log, NOW + i, tbs, octets, NULL));
    if (i % 50 == 49)
      g_assert_true(signer_log_sync(log, NULL));
  }
  g_assert_true(signer_log_sync(log, NULL));
  g_clear_pointer(&log, signer_log_free);
  g_test_timer_start();
  log = open_log(f, NULL);
  g_assert_nonnull(log);
  double elapsed = g_test_timer_elapsed();
  g_test_minimized_result(elapsed, "%u records opened in %.3f s", count, elapsed);
  g_assert_cmpuint(signer_log_last_hour(log, NOW), ==, count);
}

#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_init("test", LOG_ERROR, LOG_TEXT);
  ADD("/signer-log/round-trip", test_round_trip);
  ADD("/signer-log/never-twice", test_never_twice);
  ADD("/signer-log/twice-in-file", test_twice_in_file);
  ADD("/signer-log/never-again", test_never_again);
  ADD("/signer-log/limits", test_limits);
  ADD("/signer-log/cut", test_cut);
  ADD("/signer-log/last-frame", test_last_frame);
  ADD("/signer-log/damage", test_damage);
  ADD("/signer-log/order", test_order);
  ADD("/signer-log/trailing", test_trailing);
  ADD("/signer-log/last-hour", test_last_hour);
  ADD("/signer-log/full", test_full);
  ADD("/signer-log/open-time", test_open_time);
  return g_test_run();
}
