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
/* While no relay is to be had: asking costs nobody anything, and when one is back no mail waits
   long. */
static const gint64 unreached_steps[] = {CLOCK_MINUTE, 2 * CLOCK_MINUTE, 4 * CLOCK_MINUTE,
                                         5 * CLOCK_MINUTE};

gboolean challenge_mail_trigger(Call *call, const Authorization *authorization,
                                const Challenge *challenge, GError **error) {
  Acme *acme = call->acme;
  if (strcmp(authorization->status, "pending") != 0 || challenge->token1 != NULL ||
      challenge->deadline <= call->now)
    return TRUE;
  /* Mails of one order are spread: some clients handle challenges one by one and lose what comes
   * meanwhile. */
  gint64 delay = config_number(acme->config, "mail.challenge-delay");
  gint64 at = call->now + delay * (1 + authorization->position);
  g_autofree char *token = acme_random_token(acme, TOKEN_OCTETS);
  g_autofree char *word = acme_random_word(acme, MESSAGE_ID_LENGTH);
  g_autofree char *message_id =
      g_strdup_printf("<%s@%s>", word, config_text(acme->config, "mail.domain"));
  g_autofree char *tag = acme_tag(acme, call->now);
  g_autofree char *envelope_from =
      g_strdup_printf("acme-bounce+%s@%s", tag, config_text(acme->config, "mail.domain"));
  StoreChange set = challenge_set_mail(acme->store, &challenge->id, call->now, token, message_id,
                                       envelope_from, error);
  if (set != STORE_CHANGED)
    return set == STORE_UNCHANGED;
  gint64 free_at = at;
  if (!limit_mail_leaves(call, authorization, challenge->deadline, &free_at, error))
    return FALSE;
  const char *waits_for = free_at > at ? "the limit mails-per-mailbox-hour" : NULL;
  return job_add(acme->store, JOB_MAIL, &challenge->id, free_at, error) &&
         (waits_for == NULL || job_say(acme->store, JOB_MAIL, &challenge->id, waits_for, error)) &&
         record(acme, call->now, "mail queued", (About){.challenge = &challenge->id}, error, "to",
                authorization->address, "message-id", message_id, "waits-for", waits_for, NULL);
}

const char *challenge_mail_to(const Authorization *authorization) {
  gboolean u_labels_alone =
      g_str_is_ascii(authorization->address) && !g_str_is_ascii(authorization->identifier);
  return u_labels_alone ? authorization->address : authorization->identifier;
}

/* Its challenge is decided or over. */
static gboolean end_unsent(Acme *acme, gint64 now, const Job *job,
                           const Authorization *authorization, const char *relay, GError **error) {
  return record(acme, now, "mail not sent", (About){.challenge = &job->subject}, error, "to",
                challenge_mail_to(authorization), "reason", "its challenge is over", "relay", relay,
                NULL) &&
         job_done(acme->store, job, error);
}

gboolean mail_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                        GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  g_autoptr(Authorization) authorization = NULL;
  if (challenge_find(acme->store, &job->subject, &challenge, error) != STORE_FOUND ||
      authorization_find(acme->store, &challenge->authz_id, &authorization, error) != STORE_FOUND)
    return FALSE;
  if (challenge->sent_at != 0)
    return job_done(acme->store, job, error);
  if (!state_challenge_is_open(challenge, authorization, now) || challenge->deadline <= now)
    return end_unsent(acme, now, job, authorization, challenge->relay_text, error);
  question->kind = QUESTION_DELIVER;
  question->challenge = job->subject;
  question->envelope_from =
      g_strdup(challenge->envelope_from != NULL ? challenge->envelope_from : challenge->mail_from);
  question->from =
      g_strdup(challenge->mail_sender != NULL ? challenge->mail_sender : challenge->mail_from);
  question->reply_to = g_strdup(challenge->mail_from);
  question->to = g_strdup(challenge_mail_to(authorization));
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

/* Between the address and the relay's words in the note on a delay. */
#define TRIED_AGAIN " was not taken yet and will be tried again: "
#define RULE "relay"

/* The relay's code stands before its words, as it said them. */
static char *relay_words(const Delivery *delivery) {
  return delivery->code != 0 ? g_strdup_printf("%u %s", delivery->code, delivery->text)
                             : g_strdup(delivery->text);
}

static gboolean set_sent(Acme *acme, gint64 now, const Question *question, const Delivery *delivery,
                         GError **error) {
  const Id *challenge = &question->job.subject;
  return challenge_set_sent(acme->store, challenge, now, delivery->text, error) &&
         keep_message(acme, now, challenge, delivery->message, error) &&
         record(acme, now, "mail sent", (About){.challenge = challenge}, error, "to", question->to,
                "relay", delivery->text, NULL) &&
         job_done(acme->store, &question->job, error);
}

static gboolean give_up(Acme *acme, gint64 now, const Question *question, const char *words,
                        GError **error) {
  g_autoptr(Problem) problem = problem_new(PROBLEM_CONNECTION, 0,
                                           "The mail server refused the challenge mail to %s "
                                           "(it said: %s); check the address and order anew.",
                                           question->to, words);
  return state_challenge_failed(acme, now, &question->job.subject, problem, error) &&
         job_done(acme->store, &question->job, error);
}

/* One note in all, with the newest words: more of them would crowd out notes on replies. */
static gboolean put_off(Acme *acme, gint64 now, const Question *question, SenderOutcome outcome,
                        const char *words, GError **error) {
  const Job *job = &question->job;
  ProblemType type = outcome == SENDER_NO_TLS ? PROBLEM_TLS : PROBLEM_CONNECTION;
  gint64 wait = outcome == SENDER_TEMPORARY
                    ? job_delay(retry_steps, G_N_ELEMENTS(retry_steps), job->attempts)
                    : job_delay(unreached_steps, G_N_ELEMENTS(unreached_steps), job->attempts);
  g_autoptr(Problem) problem =
      problem_new(type, 0, "The challenge mail to %s" TRIED_AGAIN "%s.", question->to, words);
  return state_challenge_noted_again(acme, now, &job->subject, RULE, problem, error) &&
         job_waits_for(acme, job, error, "the relay: %s", words) &&
         job_again(acme->store, job, now + wait, TRUE, error);
}

/* The relay may say so of a mail that a reply or a bounce has answered meanwhile: its words are
   kept all the same, and so is a mail whose reply has passed, since it came to its recipient. */
static gboolean set_unsent(Acme *acme, gint64 now, const Question *question,
                           const Challenge *challenge, const Delivery *delivery, GError **error) {
  g_autoptr(Authorization) authorization = NULL;
  g_autofree char *words = relay_words(delivery);
  if (authorization_find(acme->store, &challenge->authz_id, &authorization, error) != STORE_FOUND ||
      !challenge_set_unsent(acme->store, &challenge->id, words, error) ||
      (challenge->passed_at != 0 &&
       !keep_message(acme, now, &challenge->id, delivery->message, error)))
    return FALSE;
  if (!state_challenge_is_open(challenge, authorization, now))
    return end_unsent(acme, now, &question->job, authorization, words, error);
  return delivery->outcome == SENDER_PERMANENT
             ? give_up(acme, now, question, words, error)
             : put_off(acme, now, question, delivery->outcome, words, error);
}

/* An order that was finalized meanwhile waits for this answer (acme/issue_job.c:build_when_kept).
 */
static gboolean hurry_order(Acme *acme, gint64 now, const Challenge *challenge, GError **error) {
  g_autoptr(Authorization) authorization = NULL;
  g_autoptr(Order) order = NULL;
  if (authorization_find(acme->store, &challenge->authz_id, &authorization, error) != STORE_FOUND)
    return FALSE;
  StoreFind found = order_find(acme->store, &authorization->order_id, &order, error);
  return found == STORE_MISSING ||
         (found == STORE_FOUND && (strcmp(order->status, "processing") != 0 ||
                                   job_add(acme->store, JOB_ISSUE, &order->id, now, error)));
}

gboolean job_delivered(Acme *acme, const Question *question, const Delivery *delivery,
                       GError **error) {
  gint64 now = clock_now(acme->clock);
  g_autoptr(Challenge) challenge = NULL;
  if (!state_hold_challenge(acme, &question->job.subject, error) ||
      challenge_find(acme->store, &question->job.subject, &challenge, error) != STORE_FOUND)
    return FALSE;
  if (challenge->sent_at != 0) /* an answer that comes twice changes nothing */
    return job_done(acme->store, &question->job, error);
  gboolean kept = delivery->outcome == SENDER_ACCEPTED
                      ? set_sent(acme, now, question, delivery, error)
                      : set_unsent(acme, now, question, challenge, delivery, error);
  return kept && (challenge->passed_at == 0 || hurry_order(acme, now, challenge, error));
}

/* Without the full stop. */
static char *words_of(const json_t *delay) {
  const char *detail = json_string_value(json_object_get(delay, "detail"));
  const char *found = detail != NULL ? strstr(detail, TRIED_AGAIN) : NULL;
  const char *words = found != NULL ? found + strlen(TRIED_AGAIN) : "it could not be tried.";
  return g_strndup(words, strlen(words) - 1);
}

static gboolean is_tls(const json_t *delay) {
  const char *type = json_string_value(json_object_get(delay, "type"));
  return type != NULL && g_str_has_suffix(type, problem_type_name(PROBLEM_TLS));
}

gboolean challenge_mail_missed(Acme *acme, const Challenge *challenge,
                               const Authorization *authorization, Problem **problem,
                               GError **error) {
  json_t *delay = NULL;
  gboolean replied = FALSE;
  if (challenge->token1 == NULL || challenge->sent_at != 0)
    return TRUE;
  g_autoptr(GPtrArray) notes = challenge_notes(acme->store, &challenge->id, error);
  if (notes == NULL)
    return FALSE;
  for (guint i = 0; i < notes->len; i++) {
    const Note *note = notes->pdata[i];
    if (strcmp(note->rule, RULE) != 0)
      replied = TRUE; /* the mail did arrive, though the relay's answer did not */
    else if (delay == NULL)
      delay = json_loads(note->problem, 0, NULL);
  }
  g_autofree char *words = words_of(delay);
  if (!replied)
    *problem = problem_new(is_tls(delay) ? PROBLEM_TLS : PROBLEM_CONNECTION, 0,
                           "The challenge mail to %s never left: no mail server took it before "
                           "the time for a reply was over (last words: %s); order anew later.",
                           challenge_mail_to(authorization), words);
  json_decref(delay);
  return TRUE;
}
