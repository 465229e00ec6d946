/* SPDX-License-Identifier: Apache-2.0 */
#include "base/texts.h"

#include <string.h>

GVariant *texts_new(const char *const *texts, guint count) {
  GByteArray *octets = g_byte_array_sized_new(256);
  for (guint i = 0; i < count; i++)
    g_byte_array_append(octets, (const guint8 *)texts[i], (guint)strlen(texts[i]) + 1);
  g_autoptr(GBytes) whole = g_byte_array_free_to_bytes(octets);
  return g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, whole, TRUE);
}

gboolean texts_read(GVariant *octets, GPtrArray *to) {
  gsize size = g_variant_get_size(octets);
  if (size == 0)
    return TRUE;
  const char *text = g_variant_get_data(octets), *end = text + size;
  if (end[-1] != '\0')
    return FALSE;
  for (; text < end; text += strlen(text) + 1) {
    if (!g_utf8_validate(text, -1, NULL))
      return FALSE;
    g_ptr_array_add(to, (gpointer)text);
  }
  return TRUE;
}
