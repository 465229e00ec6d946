/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet that says how large the pieces are, then what an IMAP server sends. Holds: the
   answers do not depend on how the octets are cut, and stay within their bounds; what is read of
   them is read of every text without harm. */
#include "client/imap_reader.h"
#include "tests/fuzz/fuzz.h"

static void read_text(const char *text) {
  guint32 number = 0;
  imap_answer_number(text, "EXISTS", &number);
  imap_answer_code(text, "UIDNEXT", &number);
  imap_answer_offers(text, "IDLE");
  g_autoptr(GArray) found = imap_answer_search(text);
  g_autofree char *quoted = imap_quote(text);
  if (quoted != NULL)
    fuzz_assert_line(quoted);
}

/* All answers one after the other, as text. */
static char *read_all(const guint8 *data, gsize size, gsize piece) {
  g_autoptr(ImapReader) reader = imap_reader_new();
  GString *all = g_string_new(NULL);
  ImapReaderResult result = IMAP_READER_MORE;
  for (gsize at = 0; at < size && result != IMAP_READER_BROKEN; at += piece) {
    imap_reader_feed(reader, data + at, MIN(piece, size - at));
    ImapAnswer *got = NULL;
    while ((result = imap_reader_next(reader, &got)) == IMAP_READER_ANSWER) {
      g_autoptr(ImapAnswer) answer = got;
      g_assert_cmpuint(strlen(answer->text), <=, IMAP_READER_MAX_LINE);
      read_text(answer->text);
      gsize length = answer->literal != NULL ? g_bytes_get_size(answer->literal) : 0;
      g_assert_cmpuint(length, <=, IMAP_READER_MAX_LITERAL);
      g_string_append_printf(all, "%s %" G_GSIZE_FORMAT "\n", answer->text, length);
    }
  }
  g_string_append(all, result == IMAP_READER_BROKEN ? "broken" : "");
  return g_string_free(all, FALSE);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  gsize piece = fuzz_octet(&input) % 64 + 1u;
  g_autofree char *whole = read_all(input.data, input.size, MAX(input.size, 1));
  g_autofree char *pieces = read_all(input.data, input.size, piece);
  g_assert_cmpstr(whole, ==, pieces);
  return 0;
}
