/* SPDX-License-Identifier: Apache-2.0 */
#include "client/retry_after.h"

#include <curl/curl.h>
#include <string.h>

gint64 retry_after_seconds(const char *field, gint64 now, gint64 preset) {
  gint64 seconds = 0;
  guint64 digits = 0;
  if (field == NULL)
    return preset;
  if (g_ascii_isdigit(field[0]) && strspn(field, "0123456789") == strlen(field)) {
    if (!g_ascii_string_to_unsigned(field, 10, 0, G_MAXUINT32, &digits, NULL))
      digits = G_MAXUINT32;
    seconds = (gint64)digits;
  } else if (g_ascii_isalpha(field[0])) {
    time_t date = curl_getdate(field, NULL);
    if (date < 0)
      return preset;
    seconds = (gint64)date - now;
  } else {
    return preset;
  }
  return CLAMP(seconds, RETRY_AFTER_MIN, RETRY_AFTER_MAX);
}
