/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share: an input as octets that are taken off its front. */
#ifndef SIGNET_TESTS_FUZZ_FUZZ_H
#define SIGNET_TESTS_FUZZ_FUZZ_H

#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

typedef struct {
  const guint8 *data;
  gsize size;
} FuzzInput;

/* At most length octets from the front. */
static inline GBytes *fuzz_take(FuzzInput *input, gsize length) {
  gsize taken = MIN(length, input->size);
  GBytes *bytes = g_bytes_new(input->data, taken);
  input->data += taken;
  input->size -= taken;
  return bytes;
}

static inline GBytes *fuzz_rest(FuzzInput *input) {
  return fuzz_take(input, input->size);
}

/* The octets before the next separator, which is dropped; all when there is none. */
static inline GBytes *fuzz_until(FuzzInput *input, guint8 separator) {
  const guint8 *found = input->size == 0 ? NULL : memchr(input->data, separator, input->size);
  if (found == NULL)
    return fuzz_rest(input);
  GBytes *bytes = fuzz_take(input, (gsize)(found - input->data));
  input->data++;
  input->size--;
  return bytes;
}

/* With CR before each LF, so that mutations of readable seeds stay messages. */
static inline GBytes *fuzz_crlf(GBytes *octets) {
  gsize length = 0;
  const char *text = g_bytes_get_data(octets, &length);
  GByteArray *lines = g_byte_array_new();
  for (gsize i = 0; i < length; i++) {
    if (text[i] == '\n')
      g_byte_array_append(lines, (const guint8 *)"\r", 1);
    g_byte_array_append(lines, (const guint8 *)&text[i], 1);
  }
  return g_byte_array_free_to_bytes(lines);
}

/* A number from 0 to 255; 0 at the end. */
static inline guint fuzz_octet(FuzzInput *input) {
  if (input->size == 0)
    return 0;
  input->size--;
  return *input->data++;
}

/* Up to the first NUL. */
static inline char *fuzz_text(GBytes *bytes) {
  gsize length = 0;
  const char *text = g_bytes_get_data(bytes, &length);
  return length == 0 ? g_strdup("") : g_strndup(text, length);
}

static inline void fuzz_assert_same(GBytes *a, GBytes *b) {
  g_assert_cmpmem(g_bytes_get_data(a, NULL), g_bytes_get_size(a), g_bytes_get_data(b, NULL),
                  g_bytes_get_size(b));
}

/* One line of UTF-8 without control characters. */
static inline void fuzz_assert_line(const char *text) {
  g_assert_true(g_utf8_validate(text, -1, NULL));
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
    g_assert_false(g_unichar_iscntrl(g_utf8_get_char(p)));
}

/* A file in memory with these octets; the caller closes it. */
static inline int fuzz_file(GBytes *content) {
  gsize size = 0;
  const void *data = g_bytes_get_data(content, &size);
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  g_assert_cmpint(fd, >=, 0);
  g_assert_cmpint(size == 0 ? 0 : write(fd, data, size), ==, (gssize)size);
  return fd;
}

static inline char *fuzz_path(int fd) {
  return g_strdup_printf("/proc/self/fd/%d", fd);
}

#endif
