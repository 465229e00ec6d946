/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

#include <string.h>

char *hex_encode(GBytes *octets) {
  static const char digits[] = "0123456789ABCDEF";
  gsize length = 0;
  const guint8 *data = g_bytes_get_data(octets, &length);
  char *text = g_malloc(2 * length + 1);
  for (gsize i = 0; i < length; i++) {
    text[2 * i] = digits[data[i] >> 4];
    text[2 * i + 1] = digits[data[i] & 15];
  }
  text[2 * length] = '\0';
  return text;
}

GBytes *hex_decode(const char *text, gsize max) {
  gboolean colons = strchr(text, ':') != NULL;
  g_autofree char *even = !colons && strlen(text) % 2 == 1 ? g_strconcat("0", text, NULL) : NULL;
  g_autoptr(GByteArray) octets = g_byte_array_new();
  for (const char *p = even != NULL ? even : text; *p != '\0'; p += 2) {
    if (octets->len == max || (colons && octets->len > 0 && *p++ != ':') ||
        !g_ascii_isxdigit(p[0]) || !g_ascii_isxdigit(p[1]))
      return NULL;
    guint8 octet = (guint8)(g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]));
    g_byte_array_append(octets, &octet, 1);
  }
  return octets->len > 0 ? g_byte_array_free_to_bytes(g_steal_pointer(&octets)) : NULL;
}
