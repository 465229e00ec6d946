/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/caa_iodef.h"

#include <string.h>

#define SCHEME "mailto:"

/* What an address has in such a URL as it is (RFC 6068 section 2); "," would begin another one, "?"
   header fields. */
static gboolean stands_for_itself(char c) {
  return g_ascii_isalnum(c) || (c != '\0' && strchr("!$'*+-._~@", c) != NULL);
}

/* The octet of "%XX" at text (3 octets at least); 0: none that an address has. */
static char escaped_octet(const char *text) {
  int high = g_ascii_xdigit_value(text[1]), low = g_ascii_xdigit_value(text[2]);
  return high < 0 || low < 0 ? '\0' : (char)(guint8)(high * 16 + low);
}

/* Decoded once: what comes out is an address, or refused. */
static char *decode(const char *text, gsize length) {
  g_autoptr(GString) address = g_string_new(NULL);
  for (gsize i = 0; i < length; i++) {
    char c = text[i];
    if (c == '%') {
      c = length - i > 2 ? escaped_octet(text + i) : '\0';
      i += 2;
    } else if (!stands_for_itself(c)) {
      return NULL;
    }
    if (c == '\0')
      return NULL;
    g_string_append_c(address, c);
  }
  return g_strdup(address->str);
}

Mailbox *caa_iodef_mailbox(const char *value, gsize length) {
  if (length > CAA_IODEF_MAX_OCTETS || length < strlen(SCHEME) ||
      g_ascii_strncasecmp(value, SCHEME, strlen(SCHEME)) != 0)
    return NULL;
  g_autofree char *address = decode(value + strlen(SCHEME), length - strlen(SCHEME));
  return address != NULL ? mailbox_parse(address, NULL) : NULL;
}
