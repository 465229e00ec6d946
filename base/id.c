/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"
#include "base/base64url.h"

#include <string.h>

Id id_new(gint64 now, const guint8 random[10]) {
  Id id;
  for (int i = 0; i < 6; i++)
    id.octets[i] = (guint8)(now >> (8 * (5 - i)));
  memcpy(id.octets + 6, random, 10);
  return id;
}

gboolean id_equal(const Id *a, const Id *b) {
  return memcmp(a->octets, b->octets, ID_OCTETS) == 0;
}

const char *id_text(const Id *id, char buffer[ID_TEXT]) {
  G_STATIC_ASSERT(BASE64URL_TEXT(ID_OCTETS) == ID_TEXT);
  base64url_write(id->octets, ID_OCTETS, buffer);
  return buffer;
}

gboolean id_from_text(const char *text, Id *id) {
  if (strlen(text) != ID_TEXT - 1)
    return FALSE;
  g_autoptr(GBytes) octets = base64url_decode(text);
  if (octets == NULL || g_bytes_get_size(octets) != ID_OCTETS)
    return FALSE;
  memcpy(id->octets, g_bytes_get_data(octets, NULL), ID_OCTETS);
  return TRUE;
}
