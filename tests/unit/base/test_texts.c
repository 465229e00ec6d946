/* SPDX-License-Identifier: Apache-2.0 */
#include "base/texts.h"

static void test_round(void) {
  static const char *const lists[][4] = {{NULL},
                                         {"", NULL},
                                         {"", "", NULL},
                                         {"POST", "/order/x", "", NULL},
                                         {"ж", "a b\t", "\x7f", NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    guint count = g_strv_length((char **)lists[i]);
    g_autoptr(GBytes) octets = texts_join(lists[i], count);
    g_autoptr(GPtrArray) read = g_ptr_array_new();
    g_assert_true(texts_read(normal_form_octets(octets), read));
    g_assert_cmpuint(read->len, ==, count);
    for (guint at = 0; at < count; at++)
      g_assert_cmpstr(read->pdata[at], ==, lists[i][at]);
  }
}

static void test_nonsense(void) {
  static const struct {
    const char *octets;
    gsize size;
  } cases[] = {{"a", 1},    {"a\0b", 3},       {"a\0\0b", 4},
               {"\xff", 2}, {"a\0\xc3\0b", 6}, {"\xed\xa0\x80", 4}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    /* Of its size alone, so that a reading behind it is seen. */
    g_autoptr(GBytes) octets = g_bytes_new(cases[i].octets, cases[i].size);
    g_autoptr(GPtrArray) read = g_ptr_array_new();
    g_assert_false(texts_read(normal_form_octets(octets), read));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/texts/round", test_round);
  g_test_add_func("/texts/nonsense", test_nonsense);
  return g_test_run();
}
