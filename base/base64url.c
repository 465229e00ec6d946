/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64url.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Behind the last whole three octets: one or two. */
static char *write_rest(const guint8 *octets, gsize length, char *to) {
  guint32 bits = length == 2 ? (guint32)octets[0] << 16 | octets[1] << 8 : (guint32)octets[0] << 16;
  for (gsize i = 0; i <= length; i++, bits <<= 6)
    *to++ = alphabet[bits >> 18 & 63];
  return to;
}

void base64url_write(const void *data, gsize length, char *text) {
  const guint8 *octets = data;
  char *to = text;
  for (; length >= 3; octets += 3, length -= 3) {
    guint32 bits = (guint32)octets[0] << 16 | octets[1] << 8 | octets[2];
    *to++ = alphabet[bits >> 18];
    *to++ = alphabet[bits >> 12 & 63];
    *to++ = alphabet[bits >> 6 & 63];
    *to++ = alphabet[bits & 63];
  }
  if (length > 0)
    to = write_rest(octets, length, to);
  *to = '\0';
}

char *base64url_encode(const void *data, gsize length) {
  char *text = g_malloc(BASE64URL_TEXT(length));
  base64url_write(data, length, text);
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

/* Four characters to three octets. */
static inline gboolean read_four(const char *text, guint8 *octets) {
  guint32 a = values[(guchar)text[0]], b = values[(guchar)text[1]], c = values[(guchar)text[2]],
          d = values[(guchar)text[3]];
  if (a == 0 || b == 0 || c == 0 || d == 0)
    return FALSE;
  guint32 bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
  octets[0] = (guint8)(bits >> 16);
  octets[1] = (guint8)(bits >> 8);
  octets[2] = (guint8)bits;
  return TRUE;
}

/* The last two or three: spare bits that are not zero would give a second spelling of the same
   octets. */
static gboolean read_rest(const char *text, gsize length, guint8 *octets) {
  char four[] = {text[0], text[1], length == 3 ? text[2] : 'A', 'A'};
  guint8 three[3];
  if (!read_four(four, three) || three[2] != 0 || (length == 2 && three[1] != 0))
    return FALSE;
  memcpy(octets, three, length - 1);
  return TRUE;
}

gboolean base64url_read(const char *text, gsize length, guint8 *octets) {
  gsize rest = length % 4;
  for (gsize i = 0; i + 4 <= length; i += 4, octets += 3)
    if (!read_four(text + i, octets))
      return FALSE;
  return rest == 0 || (rest > 1 && read_rest(text + length - rest, rest, octets));
}

GBytes *base64url_decode(const char *text) {
  gsize length = strlen(text);
  g_autofree guint8 *octets = g_malloc(BASE64URL_OCTETS(length) + 1); /* of nothing too */
  return base64url_read(text, length, octets)
             ? g_bytes_new_take(g_steal_pointer(&octets), BASE64URL_OCTETS(length))
             : NULL;
}
