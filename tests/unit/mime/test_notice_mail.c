/* SPDX-License-Identifier: Apache-2.0 */
/* Notices as mails. */
#include "mime/notice_mail.h"

#include <string.h>

static const NoticeMail good = {
    .kind = "issuance",
    .from = "acme-notice@ca.example",
    .to = "User.Name@example.org",
    .message_id = "<1.2@ca.example>",
    .service = "https://ca.example/acme",
    .serial = "01AB",
    .issuer = "CN=Example CA,O=M\u00fcller",
    .not_before = G_GINT64_CONSTANT(1700000000000),
    .not_after = G_GINT64_CONSTANT(1731536000000),
    .date = G_GINT64_CONSTANT(1700000000000),
};

static GPtrArray *texts_of(const char *const *languages) {
  GPtrArray *texts = g_ptr_array_new_with_free_func((GDestroyNotify)mail_text_free);
  for (; *languages != NULL; languages++) {
    g_autoptr(GBytes) file = mail_text_built_in(*languages);
    g_ptr_array_add(texts, mail_text_read(*languages, file, NULL));
  }
  return texts;
}

static char *compose(const NoticeMail *mail, const char *const *languages) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) texts = texts_of(languages);
  NoticeMail whole = *mail;
  whole.texts = texts;
  g_autoptr(GBytes) bytes = notice_mail_compose(&whole, &error);
  g_assert_no_error(error);
  return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static void test_form(void) {
  static const char header[] = "From: acme-notice@ca.example\r\n"
                               "To: User.Name@example.org\r\n"
                               "Subject: An S/MIME certificate was issued for your mailbox\r\n"
                               "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                               "Message-ID: <1.2@ca.example>\r\n"
                               "Auto-Submitted: auto-generated\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n";
  static const char *const english[] = {"en", NULL};
  g_autofree char *text = compose(&good, english);
  g_assert_true(g_str_has_prefix(text, header));
  g_assert_true(g_str_is_ascii(text));
  g_assert_nonnull(strstr(text, "    serial number: 01AB\r\n"));
  g_assert_nonnull(strstr(text, "    issuer: CN=3DExample CA,O=3DM=C3=BCller\r\n"));
  g_assert_nonnull(strstr(text, "    valid from 2023-11-14 until 2024-11-13\r\n"));
  g_assert_nonnull(strstr(text, "revoke"));
}

static void test_subjects(void) {
  static const char *const both[] = {"de", "en", NULL};
  NoticeMail mail = good;
  mail.kind = "expiry";
  mail.html = TRUE;
  g_autofree char *text = compose(&mail, both);
  g_assert_true(g_str_is_ascii(text));
  g_assert_nonnull(strstr(text, "\r\nSubject: Das S/MIME-Zertifikat Ihres Postfachs "
                                "=?UTF-8?b?bMOkdWZ0?= bald ab\r\n"
                                " / The S/MIME certificate"));
  g_assert_nonnull(strstr(text, "multipart/alternative"));
  g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
  for (char **line = lines; *line != NULL; line++)
    g_assert_cmpuint(strlen(*line), <=, 78);
}

#define FIELD(member) G_STRUCT_OFFSET(NoticeMail, member)

static void test_refused(void) {
  static const struct {
    gsize field;
    const char *value;
  } table[] = {
      {FIELD(kind), "other"},
      {FIELD(kind), NULL},
      {FIELD(from), "a@ca.example\r\nX: y"},
      {FIELD(to), "user@example.org, x@example.org"},
      {FIELD(message_id), "1@ca.example"},
      {FIELD(service), "a\r\nb"},
      {FIELD(serial), ""},
      {FIELD(serial), NULL},
      {FIELD(serial), "01ab\r\n"},
      {FIELD(serial), "0102030405060708090A0B0C0D0E0F10111213141"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GError) error = NULL;
    NoticeMail mail = good;
    G_STRUCT_MEMBER(const char *, &mail, table[i].field) = table[i].value;
    g_assert_null(notice_mail_compose(&mail, &error));
    g_assert_error(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_FIELD);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/notice-mail/form", test_form);
  g_test_add_func("/notice-mail/subjects", test_subjects);
  g_test_add_func("/notice-mail/refused", test_refused);
  return g_test_run();
}
