/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

#include <string.h>

char *hex_encode(GBytes *octets) {
  gsize length = 0;
  const guint8 *data = g_bytes_get_data(octets, &length);
  GString *text = g_string_sized_new(2 * length);
  for (gsize i = 0; i < length; i++)
    g_string_append_printf(text, "%02X", data[i]);
  return g_string_free(text, FALSE);
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
