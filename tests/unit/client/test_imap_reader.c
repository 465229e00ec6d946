/* SPDX-License-Identifier: Apache-2.0 */
/* What an IMAP server says, whole and in pieces, and what a hostile one says. */
#include "client/imap_reader.h"

#include <string.h>

static const char talk[] = "* OK [UIDVALIDITY 7] is\r\n"
                           "* 3 EXISTS\r\n"
                           "* 1 FETCH (UID 9 BODY[]<0> {5}\r\n"
                           "a\r\n\0b FLAGS (\\Seen))\r\n"
                           "S1 OK done\n";

static const char *const texts[] = {"* OK [UIDVALIDITY 7] is", "* 3 EXISTS",
                                    "* 1 FETCH (UID 9 BODY[]<0> {5} FLAGS (\\Seen))", "S1 OK done"};

/* Fed in pieces of each size the answers are the same. */
static void test_pieces(void) {
  const gsize length = sizeof talk - 1;
  for (gsize piece = 1; piece <= length; piece++) {
    g_autoptr(ImapReader) reader = imap_reader_new();
    gsize found = 0;
    for (gsize at = 0; at < length; at += piece) {
      imap_reader_feed(reader, talk + at, MIN(piece, length - at));
      ImapAnswer *got = NULL;
      while (imap_reader_next(reader, &got) == IMAP_READER_ANSWER) {
        g_autoptr(ImapAnswer) answer = got;
        g_assert_cmpstr(answer->text, ==, texts[found]);
        g_assert_true((answer->literal != NULL) == (found == 2));
        if (answer->literal != NULL) {
          g_autoptr(GBytes) wanted = g_bytes_new_static("a\r\n\0b", 5);
          g_assert_true(g_bytes_equal(answer->literal, wanted));
        }
        found++;
      }
    }
    g_assert_cmpuint(found, ==, G_N_ELEMENTS(texts));
  }
}

static ImapReaderResult feed(const char *text, gsize length, guint times) {
  g_autoptr(ImapReader) reader = imap_reader_new();
  ImapAnswer *answer = NULL;
  ImapReaderResult result = IMAP_READER_MORE;
  for (guint i = 0; i < times && result == IMAP_READER_MORE; i++) {
    imap_reader_feed(reader, text, length);
    result = imap_reader_next(reader, &answer);
    imap_answer_free(answer);
  }
  return result;
}

static void test_hostile(void) {
  g_assert_cmpint(feed("xxxxxxxxxxxxxxxx", 16, 10000), ==, IMAP_READER_BROKEN);
  g_assert_cmpint(feed("* {0}\r\n", 7, 20000), ==, IMAP_READER_BROKEN); /* literals for ever */
  g_assert_cmpint(feed("* {99999999}\r\n", 14, 1), ==, IMAP_READER_BROKEN);
  g_assert_cmpint(feed("* {99999999999999999999}\r\n", 26, 1), ==, IMAP_READER_ANSWER);
  g_assert_cmpint(feed("a\0b\r\n", 5, 1), ==, IMAP_READER_BROKEN);
  g_assert_cmpint(feed("* {524288}\r\n", 12, 1), ==, IMAP_READER_MORE);
  g_assert_cmpint(feed("{}\r\n", 4, 1), ==, IMAP_READER_ANSWER);
  g_assert_cmpint(feed("\r\n", 2, 1), ==, IMAP_READER_ANSWER);
}

static void test_numbers(void) {
  guint32 number = 0;
  g_assert_true(imap_answer_number("* 12 EXISTS", "EXISTS", &number));
  g_assert_cmpuint(number, ==, 12);
  g_assert_true(imap_answer_number("* 4 fetch (UID 2)", "FETCH", &number));
  g_assert_false(imap_answer_number("* 12 EXISTSNOT", "EXISTS", &number));
  g_assert_false(imap_answer_number("* EXISTS", "EXISTS", &number));
  g_assert_false(imap_answer_number("* 99999999999 EXISTS", "EXISTS", &number));
  g_assert_false(imap_answer_number("S1 12 EXISTS", "EXISTS", &number));
  g_assert_true(imap_answer_code("* OK [UIDNEXT 44] next", "UIDNEXT", &number));
  g_assert_cmpuint(number, ==, 44);
  g_assert_false(imap_answer_code("* OK [UIDNEXT 44", "UIDNEXT", &number));
  g_assert_false(imap_answer_code("* OK [UIDNEXTS 44]", "UIDNEXT", &number));
  g_assert_false(imap_answer_code("* NO [UIDNEXT 44]", "UIDNEXT", &number));
  g_assert_true(imap_answer_offers("* CAPABILITY IMAP4rev1 idle", "IDLE"));
  g_assert_false(imap_answer_offers("* CAPABILITY IMAP4rev1 IDLER", "IDLE"));
  g_assert_false(imap_answer_offers("* LIST IDLE", "IDLE"));
}

static void test_search(void) {
  g_autoptr(GArray) some = imap_answer_search("* SEARCH 5 7 4294967295");
  g_assert_cmpuint(some->len, ==, 3);
  g_assert_cmpuint(g_array_index(some, guint32, 2), ==, 4294967295u);
  g_autoptr(GArray) none = imap_answer_search("* SEARCH");
  g_autoptr(GArray) blank = imap_answer_search("* SEARCH ");
  g_assert_cmpuint(none->len + blank->len, ==, 0);
  g_assert_null(imap_answer_search("* SEARCH 5 x"));
  g_assert_null(imap_answer_search("* SEARCHED 5"));
  g_assert_null(imap_answer_search("* SEARCH 4294967296"));
}

/* No name of a folder ends its string. */
static void test_quote(void) {
  g_autofree char *plain = imap_quote("INBOX");
  g_autofree char *odd = imap_quote("a\"b\\c");
  g_assert_cmpstr(plain, ==, "\"INBOX\"");
  g_assert_cmpstr(odd, ==, "\"a\\\"b\\\\c\"");
  g_assert_null(imap_quote("a\r\nS9 LOGOUT"));
  g_assert_null(imap_quote("\xc3\xa4"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/imap_reader/pieces", test_pieces);
  g_test_add_func("/imap_reader/hostile", test_hostile);
  g_test_add_func("/imap_reader/numbers", test_numbers);
  g_test_add_func("/imap_reader/search", test_search);
  g_test_add_func("/imap_reader/quote", test_quote);
  return g_test_run();
}
