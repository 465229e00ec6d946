/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64url.h"

#include <string.h>

/* RFC 4648 section 10, in the alphabet of section 5; RFC 7515 appendix C. */
static const struct {
  const char *octets;
  gsize length;
  const char *text;
} pairs[] = {
    {"", 0, ""},
    {"f", 1, "Zg"},
    {"fo", 2, "Zm8"},
    {"foo", 3, "Zm9v"},
    {"foob", 4, "Zm9vYg"},
    {"fooba", 5, "Zm9vYmE"},
    {"foobar", 6, "Zm9vYmFy"},
    {"\x03\xec\xff\xe0\xc1", 5, "A-z_4ME"},
    {"\0\0\0", 3, "AAAA"},
    {"\xff\xff\xff", 3, "____"},
    {"\xfb\xef\xbe", 3, "----"},
};

static void test_pairs(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
    g_autofree char *text = base64url_encode(pairs[i].octets, pairs[i].length);
    g_assert_cmpstr(text, ==, pairs[i].text);
    g_autoptr(GBytes) bytes = base64url_decode(pairs[i].text);
    g_assert_nonnull(bytes);
    g_autoptr(GBytes) expected = g_bytes_new_static(pairs[i].octets, pairs[i].length);
    g_assert_true(g_bytes_equal(bytes, expected));
  }
}

/* security.md 4: one spelling only. */
static void test_refused(void) {
  static const char *const texts[] = {
      "Z",      "Zg=",     "Zg==",  "Zm8=",   "Zm9vY",  "Zh",     "Zm9",      "Zm9vYh", "=",
      "====",   "Zm 9v",   " Zm9v", "Zm9v ",  "Zm9v\n", "Zm\r9v", "A+z/4ME",  "Zm9v.",  "Zm9v,",
      "Zm=9vZ", "Zm9\xc3", "Zm9\t", "Zg\x80", "Z*9v",   "AB",     "Zm9vYg=A", "AAB",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    if (base64url_decode(texts[i]) != NULL)
      g_error("taken: %s", texts[i]);
}

static void test_all_lengths(void) {
  guint8 octets[300];
  for (gsize length = 0; length <= sizeof octets; length++) {
    for (gsize i = 0; i < length; i++)
      octets[i] = (guint8)g_test_rand_int();
    g_autofree char *text = base64url_encode(octets, length);
    g_assert_cmpuint(strlen(text), ==, (length * 8 + 5) / 6);
    g_autoptr(GBytes) bytes = base64url_decode(text);
    g_autoptr(GBytes) expected = g_bytes_new(octets, length);
    g_assert_true(g_bytes_equal(bytes, expected));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base64url/pairs", test_pairs);
  g_test_add_func("/base64url/refused", test_refused);
  g_test_add_func("/base64url/all-lengths", test_all_lengths);
  return g_test_run();
}
