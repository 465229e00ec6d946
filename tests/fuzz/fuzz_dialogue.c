/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet that says what a session needs, then lines: ">" and a command of libcurl, "!" for
   a new connection, anything else a line of the relay. Holds: an EHLO with which the session goes
   on to MAIL offered all that it needs; what settles a message is the first that does. */
#include "smtp/dialogue.h"
#include "tests/fuzz/fuzz.h"

static void assert_has_all(const Dialogue *dialogue) {
  gboolean tls_comes = dialogue->tls != SENDER_TLS_OFF && !dialogue->secure && dialogue->offers_tls;
  g_assert_true(dialogue->lack == DIALOGUE_LACKS_NOTHING);
  if (tls_comes)
    return;
  g_assert_true(dialogue->secure || dialogue->tls < SENDER_TLS_STARTTLS);
  g_assert_true(dialogue->offers_auth || !dialogue->needs_auth);
  g_assert_true(dialogue->offers_utf8 || !dialogue->needs_utf8);
}

static void hear(Dialogue *dialogue, const char *line) {
  const Dialogue before = *dialogue;
  gboolean goes_on = dialogue_hear(dialogue, line);
  if (before.words != NULL) {
    g_assert_true(dialogue->words == before.words);
    g_assert_cmpint(dialogue->code, ==, before.code);
  }
  if (dialogue->words != NULL)
    g_assert_cmpint(dialogue->code, >=, 0);
  gboolean last = strlen(line) >= 3 && line[3] != '-';
  if (goes_on && last && before.step == DIALOGUE_EHLO && before.words == NULL && !before.quitting &&
      before.lack == DIALOGUE_LACKS_NOTHING)
    assert_has_all(dialogue);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  guint needs = fuzz_octet(&input);
  Dialogue dialogue = {
      .tls = needs & 3, .needs_auth = needs >> 2 & 1, .needs_utf8 = needs >> 3 & 1};
  dialogue_connected(&dialogue);
  while (input.size > 0) {
    g_autoptr(GBytes) bytes = fuzz_until(&input, '\n');
    g_autofree char *line = fuzz_text(bytes);
    if (line[0] == '>') {
      g_autofree char *command = g_strconcat(line + 1, "\r\n", NULL);
      dialogue_say(&dialogue, command);
    } else if (line[0] == '!') {
      dialogue_connected(&dialogue);
    } else {
      hear(&dialogue, line);
    }
  }
  dialogue_clear(&dialogue);
  return 0;
}
