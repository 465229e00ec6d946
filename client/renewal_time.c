/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal_time.h"

#include <openssl/sha.h>
#include <string.h>

gboolean renewal_time_suggest(RenewalState *state, gint64 start, gint64 end, gint64 retry_after,
                              gint64 now) {
  if (end <= start) {
    renewal_time_no_answer(state, now);
    return FALSE;
  }
  state->start = start;
  state->end = end;
  state->ask_at = now + (retry_after > 0 ? CLAMP(retry_after, RENEWAL_ASK_MIN, RENEWAL_ASK_MAX)
                                         : RENEWAL_ASK_AGAIN);
  return TRUE;
}

void renewal_time_no_answer(RenewalState *state, gint64 now) {
  state->ask_at = now + RENEWAL_ASK_AGAIN;
}

void renewal_time_failed(RenewalState *state, gint64 refused, gint64 now) {
  state->refused = CLAMP(refused, 0, RENEWAL_RETRY_MAX);
  state->failures++;
  state->failed_at = now;
}

void renewal_time_mind_clock(RenewalState *state, gint64 now) {
  if (state->ask_at > now + RENEWAL_ASK_MAX)
    state->ask_at = 0;
  if (state->failed_at <= now + RENEWAL_RETRY_MIN)
    return;
  state->failures = 0;
  state->failed_at = 0;
  state->refused = 0;
}

gboolean renewal_time_asks(const RenewalState *state, const RenewalSubject *subject, gint64 now) {
  return now < subject->to && now >= state->ask_at;
}

/* A number from 0 to below 1 that belongs to this certificate and window. Serial numbers are
   random: so is this, and a run that only looks sees what the next one will do. */
static double fraction(const RenewalSubject *subject, gint64 start, gint64 end) {
  g_autofree char *text =
      g_strdup_printf("%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, subject->identifier, start, end);
  guint8 digest[SHA256_DIGEST_LENGTH];
  SHA256((const guint8 *)text, strlen(text), digest);
  guint64 bits = 0;
  for (gsize i = 0; i < 6; i++)
    bits = bits << 8 | digest[i];
  return (double)bits / (double)((guint64)1 << 48);
}

gint64 renewal_time_chosen(const RenewalState *state, const RenewalSubject *subject) {
  gint64 life = subject->to - subject->from;
  gint64 start = state->start, end = state->end;
  if (end <= start || start >= subject->to) {
    start = subject->to - life / 3;
    end = start + life / 12;
  }
  gint64 chosen = start + (gint64)(fraction(subject, start, end) * (double)(end - start));
  return MIN(chosen, subject->to);
}

/* Sooner when the certificate is near its end: a quarter of what was left. */
static gint64 pause_after(const RenewalState *state, const RenewalSubject *subject) {
  guint doublings = MIN(state->failures - 1, 10);
  gint64 pause = MIN((gint64)RENEWAL_RETRY_MIN << doublings, RENEWAL_RETRY_MAX);
  gint64 left = subject->to - state->failed_at;
  return left > 0 ? MAX(MIN(pause, left / 4), RENEWAL_RETRY_MIN) : pause;
}

gint64 renewal_time_due(const RenewalState *state, const RenewalSubject *subject, gint64 now,
                        gint64 interval) {
  gint64 chosen = renewal_time_chosen(state, subject);
  gint64 due = chosen < now + interval ? MIN(chosen, now) : chosen;
  if (state->failures == 0)
    return due;
  return MAX(due, state->failed_at + MAX(pause_after(state, subject), state->refused));
}

guint renewal_time_most(guint certificates) {
  return MAX(RENEWAL_LEAST_A_RUN, (certificates + RENEWAL_RUNS - 1) / RENEWAL_RUNS);
}
