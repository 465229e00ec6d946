/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a DNS message as a resolver elsewhere would send it. Holds: whatever it is, the answer
   says why, has records when and only when they were found, and is secure only with an answer; a
   message that answers one question answers no other. */
#include "base/doh_message.h"
#include "tests/fuzz/fuzz.h"

static void read_as(GBytes *message, const char *name, int type, ResolverAnswer *answer) {
  doh_message_read(message, name, type, answer);
  g_assert_nonnull(answer->text);
  fuzz_assert_line(answer->text);
  g_assert_true((answer->outcome == RESOLVER_FOUND) == (answer->rdata->len > 0));
  g_assert_true(!answer->secure || answer->outcome >= RESOLVER_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int types[] = {RESOLVER_CAA, RESOLVER_TXT, RESOLVER_MX};
  g_autoptr(GBytes) message = g_bytes_new(data, size);
  guint answered = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    ResolverAnswer answer, other;
    read_as(message, "example.org", types[i], &answer);
    read_as(message, "example.net", types[i], &other);
    g_assert_true(answer.outcome == RESOLVER_TEMPORARY || other.outcome == RESOLVER_TEMPORARY);
    answered += answer.outcome != RESOLVER_TEMPORARY;
    doh_message_clear(&answer);
    doh_message_clear(&other);
  }
  g_assert_cmpuint(answered, <=, 1);
  return 0;
}
