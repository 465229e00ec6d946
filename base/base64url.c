/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64url.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(const void *data, gsize length) {
  const guint8 *octets = data;
  char *text = g_malloc(length / 3 * 4 + 4), *to = text;
  guint32 bits = 0;
  guint count = 0; /* of bits that are not written yet */
  for (gsize i = 0; i < length; i++) {
    bits = bits << 8 | octets[i];
    for (count += 8; count >= 6; count -= 6)
      *to++ = alphabet[bits >> (count - 6) & 63];
  }
  if (count > 0)
    *to++ = alphabet[bits << (6 - count) & 63];
  *to = '\0';
  return text;
}

/* One more than the value of each character; 0 when it is none of the alphabet. */
static const guint8 values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64};

GBytes *base64url_decode(const char *text) {
  gsize length = strlen(text), size = 0;
  g_autofree guint8 *octets = g_malloc(length / 4 * 3 + 3);
  guint32 bits = 0;
  guint count = 0; /* of bits that are in no octet yet */
  if (length % 4 == 1)
    return NULL;
  for (gsize i = 0; i < length; i++) {
    guint32 value = values[(guchar)text[i]];
    if (value == 0)
      return NULL;
    bits = bits << 6 | (value - 1);
    count += 6;
    if (count >= 8) {
      count -= 8;
      octets[size++] = (guint8)(bits >> count);
    }
  }
  /* Spare bits that are not zero would give a second spelling of the same octets. */
  if ((bits & ((1u << count) - 1)) != 0)
    return NULL;
  return g_bytes_new_take(g_steal_pointer(&octets), size);
}
