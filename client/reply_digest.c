/* SPDX-License-Identifier: Apache-2.0 */
#include "client/reply_digest.h"

#include "base/base64url.h"

#include <openssl/sha.h>
#include <string.h>

char *reply_digest(const char *part1, const char *part2, const char *thumbprint) {
  g_autofree char *authorization = g_strconcat(part1, part2, ".", thumbprint, NULL);
  guint8 digest[SHA256_DIGEST_LENGTH];
  SHA256((const guint8 *)authorization, strlen(authorization), digest);
  return base64url_encode(digest, sizeof digest);
}

/* A server may send its token padded; the padding is then part of the token. */
static gboolean is_token(const char *text) {
  gsize length = strlen(text);
  if (length > TOKEN_MAX)
    return FALSE;
  g_autofree char *bare = g_strdup(text);
  for (gsize i = length; i > 0 && i + 2 > length && bare[i - 1] == '='; i--)
    bare[i - 1] = '\0';
  g_autoptr(GBytes) decoded = base64url_decode(bare);
  return decoded != NULL && g_bytes_get_size(decoded) >= TOKEN_MIN_OCTETS;
}

static const char *after_label(const char *text) {
  for (const char *p = text; *p != '\0'; p++)
    if (g_ascii_strncasecmp(p, "ACME:", 5) == 0)
      return p + 5;
  return text;
}

char *reply_token_read(const char *pasted) {
  GString *token = g_string_new(NULL);
  for (const char *p = after_label(pasted); *p != '\0'; p++)
    if (!g_ascii_isspace(*p))
      g_string_append_c(token, *p);
  gboolean good = is_token(token->str);
  return g_string_free(token, !good);
}
