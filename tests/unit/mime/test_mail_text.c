/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of mails: files as an operator or translator may write them. */
#include "mime/mail_text.h"

#include <string.h>

/* A whole file; each part may be replaced. */
typedef struct {
  const char *find, *put;
  const char *why; /* in the error; NULL: taken */
} Case;

static const char file[] = "# What this is.\n"
                           "\n"
                           "= below\nShort below\n"
                           "= challenge\n\n{service} asks\n\n    {address}\n\n"
                           "= issuance-subject\nMade\n"
                           "= issuance\n{service} {address}\n{serial} {until}\n"
                           "= expiry-subject\nEnds\n"
                           "= expiry\n{service} {address}\n{serial} {until}\n{from} {issuer}\n"
                           "= refusal-subject\nRefused\n"
                           "= refusal\n{service} {domain}\n{record}\n{time} {incident}\n";

#define LINE76 "1234567890123456789012345678901234567890123456789012345678901234567890123456"

static const Case cases[] = {
    {"Short", "Short", NULL},
    {"Short", "K\u00fcrzer \u5225", NULL},
    {"asks\n", "asks\r\n", NULL},
    {"asks\n", "asks\n# a line for translators\n", NULL},
    {"asks\n", "asks\n" LINE76 "\n", NULL},
    {"asks\n", "asks\n" LINE76 "7\n", "line 8: longer than 76 characters"},
    {"asks", "asks {address} {address}", "line 7: more than 2 places"},
    {"asks", "{servise}", "\"{servise}\" is no place of section \"challenge\""},
    {"asks", "{serial}", "\"{serial}\" is no place of section \"challenge\""},
    {"asks", "{", "is no place"},
    {"asks", "{345678901234567890\u5225", "is no place"},
    {"asks", "}", "is no place"},
    {"asks", "-----BEGIN ACME RESPONSE-----", "line 7: a mark of an ACME block"},
    {"asks", "-----begin Acme response-----", "line 7: a mark of an ACME block"},
    {"asks", "a\x1B[0m", "line 7: a control character"},
    {"asks", "a\xC2\x85", "line 7: a control character"},
    {"{service} asks", "From {service}", "line 7: begins with"},
    {"{service} asks", ".{service}", "line 7: begins with"},
    {"asks", "\xFF", "no UTF-8"},
    {"    {address}\n\n", "    nobody\n\n", "section \"challenge\" lacks {address}"},
    {"{serial} {until}\n= expiry-subject", "{serial}\n= expiry-subject",
     "section \"issuance\" lacks {until}"},
    {"Made\n", "Made\nand more\n", "section \"issuance-subject\" must be one line"},
    {"Made\n", "\n", "section \"issuance-subject\" is empty"},
    {"Made\n", "Made {address}\n", "is no place of section \"issuance-subject\""},
    {"= below\nShort below\n", "", "section \"below\" is missing"},
    {"= below\n", "= above\n", "line 3: there is no section \"above\""},
    {"= below\n", "hello\n= below\n", "line 3: stands in no section"},
    {"= issuance-subject\n", "= below\nx\n= issuance-subject\n",
     "line 11: section \"below\" is there twice"},
};

static char *replace(const Case *c) {
  g_auto(GStrv) parts = g_strsplit(file, c->find, 2);
  g_assert_cmpuint(g_strv_length(parts), ==, 2);
  return g_strjoinv(c->put, parts);
}

static MailText *read_text(const char *content, GError **error) {
  g_autoptr(GBytes) bytes = g_bytes_new(content, strlen(content));
  return mail_text_read("xx", bytes, error);
}

static void test_files(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *content = replace(&cases[i]);
    g_autofree char *shown = g_strescape(cases[i].put, NULL);
    g_test_message("%s: %s", shown, cases[i].why != NULL ? cases[i].why : "taken");
    g_autoptr(MailText) text = read_text(content, &error);
    if (cases[i].why == NULL) {
      g_assert_no_error(error);
      g_assert_nonnull(text);
    } else {
      g_assert_error(error, MAIL_TEXT_ERROR, MAIL_TEXT_ERROR_FILE);
      g_assert_nonnull(strstr(error->message, cases[i].why));
      g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
  }
}

static void test_size(void) {
  g_autoptr(GError) error = NULL, nothing = NULL;
  g_autofree char *filler = g_strnfill(MAIL_TEXT_MAX_OCTETS, '\n');
  g_autofree char *content = g_strconcat(file, filler, NULL);
  g_assert_null(read_text(content, &error));
  g_assert_error(error, MAIL_TEXT_ERROR, MAIL_TEXT_ERROR_FILE);
  g_assert_null(read_text("", &nothing));
  g_assert_error(nothing, MAIL_TEXT_ERROR, MAIL_TEXT_ERROR_FILE);
}

static void test_filled(void) {
  const char *places[MAIL_PLACES] = {"https://ca.example", "a<b>{until}@example.org"};
  g_autoptr(MailText) text = read_text(file, NULL);
  g_autofree char *plain = mail_text_plain(text, MAIL_TEXT_CHALLENGE, places);
  g_autofree char *html = mail_text_html(text, MAIL_TEXT_CHALLENGE, places);
  g_autofree char *subject = mail_text_plain(text, MAIL_TEXT_EXPIRY_SUBJECT, NULL);
  g_assert_cmpstr(plain, ==, "https://ca.example asks\n\n    a<b>{until}@example.org\n");
  g_assert_cmpstr(html, ==,
                  "<div lang=\"xx\">\n<p>https://ca.example asks</p>\n"
                  "<p style=\"margin-left:2em\"><b>a&lt;b&gt;{until}@example.org</b></p>\n"
                  "</div>\n");
  g_assert_cmpstr(subject, ==, "Ends");
}

static void test_built_in(void) {
  static const char *const languages[] = {"en", "de"};
  for (gsize i = 0; i < G_N_ELEMENTS(languages); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = mail_text_built_in(languages[i]);
    g_autoptr(MailText) text = mail_text_read(languages[i], bytes, &error);
    g_assert_no_error(error);
    g_assert_nonnull(text);
  }
  g_assert_null(mail_text_built_in("fr"));
}

static void test_language(void) {
  static const char *const good[] = {"en", "de", "pt-BR", "zh-Hant-TW", "nds"},
                           *const bad[] = {"",      "e",   "EN",     "en_GB",      "en-",
                                           "../en", "en/", "en\nde", "en-a-b-c-d", "english"};
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
    g_assert_true(mail_text_is_language(good[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(mail_text_is_language(bad[i]));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/mail-text/files", test_files);
  g_test_add_func("/mail-text/size", test_size);
  g_test_add_func("/mail-text/filled", test_filled);
  g_test_add_func("/mail-text/built-in", test_built_in);
  g_test_add_func("/mail-text/language", test_language);
  return g_test_run();
}
