/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64url.h"

#include <string.h>

char *base64url_encode(const void *data, gsize length) {
  char *text = g_base64_encode(data, length);
  g_strdelimit(text, "+", '-');
  g_strdelimit(text, "/", '_');
  char *padding = strchr(text, '=');
  if (padding != NULL)
    *padding = '\0';
  return text;
}

GBytes *base64url_decode(const char *text) {
  gsize length = strlen(text);
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_')
      return NULL;
  if (length % 4 == 1)
    return NULL;
  g_autofree char *padded = g_strconcat(text,
                                        length % 4 == 2   ? "=="
                                        : length % 4 == 3 ? "="
                                                          : "",
                                        NULL);
  g_strdelimit(padded, "-", '+');
  g_strdelimit(padded, "_", '/');
  gsize size = 0;
  g_autofree guchar *data = g_base64_decode(padded, &size);
  /* Spare bits that are not zero would give a second spelling of the same octets. */
  g_autofree char *again = base64url_encode(data, size);
  if (strcmp(again, text) != 0)
    return NULL;
  return g_bytes_new_take(g_steal_pointer(&data), size);
}
