/* SPDX-License-Identifier: Apache-2.0 */
/* Input: text up to NUL. Holds: the address of a parsed mailbox is parsed as itself, and its
   canonical form stays; log_escape gives one printable line of no more than the characters asked
   for. */
#include "base/log.h"
#include "base/mailbox.h"
#include "tests/fuzz/fuzz.h"

static void assert_stable(const Mailbox *mailbox) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Mailbox) again = mailbox_parse(mailbox->address, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(again->address, ==, mailbox->address);
  g_assert_cmpstr(again->canonical, ==, mailbox->canonical);
  g_assert_cmpint(again->ascii, ==, mailbox->ascii);
  g_assert_true(mailbox_equal(again, mailbox, TRUE));
  g_autoptr(Mailbox) canonical = mailbox_parse(mailbox->canonical, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(canonical->address, ==, mailbox->canonical);
  g_assert_cmpstr(canonical->canonical, ==, mailbox->canonical);
}

static void run_mailbox(const char *text) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Mailbox) mailbox = mailbox_parse(text, &error);
  g_assert_true((mailbox == NULL) == (error != NULL));
  if (mailbox == NULL) {
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    return;
  }
  g_assert_cmpstr(mailbox->text, ==, text);
  g_assert_cmpuint(strlen(mailbox->address), <=, MAILBOX_MAX_OCTETS);
  g_assert_cmpuint(strlen(mailbox->local), <=, MAILBOX_MAX_LOCAL_OCTETS);
  g_assert_true(g_str_is_ascii(mailbox->domain));
  fuzz_assert_line(mailbox->address);
  assert_stable(mailbox);
}

static void run_domain(const char *text) {
  g_autofree char *ascii = mailbox_domain_to_ascii(text, NULL);
  if (ascii == NULL)
    return;
  g_autofree char *again = mailbox_domain_to_ascii(ascii, NULL);
  g_assert_cmpstr(again, ==, ascii);
}

static void run_escape(const char *text, gsize max) {
  g_autofree char *line = log_escape(text, max);
  g_assert_true(g_utf8_validate(line, -1, NULL));
  g_assert_cmpint(g_utf8_strlen(line, -1), <=, 4 * (glong)max);
  for (const char *p = line; *p != '\0'; p = g_utf8_next_char(p))
    g_assert_true(g_unichar_isprint(g_utf8_get_char(p)));
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  g_autoptr(GBytes) octets = fuzz_until(&input, '\0');
  g_autofree char *text = fuzz_text(octets);
  run_mailbox(text);
  run_domain(text);
  run_escape(text, 400);
  run_escape(text, 3);
  return 0;
}
