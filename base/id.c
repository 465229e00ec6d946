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
  Id read;
  G_STATIC_ASSERT(BASE64URL_OCTETS(ID_TEXT - 1) == ID_OCTETS);
  if (strlen(text) != ID_TEXT - 1 || !base64url_read(text, ID_TEXT - 1, read.octets))
    return FALSE;
  *id = read;
  return TRUE;
}
