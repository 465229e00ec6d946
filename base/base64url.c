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

/* 64 when the character is none of the alphabet. */
static guint32 value_of(char character) {
  if (character >= 'A' && character <= 'Z')
    return (guint32)(character - 'A');
  if (character >= 'a' && character <= 'z')
    return (guint32)(character - 'a') + 26;
  if (character >= '0' && character <= '9')
    return (guint32)(character - '0') + 52;
  return character == '-' ? 62 : character == '_' ? 63 : 64;
}

GBytes *base64url_decode(const char *text) {
  gsize length = strlen(text), size = 0;
  g_autofree guint8 *octets = g_malloc(length / 4 * 3 + 3);
  guint32 bits = 0;
  guint count = 0; /* of bits that are in no octet yet */
  if (length % 4 == 1)
    return NULL;
  for (gsize i = 0; i < length; i++) {
    guint32 value = value_of(text[i]);
    if (value == 64)
      return NULL;
    bits = bits << 6 | value;
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
