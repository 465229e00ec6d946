/* SPDX-License-Identifier: Apache-2.0 */
#include "base/texts.h"

#include <string.h>

GBytes *texts_join(const char *const *texts, guint count) {
  gsize size = 0;
  for (guint i = 0; i < count; i++)
    size += strlen(texts[i]) + 1;
  char *octets = g_malloc(size), *end = octets;
  for (guint i = 0; i < count; i++)
    end = stpcpy(end, texts[i]) + 1;
  return g_bytes_new_take(octets, size);
}

gboolean texts_read(NormalFormPart octets, GPtrArray *to) {
  if (octets.size == 0)
    return TRUE;
  const char *text = octets.data, *end = text + octets.size;
  if (end[-1] != '\0')
    return FALSE;
  for (; text < end; text += strlen(text) + 1) {
    if (!g_utf8_validate(text, -1, NULL))
      return FALSE;
    g_ptr_array_add(to, (gpointer)text);
  }
  return TRUE;
}
