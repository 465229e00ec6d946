/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a message. Holds: a challenge that was read has all its parts, each but the subject on one
   line, and an answer to it can be written, or is refused for an address or text that cannot be. */
#include "base/base64url.h"
#include "mime/challenge_mail.h"
#include "mime/reply.h"
#include "tests/fuzz/fuzz.h"

#define DIGEST "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo"
#define NOW G_GINT64_CONSTANT(1700000000000)

/* What was written is read as what was meant. */
static void assert_answer(const ReceivedChallenge *challenge) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) answer = challenge_reply_compose(challenge, "user@example.org", DIGEST,
                                                     "<1@example.org>", NOW, NULL, &error);
  if (answer == NULL) {
    g_assert_nonnull(error);
    return;
  }
  g_autoptr(ReplyFacts) facts = reply_read(answer);
  g_assert_cmpstr(facts->refused, ==, NULL);
  g_assert_cmpstr(facts->from, ==, "user@example.org");
  g_assert_cmpint(facts->block, ==, REPLY_BLOCK_ONE);
  g_assert_cmpstr(facts->token, ==, challenge->token);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  g_autoptr(GBytes) message = g_bytes_new(data, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(ReceivedChallenge) challenge = received_challenge_read(message, &error);
  g_assert_true((challenge == NULL) == (error != NULL));
  if (challenge == NULL)
    return 0;
  fuzz_assert_line(challenge->from);
  fuzz_assert_line(challenge->reply_to);
  fuzz_assert_line(challenge->to);
  g_assert_true(g_utf8_validate(challenge->subject, -1, NULL)); /* and may hold anything */
  fuzz_assert_line(challenge->token);
  if (challenge->message_id != NULL)
    fuzz_assert_line(challenge->message_id);
  assert_answer(challenge);
  return 0;
}
