/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

static void test_hex(void) {
  static const struct {
    const char *text, *digits; /* NULL: refused */
  } cases[] = {{"00", "00"},
               {"a", "0A"},
               {"abc", "0ABC"},
               {"AB:cd", "ABCD"},
               {"0102030a", "0102030A"},
               {"0102030405", NULL},
               {"", NULL},
               {":", NULL},
               {"AB:", NULL},
               {"AB:C", NULL},
               {"A:BC", NULL},
               {"ABC:DE", NULL},
               {"AB::CD", NULL},
               {"0x01", NULL},
               {" 01", NULL},
               {"01 ", NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GBytes) octets = hex_decode(cases[i].text, 4);
    g_autofree char *text = octets != NULL ? hex_encode(octets) : NULL;
    if (g_strcmp0(text, cases[i].digits) != 0)
      g_error("\"%s\": %s, not %s", cases[i].text, text, cases[i].digits);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/hex", test_hex);
  return g_test_run();
}
