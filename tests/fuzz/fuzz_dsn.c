/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a message. Holds: what is read of any message goes through the evidence and comes back as
   it was; any other octets as evidence are refused or keep the limits; a status code found in any
   line is one. */
#include "mime/dsn_recipient.h"
#include "tests/fuzz/fuzz.h"

static void assert_recipient(const DsnRecipient *recipient) {
  g_assert_true(recipient->final != NULL || recipient->original != NULL);
  g_assert_true(recipient->status == NULL || dsn_status_is_valid(recipient->status));
  const char *const texts[] = {recipient->final, recipient->original, recipient->words,
                               recipient->server};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    if (texts[i] != NULL)
      fuzz_assert_line(texts[i]);
  g_assert_true(recipient->words == NULL || g_utf8_strlen(recipient->words, -1) <= DSN_MAX_WORDS);
}

static void assert_facts(const DsnFacts *facts) {
  gboolean tells = facts->form == DSN_REPORT || facts->form == DSN_TEXT;
  g_assert_cmpint(tells, ==, facts->recipients->len > 0);
  g_assert_cmpint(tells, ==, facts->dialect != NULL);
  g_assert_true(facts->refused == NULL || facts->form == DSN_NONE);
  g_assert_cmpuint(facts->recipients->len, <=, DSN_MAX_RECIPIENTS);
  for (guint i = 0; i < facts->recipients->len; i++)
    assert_recipient(facts->recipients->pdata[i]);
}

static void assert_same_recipient(const DsnRecipient *a, const DsnRecipient *b) {
  g_assert_cmpstr(a->final, ==, b->final);
  g_assert_cmpstr(a->original, ==, b->original);
  g_assert_cmpint(a->action, ==, b->action);
  g_assert_cmpstr(a->status, ==, b->status);
  g_assert_cmpstr(a->words, ==, b->words);
  g_assert_cmpstr(a->server, ==, b->server);
}

static void run_message(GBytes *message) {
  g_autoptr(DsnFacts) facts = dsn_read(message);
  g_autoptr(GVariant) evidence = g_variant_ref_sink(dsn_evidence_new(facts));
  g_autoptr(DsnFacts) read = dsn_evidence_read(evidence);
  assert_facts(facts);
  g_assert_nonnull(read);
  g_assert_cmpstr(facts->refused, ==, read->refused);
  g_assert_cmpint(facts->form, ==, read->form);
  g_assert_cmpstr(facts->dialect, ==, read->dialect);
  g_assert_cmpstr(facts->message_id, ==, read->message_id);
  g_assert_cmpuint(facts->recipients->len, ==, read->recipients->len);
  for (guint i = 0; i < facts->recipients->len; i++)
    assert_same_recipient(facts->recipients->pdata[i], read->recipients->pdata[i]);
}

static void run_evidence(GBytes *octets) {
  g_autoptr(GVariant) evidence = g_variant_ref_sink(
      g_variant_new_from_bytes(G_VARIANT_TYPE(DSN_EVIDENCE_TYPE), octets, FALSE));
  g_autoptr(DsnFacts) facts = dsn_evidence_read(evidence);
  if (facts != NULL)
    assert_facts(facts);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  g_autoptr(GBytes) whole = g_bytes_new(data, size);
  g_autoptr(GBytes) message = fuzz_crlf(whole);
  g_autofree char *line = fuzz_text(whole);
  g_autofree char *status = dsn_status_find(line);
  g_assert_true(status == NULL || dsn_status_is_valid(status));
  run_evidence(whole);
  run_message(whole);
  run_message(message);
  return 0;
}
