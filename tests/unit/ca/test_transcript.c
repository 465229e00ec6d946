/* SPDX-License-Identifier: Apache-2.0 */
/* The transcript of a ceremony: what was changed is found. */
#include "ca/issuer.h"
#include "ca/transcript.h"

#include <string.h>

#define ENTRIES 4

static char *make(void) {
  char *text = g_strdup("");
  for (guint i = 0; i < ENTRIES; i++) {
    g_autoptr(GString) lines = g_string_new(NULL);
    g_autofree char *serial = g_strdup_printf("%08X", i);
    transcript_line(lines, "serial", serial);
    transcript_line(lines, "left-out", NULL);
    transcript_block(lines, "text", "Certificate:\n    Version: 3\nhash: no hash\n");
    g_autofree char *entry = transcript_entry(text, lines->str);
    char *longer = g_strconcat(text, entry, NULL);
    g_free(text);
    text = longer;
  }
  return text;
}

/* The number of the first bad entry; 0: good. */
static guint bad_entry(const char *text) {
  guint entries = 0;
  g_autofree char *head = NULL;
  g_autoptr(GError) error = NULL;
  if (transcript_check(text, &entries, &head, &error))
    return 0;
  g_assert_error(error, CA_ERROR, CA_ERROR_LOG);
  return entries + 1;
}

static void test_good(void) {
  guint entries = 0;
  g_autofree char *head = NULL, *text = make();
  g_assert_true(transcript_check(text, &entries, &head, NULL));
  g_assert_cmpuint(entries, ==, ENTRIES);
  g_assert_nonnull(strstr(text, head));
  g_assert_true(transcript_has(text, "serial", "00000002"));
  g_assert_false(transcript_has(text, "serial", "0000000"));
  g_assert_false(transcript_has(text, "hash", "no hash"));
  g_assert_null(strstr(text, "left-out"));
  g_assert_cmpuint(bad_entry(""), ==, 0);
}

/* A value from outside cannot begin a line of its own. */
static void test_escaped(void) {
  g_autoptr(GString) lines = g_string_new(NULL);
  transcript_line(lines, "command", "a\nserial: 00");
  transcript_block(lines, "text", "x\x1b[2J\n\noperation: public");
  g_autofree char *text = transcript_entry("", lines->str);
  g_assert_false(transcript_has(text, "serial", "00"));
  g_assert_false(transcript_has(text, "operation", "public"));
  g_assert_null(strchr(text, '\x1b'));
  g_assert_cmpuint(bad_entry(text), ==, 0);
}

/* Each octet, one after the other. */
static void test_changed(void) {
  g_autofree char *text = make();
  for (gsize i = 0; text[i] != '\0'; i++) {
    char before = text[i];
    text[i] = before == 'x' ? 'y' : 'x';
    if (bad_entry(text) == 0)
      g_error("a change of octet %" G_GSIZE_FORMAT " is not found", i);
    text[i] = before;
  }
  g_assert_null(transcript_entry("x", ""));
}

static void test_gone(void) {
  g_autofree char *text = make();
  char *at[ENTRIES + 1] = {text};
  for (guint i = 1; i <= ENTRIES; i++)
    at[i] = strstr(at[i - 1], "\n\n") + 2;
  for (guint i = 0; i < ENTRIES - 1; i++) {
    g_autofree char *before = g_strndup(text, (gsize)(at[i] - text));
    g_autofree char *gone = g_strconcat(before, at[i + 1], NULL);
    g_assert_cmpuint(bad_entry(gone), ==, i + 1);
  }
  g_autofree char *first = g_strndup(text, (gsize)(at[1] - text));
  g_autofree char *second = g_strndup(at[1], (gsize)(at[2] - at[1]));
  g_autofree char *swapped = g_strconcat(second, first, at[2], NULL);
  g_assert_cmpuint(bad_entry(swapped), ==, 1);
  for (gsize length = strlen(text) - 1; text + length > at[ENTRIES - 1]; length--) {
    g_autofree char *cut = g_strndup(text, length);
    g_assert_cmpuint(bad_entry(cut), ==, ENTRIES);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/transcript/good", test_good);
  g_test_add_func("/transcript/escaped", test_escaped);
  g_test_add_func("/transcript/changed", test_changed);
  g_test_add_func("/transcript/gone", test_gone);
  return g_test_run();
}
