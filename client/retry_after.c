/* SPDX-License-Identifier: Apache-2.0 */
#include "client/retry_after.h"

#include <curl/curl.h>
#include <string.h>

/* FALSE when it is neither digits nor a date. */
static gboolean read_field(const char *field, gint64 now, gint64 *seconds) {
  guint64 digits = 0;
  if (field == NULL)
    return FALSE;
  if (g_ascii_isdigit(field[0]) && strspn(field, "0123456789") == strlen(field)) {
    if (!g_ascii_string_to_unsigned(field, 10, 0, G_MAXUINT32, &digits, NULL))
      digits = G_MAXUINT32;
    *seconds = (gint64)digits;
    return TRUE;
  }
  time_t date = g_ascii_isalpha(field[0]) ? curl_getdate(field, NULL) : -1;
  *seconds = (gint64)date - now;
  return date >= 0;
}

gint64 retry_after_unbounded(const char *field, gint64 now) {
  gint64 seconds = 0;
  return read_field(field, now, &seconds) ? MAX(seconds, 0) : 0;
}

gint64 retry_after_seconds(const char *field, gint64 now, gint64 preset) {
  gint64 seconds = 0;
  return read_field(field, now, &seconds) ? CLAMP(seconds, RETRY_AFTER_MIN, RETRY_AFTER_MAX)
                                          : preset;
}
