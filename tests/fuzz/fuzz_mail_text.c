/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a file with the texts of one language. Holds: what was read and is written out again reads
   as the same; whatever is filled in, a line fits into a mail and no mark of an ACME block stands
   in it, and nothing that was filled in is markup. */
#include "mime/mail_text.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[MAIL_TEXT_SECTIONS] = {
    [MAIL_TEXT_BELOW] = "below",
    [MAIL_TEXT_CHALLENGE] = "challenge",
    [MAIL_TEXT_ISSUANCE_SUBJECT] = "issuance-subject",
    [MAIL_TEXT_ISSUANCE] = "issuance",
    [MAIL_TEXT_EXPIRY_SUBJECT] = "expiry-subject",
    [MAIL_TEXT_EXPIRY] = "expiry",
    [MAIL_TEXT_REFUSAL_SUBJECT] = "refusal-subject",
    [MAIL_TEXT_REFUSAL] = "refusal",
};

/* The longest, and such that would be markup. */
#define MARKUP "<x>"
#define VALUE_MAX 320

static void assert_lines(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    fuzz_assert_line(*line);
    g_assert_cmpuint(strlen(*line), <, 998);
    g_assert_null(strstr(*line, "-----BEGIN ACME"));
  }
}

static void assert_filled(const MailText *text, MailTextSection section) {
  g_autofree char *long_value = g_strnfill(VALUE_MAX, 'v');
  memcpy(long_value, MARKUP, strlen(MARKUP));
  const char *values[MAIL_PLACES], *nothing[MAIL_PLACES] = {NULL};
  for (guint i = 0; i < MAIL_PLACES; i++)
    values[i] = long_value;
  g_autofree char *plain = mail_text_plain(text, section, values);
  g_autofree char *empty = mail_text_plain(text, section, nothing);
  g_autofree char *html = mail_text_html(text, section, values);
  g_autofree char *empty_html = mail_text_html(text, section, nothing);
  assert_lines(plain);
  assert_lines(empty);
  g_assert_true(g_utf8_validate(html, -1, NULL));
  g_assert_true(g_utf8_validate(empty_html, -1, NULL));
  g_assert_null(strstr(html, MARKUP));
}

/* The file anew: each place stands for itself. */
static GBytes *written(const MailText *text) {
  static const char *const places[MAIL_PLACES] = {"{service}", "{address}", "{serial}", "{issuer}",
                                                  "{from}",    "{until}",   "{domain}", "{record}",
                                                  "{time}",    "{incident}"};
  GString *file = g_string_new(NULL);
  for (guint i = 0; i < MAIL_TEXT_SECTIONS; i++) {
    g_autofree char *plain = mail_text_plain(text, i, places);
    g_string_append_printf(file, "= %s\n%s\n", names[i], plain);
  }
  return g_string_free_to_bytes(file);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) file = g_bytes_new(data, size);
  g_autoptr(MailText) text = mail_text_read("xx", file, &error);
  g_assert_true((text == NULL) == (error != NULL));
  if (text == NULL) {
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    return 0;
  }
  for (guint i = 0; i < MAIL_TEXT_SECTIONS; i++)
    assert_filled(text, i);
  g_autoptr(GBytes) again = written(text);
  g_autoptr(MailText) read = mail_text_read("xx", again, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) twice = written(read);
  fuzz_assert_same(again, twice);
  return 0;
}
