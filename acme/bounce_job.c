/* SPDX-License-Identifier: Apache-2.0 */
/* The job of a message to the reverse-path of a challenge mail: examined by inbound, judged here,
 * its verdict committed. */
#include "acme/bounce.h"
#include "acme/job_run.h"
#include "acme/received.h"
#include "acme/record.h"
#include "acme/state.h"
#include "base/log.h"

#include <string.h>

static const char *const verdict_names[] = {
    [BOUNCE_IGNORED] = "ignored", [BOUNCE_NOTED] = "noted", [BOUNCE_FAILED] = "undeliverable"};

/* What the verdict does to the challenge. That the relay's 250 is not committed yet does not
   matter: the tag left this server with the mail alone. */
static gboolean apply(Acme *acme, gint64 now, const Id *challenge, BounceVerdict verdict,
                      const char *rule, const Problem *problem, GError **error) {
  if (verdict == BOUNCE_FAILED)
    return state_challenge_failed(acme, now, challenge, problem, error);
  return verdict == BOUNCE_IGNORED ||
         state_challenge_noted(acme, now, challenge, rule, problem, error);
}

/* A server that refused the mail may say its Subject: token-part1 goes by mail alone (RFC 8823
   section 3). */
static void hide_token(const DsnFacts *facts, const Challenge *challenge) {
  for (guint i = 0; i < facts->recipients->len; i++) {
    DsnRecipient *recipient = facts->recipients->pdata[i];
    char *words = recipient->words != NULL ? log_hide(recipient->words, challenge->token1) : NULL;
    g_free(recipient->words);
    recipient->words = words;
  }
}

gboolean job_bounce_examined(Acme *acme, const Question *question, const DsnFacts *facts,
                             const char *evidence, GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_auto(Received) received = {0};
  g_autoptr(Problem) problem = NULL;
  const char *rule = NULL;
  if (!received_hold(acme, &job->subject, &received, error))
    return FALSE;
  hide_token(facts, received.challenge);
  const BounceCase c = {
      .mailbox = received.mailbox,
      .reverse_path = received.message->reverse_path,
      .decided = !state_challenge_is_open(received.challenge, received.authorization, now)};
  BounceVerdict verdict = bounce_judge(&c, facts, &rule, &problem);
  StoreChange judged =
      message_judge(acme->store, &job->subject, verdict_names[verdict], rule,
                    problem != NULL ? problem->detail : NULL, evidence, NULL, error);
  if (judged == STORE_FAILED)
    return FALSE;
  return (judged == STORE_UNCHANGED ||
          (record(acme, now, "bounce judged",
                  (About){.challenge = &received.challenge->id, .message = &job->subject}, error,
                  "verdict", verdict_names[verdict], "rule", rule, "written-by", facts->dialect,
                  "message-id", facts->message_id, "reason",
                  problem != NULL ? problem->detail : NULL, NULL) &&
           apply(acme, now, &received.challenge->id, verdict, rule, problem, error))) &&
         job_done(acme->store, job, error);
}
