/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

/* GLib's own is the other implementation. Sizes on both sides of the ends of blocks. */
static void test_sizes(void) {
  g_autoptr(Sha256) sum = sha256_new(); /* one for all: begins anew each time */
  guint8 data[200];
  for (gsize i = 0; i < sizeof(data); i++)
    data[i] = (guint8)(i * 7);
  for (gsize size = 0; size <= sizeof(data); size++) {
    g_autofree char *expected = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);
    g_autoptr(GBytes) octets = g_bytes_new(data, size);
    g_autofree char *whole = sha256_hex(octets);
    g_assert_cmpstr(whole, ==, expected);
    sha256_add(sum, data, size / 3);
    sha256_add(sum, data + size / 3, size - size / 3);
    g_autofree char *parts = sha256_end_hex(sum);
    g_assert_cmpstr(parts, ==, expected);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sha256/sizes", test_sizes);
  return g_test_run();
}
