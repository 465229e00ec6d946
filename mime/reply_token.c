/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/reply_token.h"
#include "mime/mime_text.h"
#include "mime/reply.h"

#include <string.h>

#define TOKEN_LABEL "ACME:"

/* RFC 8823 section 3.2 item 1: what stands before the label is ignored, white space within the
 * token too. */
char *reply_token(const RawField *field) {
  g_autofree char *subject = mime_text_decode(field, REPLY_MAX_PARSED_OCTETS);
  const char *label = strstr(subject, TOKEN_LABEL);
  GString *token = g_string_new(NULL);
  for (const char *p = label == NULL ? "" : label + strlen(TOKEN_LABEL); *p != '\0';
       p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if (!g_unichar_isspace(c) && !g_unichar_iscntrl(c))
      g_string_append_unichar(token, c);
  }
  char *clean = mime_text_clean(token->str, REPLY_MAX_TOKEN_OCTETS);
  g_string_free(token, TRUE);
  return clean;
}
