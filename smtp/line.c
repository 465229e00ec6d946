/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/line.h"

#include <string.h>

SmtpLine smtp_line_scan(const char *text, gsize available, gsize *length) {
  static const char stops[] = {'\r', '\n', '\0'}; /* the first ends nearly all lines */
  gsize i = available;
  for (guint stop = 0; stop < sizeof stops; stop++) {
    const char *found = memchr(text, stops[stop], i);
    if (found != NULL)
      i = (gsize)(found - text);
  }
  *length = i;
  if (i == available || (text[i] == '\r' && i + 1 == available))
    return SMTP_LINE_PARTIAL;
  return text[i] == '\r' && text[i + 1] == '\n' ? SMTP_LINE_WHOLE : SMTP_LINE_FORBIDDEN;
}
