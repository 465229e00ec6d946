/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/line.h"

SmtpLine smtp_line_scan(const char *text, gsize available, gsize *length) {
  gsize i = 0;
  while (i < available && text[i] != '\r' && text[i] != '\n' && text[i] != '\0')
    i++;
  *length = i;
  if (i == available || (text[i] == '\r' && i + 1 == available))
    return SMTP_LINE_PARTIAL;
  return text[i] == '\r' && text[i + 1] == '\n' ? SMTP_LINE_WHOLE : SMTP_LINE_FORBIDDEN;
}
