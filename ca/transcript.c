/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/transcript.h"

#include "base/log.h"
#include "ca/issuer.h"

#include <string.h>

#define VALUE_MAX 4096
#define HASH_LINE "hash: "
#define HASH_DIGITS 64

void transcript_line(GString *lines, const char *name, const char *value) {
  if (value == NULL)
    return;
  g_autofree char *escaped = log_escape(value, VALUE_MAX);
  g_string_append_printf(lines, "%s: %s\n", name, escaped);
}

void transcript_block(GString *lines, const char *name, const char *text) {
  g_auto(GStrv) parts = g_strsplit(text, "\n", -1);
  g_string_append_printf(lines, "%s:\n", name);
  for (char **part = parts; *part != NULL; part++) {
    g_autofree char *escaped = log_escape(*part, VALUE_MAX);
    if (*escaped != '\0')
      g_string_append_printf(lines, "    %s\n", escaped);
  }
}

static char *digest_of(const char *text, gsize length) {
  return g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, length);
}

static char *first_lines(guint number, const char *before) {
  return g_strdup_printf("entry %u\nbefore: %s\n", number, before != NULL ? before : "none");
}

/* Checks the entry at *at and moves *at behind it. */
static gboolean read_entry(const char **at, guint number, char **head) {
  g_autofree char *begin = first_lines(number, *head);
  const char *hash = strstr(*at, "\n" HASH_LINE);
  if (!g_str_has_prefix(*at, begin) || hash == NULL)
    return FALSE;
  hash += 1;
  g_autofree char *wanted = digest_of(*at, (gsize)(hash - *at));
  const char *found = hash + strlen(HASH_LINE);
  if (strncmp(found, wanted, HASH_DIGITS) != 0 || strncmp(found + HASH_DIGITS, "\n\n", 2) != 0)
    return FALSE;
  g_free(*head);
  *head = g_steal_pointer(&wanted);
  *at = found + HASH_DIGITS + 2;
  return TRUE;
}

gboolean transcript_check(const char *text, guint *entries, char **head, GError **error) {
  const char *at = text;
  g_autofree char *last = NULL;
  *entries = 0;
  while (*at != '\0') {
    if (!read_entry(&at, *entries + 1, &last)) {
      g_set_error(error, CA_ERROR, CA_ERROR_LOG,
                  "entry %u of the transcript is not as it was written, or one before it is gone",
                  *entries + 1);
      return FALSE;
    }
    *entries += 1;
  }
  *head = g_steal_pointer(&last);
  return TRUE;
}

char *transcript_entry(const char *text, const char *lines) {
  guint entries = 0;
  g_autofree char *head = NULL;
  if (!transcript_check(text, &entries, &head, NULL))
    return NULL;
  g_autofree char *begin = first_lines(entries + 1, head);
  g_autofree char *body = g_strconcat(begin, lines, NULL);
  g_autofree char *digest = digest_of(body, strlen(body));
  return g_strconcat(body, HASH_LINE, digest, "\n\n", NULL);
}

gboolean transcript_has(const char *text, const char *name, const char *value) {
  g_autofree char *line = g_strdup_printf("\n%s: %s\n", name, value);
  return strstr(text, line) != NULL;
}
