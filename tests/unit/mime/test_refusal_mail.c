/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of refused certificates as mails. */
#include "mime/refusal_mail.h"

#include <string.h>

static const RefusalMail good = {
    .from = "acme-notice@ca.example",
    .to = "security@example.org",
    .message_id = "<1.2@ca.example>",
    .service = "https://ca.example/acme",
    .incident = "AaH6mZk76pLHzfZMzaWNYA",
    .domain = "mail.example.org",
    .mailboxes = "ann@mail.example.org",
    .record = "example.org. CAA 0 issuemail \";\"",
    .at = G_GINT64_CONSTANT(1700000000000),
    .date = G_GINT64_CONSTANT(1700000060000),
};

static char *compose(const RefusalMail *mail, const char *const *languages) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func((GDestroyNotify)mail_text_free);
  for (; *languages != NULL; languages++) {
    g_autoptr(GBytes) file = mail_text_built_in(*languages);
    g_ptr_array_add(texts, mail_text_read(*languages, file, NULL));
  }
  RefusalMail whole = *mail;
  whole.texts = texts;
  g_autoptr(GBytes) bytes = refusal_mail_compose(&whole, &error);
  g_assert_no_error(error);
  return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static void test_form(void) {
  static const char *const english[] = {"en", NULL};
  static const char header[] =
      "From: acme-notice@ca.example\r\n"
      "To: security@example.org\r\n"
      "Subject: An S/MIME certificate was refused by your domain's CAA records\r\n"
      "Date: Tue, 14 Nov 2023 22:14:20 +0000\r\n"
      "Message-ID: <1.2@ca.example>\r\n"
      "Auto-Submitted: auto-generated\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=us-ascii\r\n";
  static const char *const lines[] = {
      "    https://ca.example/acme\r\n",           "    domain: mail.example.org\r\n",
      "    mailbox: ann@mail.example.org\r\n",     "    time: 2023-11-14T22:13:20Z\r\n",
      "    incident: AaH6mZk76pLHzfZMzaWNYA\r\n",  "    example.org. CAA 0 issuemail \";\"\r\n",
      "    https://ca.example/acme/directory\r\n",
  };
  g_autofree char *text = compose(&good, english);
  g_assert_true(g_str_has_prefix(text, header));
  g_assert_true(g_str_is_ascii(text));
  for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
    g_assert_nonnull(strstr(text, lines[i]));
}

static void test_languages(void) {
  static const char *const both[] = {"de", "en", NULL};
  g_autofree char *text = compose(&good, both);
  g_assert_true(g_str_is_ascii(text));
  g_assert_nonnull(strstr(text, "CAA-Eintrag in Ihrem DNS"));
  g_assert_nonnull(strstr(text, "a CAA record in your DNS"));
}

/* What a zone says becomes neither a header field nor a line of its own, nor a long text. */
static void test_hostile(void) {
  static const char *const english[] = {"en", NULL};
  g_autofree char *digits = g_strnfill(5000, '1');
  RefusalMail mail = good;
  mail.record = "example.org. CAA 0 issuemail \"x\r\n\r\nClick here\"\x1b[0m";
  g_autofree char *lines = compose(&mail, english);
  g_assert_null(strstr(lines, "\nClick"));
  g_assert_null(strchr(lines, '\x1b'));
  mail.record = mail.mailboxes = digits;
  g_autofree char *cut = compose(&mail, english);
  digits[REFUSAL_MAX_OCTETS + 1] = '\0';
  g_assert_null(strstr(cut, digits));
  g_auto(GStrv) all = g_strsplit(cut, "\r\n", -1);
  for (char **line = all; *line != NULL; line++)
    g_assert_cmpuint(strlen(*line), <, 998);
}

#define FIELD(member) G_STRUCT_OFFSET(RefusalMail, member)

static void test_refused(void) {
  static const struct {
    gsize field;
    const char *value;
  } table[] = {
      {FIELD(from), "a@ca.example\r\nX: y"},
      {FIELD(to), "user@example.org, x@example.org"},
      {FIELD(to), NULL},
      {FIELD(message_id), "1@ca.example"},
      {FIELD(service), "a\r\nb"},
      {FIELD(incident), ""},
      {FIELD(incident), "a b"},
      {FIELD(incident), NULL},
      {FIELD(domain), "Example.org"},
      {FIELD(domain), "example.org\r\n"},
      {FIELD(domain), NULL},
      {FIELD(mailboxes), NULL},
      {FIELD(record), NULL},
  };
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GError) error = NULL;
    RefusalMail mail = good;
    G_STRUCT_MEMBER(const char *, &mail, table[i].field) = table[i].value;
    g_assert_null(refusal_mail_compose(&mail, &error));
    g_assert_error(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_FIELD);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/refusal-mail/form", test_form);
  g_test_add_func("/refusal-mail/languages", test_languages);
  g_test_add_func("/refusal-mail/hostile", test_hostile);
  g_test_add_func("/refusal-mail/refused", test_refused);
  return g_test_run();
}
