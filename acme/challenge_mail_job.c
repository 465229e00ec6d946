/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/challenge_mail_job.h"
#include "acme/job_run.h"
#include "acme/limit.h"
#include "acme/record.h"
#include "acme/state.h"
#include "store/message.h"

#include <string.h>

#define TOKEN_OCTETS 24
#define MESSAGE_ID_LENGTH 26

/* Fit for a token that lives 24 hours. */
static const gint64 retry_steps[] = {CLOCK_MINUTE,     2 * CLOCK_MINUTE,  4 * CLOCK_MINUTE,
                                     8 * CLOCK_MINUTE, 15 * CLOCK_MINUTE, 30 * CLOCK_MINUTE,
                                     CLOCK_HOUR};

gboolean challenge_mail_trigger(Call *call, const Authorization *authorization, GError **error) {
  Acme *acme = call->acme;
  g_autoptr(Challenge) challenge = NULL;
  if (strcmp(authorization->status, "pending") != 0)
    return TRUE;
  if (challenge_find_by_authorization(acme->store, &authorization->id, &challenge, error) !=
      STORE_FOUND)
    return FALSE;
  if (challenge->token1 != NULL || challenge->deadline <= call->now)
    return TRUE;
  /* Mails of one order are spread: some clients handle challenges one by one and lose what comes
   * meanwhile. */
  gint64 delay = config_number(acme->config, "mail.challenge-delay");
  gint64 at = call->now + delay * (1 + authorization->position);
  g_autofree char *token = acme_random_token(acme, TOKEN_OCTETS);
  g_autofree char *word = acme_random_word(acme, MESSAGE_ID_LENGTH);
  g_autofree char *message_id =
      g_strdup_printf("<%s@%s>", word, config_text(acme->config, "mail.domain"));
  StoreChange set = challenge_set_mail(acme->store, &challenge->id, token, message_id, error);
  if (set != STORE_CHANGED)
    return set == STORE_UNCHANGED;
  return limit_mail_leaves(call, authorization, challenge->deadline, &at, error) &&
         job_add(acme->store, JOB_MAIL, &challenge->id, at, error) &&
         record(acme, call->now, "mail queued", (About){.challenge = &challenge->id}, error, "to",
                authorization->address, "message-id", message_id, NULL);
}

/* The identifier verbatim, as clients compare it. Where U-labels are all in it that is not ASCII,
   A-labels stand for them: such a mail needs no SMTPUTF8. */
static const char *to_field(const Authorization *authorization) {
  gboolean u_labels_alone =
      g_str_is_ascii(authorization->address) && !g_str_is_ascii(authorization->identifier);
  return u_labels_alone ? authorization->address : authorization->identifier;
}

gboolean mail_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                        GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  g_autoptr(Authorization) authorization = NULL;
  if (challenge_find(acme->store, &job->subject, &challenge, error) != STORE_FOUND ||
      authorization_find(acme->store, &challenge->authz_id, &authorization, error) != STORE_FOUND)
    return FALSE;
  if (challenge->sent_at != 0 || strcmp(authorization->status, "pending") != 0 ||
      challenge->deadline <= now)
    return job_done(acme->store, job, error);
  question->kind = QUESTION_DELIVER;
  question->from = g_strdup(challenge->mail_from);
  question->to = g_strdup(to_field(authorization));
  question->token = g_strdup(challenge->token1);
  question->message_id = g_strdup(challenge->message_id);
  question->date = now;
  return TRUE;
}

static gboolean keep_message(Acme *acme, gint64 now, const Id *challenge, GBytes *octets,
                             GError **error) {
  Id raw = acme_id(acme, now);
  Message message = {
      .id = acme_id(acme, now), .challenge_id = *challenge, .direction = (char *)"out", .at = now};
  return message_insert_raw(acme->store, &raw, octets, error) &&
         message_insert(acme->store, &message, &raw, error);
}

gboolean job_delivered(Acme *acme, const Question *question, const Delivery *delivery,
                       GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_autoptr(Challenge) challenge = NULL;
  if (challenge_find(acme->store, &job->subject, &challenge, error) != STORE_FOUND)
    return FALSE;
  if (challenge->sent_at != 0) /* an answer that comes twice changes nothing */
    return job_done(acme->store, job, error);
  if (delivery->outcome == SENDER_ACCEPTED)
    return challenge_set_sent(acme->store, &job->subject, now, error) &&
           keep_message(acme, now, &job->subject, delivery->message, error) &&
           record(acme, now, "mail sent", (About){.challenge = &job->subject}, error, "to",
                  question->to, "relay", delivery->text, NULL) &&
           job_done(acme->store, job, error);
  gboolean permanent = delivery->outcome == SENDER_PERMANENT;
  g_autoptr(Problem) problem =
      permanent
          ? problem_new(PROBLEM_CONNECTION, 0,
                        "The mail server refused the challenge mail to %s "
                        "(it said: %s); check the address and order anew.",
                        question->to, delivery->text)
          : problem_new(PROBLEM_CONNECTION, 0,
                        "The challenge mail to %s was not taken yet and will be tried again: %s.",
                        question->to, delivery->text);
  if (permanent)
    return state_challenge_failed(acme, now, &job->subject, problem, error) &&
           job_done(acme->store, job, error);
  gint64 due = now + job_delay(retry_steps, G_N_ELEMENTS(retry_steps), job->attempts);
  /* The first delay is shown to the client; more of them would crowd out notes on replies. */
  return (job->attempts > 1 ||
          state_challenge_noted(acme, now, &job->subject, "relay", problem, error)) &&
         job_again(acme->store, job, due, TRUE, error);
}
