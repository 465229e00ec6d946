/* SPDX-License-Identifier: Apache-2.0 */
/* The job of a received message: examined by inbound, judged here, its verdict committed. */
#include "acme/job_run.h"
#include "acme/judge.h"
#include "acme/perspective_judge.h"
#include "acme/received.h"
#include "acme/record.h"
#include "acme/state.h"
#include "acme/test_mode.h"
#include "base/base64url.h"

#include <string.h>

/* When an outage of the DNS is over no reply waits long. */
static const gint64 retry_steps[] = {5 * CLOCK_SECOND, 15 * CLOCK_SECOND, CLOCK_MINUTE,
                                     5 * CLOCK_MINUTE};

static const char *const verdict_names[] = {[JUDGE_IGNORED] = "ignored",
                                            [JUDGE_NOTED] = "noted",
                                            [JUDGE_AGAIN] = "again",
                                            [JUDGE_WRONG] = "wrong digest",
                                            [JUDGE_PASSED] = "passed"};

/* Everything that a reply is judged with. */
typedef struct {
  Received received;
  Account *account;
  guint8 digest[REPLY_DIGEST_OCTETS];
  GPtrArray *former_digests;
} Matter;

static void matter_clear(Matter *matter) {
  received_clear(&matter->received);
  account_free(matter->account);
  g_clear_pointer(&matter->former_digests, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Matter, matter_clear)

static void expect(const Matter *matter, GBytes *thumbprint, guint8 digest[REPLY_DIGEST_OCTETS]) {
  g_autofree char *text =
      base64url_encode(g_bytes_get_data(thumbprint, NULL), g_bytes_get_size(thumbprint));
  judge_expected_digest(matter->received.challenge->token1, matter->received.challenge->token2,
                        text, digest);
}

static gboolean expect_digests(Acme *acme, Matter *matter, GError **error) {
  g_autoptr(GPtrArray) keys = account_former_keys(acme->store, &matter->account->id,
                                                  matter->received.challenge->created_at, error);
  if (keys == NULL)
    return FALSE;
  expect(matter, matter->account->thumbprint, matter->digest);
  matter->former_digests = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  for (guint i = 0; i < keys->len; i++) {
    guint8 digest[REPLY_DIGEST_OCTETS];
    expect(matter, keys->pdata[i], digest);
    g_ptr_array_add(matter->former_digests, g_bytes_new(digest, sizeof(digest)));
  }
  return TRUE;
}

static gboolean load(Acme *acme, const Id *message, Matter *matter, GError **error) {
  Received *received = &matter->received;
  return received_hold(acme, message, received, error) &&
         account_find(acme->store, &received->authorization->account_id, &matter->account, error) ==
             STORE_FOUND &&
         (received->challenge->token1 == NULL || expect_digests(acme, matter, error));
}

/* After the end of its authorization a message decides nothing, and is examined no more. */
static gboolean is_over(Acme *acme, gint64 now, const Received *received, gboolean *over,
                        GError **error) {
  *over = received->authorization->expires_at <= now;
  return !*over || message_judge(acme->store, &received->message->id, verdict_names[JUDGE_IGNORED],
                                 NULL, "not examined in time", "", NULL, error) != STORE_FAILED;
}

gboolean judge_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error) {
  g_auto(Received) received = {0};
  gboolean over = FALSE;
  if (!received_load(acme, &job->subject, &received, error) ||
      (received.message->verdict == NULL && !is_over(acme, now, &received, &over, error)))
    return FALSE;
  const Message *message = received.message;
  if (message->verdict != NULL || over)
    return job_done(acme->store, job, error);
  question->kind = job->kind == JOB_BOUNCE ? QUESTION_BOUNCE : QUESTION_EXAMINE;
  question->challenge = message->challenge_id;
  question->octets = g_bytes_ref(message->octets);
  question->date = message->at;
  return TRUE;
}

/* A challenge that test mode fails is undecided until the client responds to it. */
static JudgeVerdict judge_in_test_mode(const Acme *acme, const Matter *matter, JudgeVerdict verdict,
                                       const char **rule) {
  g_autoptr(Problem) forced = test_mode_fails(acme, matter->received.authorization->canonical);
  if (verdict != JUDGE_PASSED || forced == NULL)
    return verdict;
  *rule = "test mode";
  return JUDGE_IGNORED;
}

static char *judged_with(const Acme *acme) {
  return judge_settings_text(config_is(acme->config, "mail.reply-headers", "strict"),
                             config_is(acme->config, "mail.local-part-case", "exact"));
}

static JudgeVerdict judge(Acme *acme, const Matter *matter, const ReplyFacts *facts,
                          GPtrArray *signatures, const char **rule, Problem **problem) {
  const Challenge *challenge = matter->received.challenge;
  JudgeCase c = {
      .token1 = challenge->token1,
      .mailbox = matter->received.mailbox,
      .digest = matter->digest,
      .former_digests = matter->former_digests,
      .received_at = matter->received.message->at,
      .deadline = challenge->deadline,
      .decided = !state_challenge_is_open(challenge, matter->received.authorization,
                                          clock_now(acme->clock)),
  };
  g_autofree char *settings = judged_with(acme);
  judge_settings_read(&c, settings);
  *rule = "token";
  *problem = NULL;
  if (challenge->token1 == NULL)
    return JUDGE_IGNORED;
  JudgeVerdict verdict = judge_reply(&c, facts, signatures, rule, problem);
  return judge_in_test_mode(acme, matter, verdict, rule);
}

/* What the verdict does to the challenge. */
static gboolean apply(Acme *acme, gint64 now, const Received *received, JudgeVerdict verdict,
                      const char *rule, const Problem *problem, GError **error) {
  const Id *challenge = &received->challenge->id;
  if (verdict == JUDGE_PASSED)
    return state_challenge_passed(acme, now, challenge, received->authorization, error);
  if (verdict == JUDGE_WRONG)
    return state_challenge_failed(acme, now, challenge, problem, error);
  return verdict == JUDGE_IGNORED ||
         state_challenge_noted(acme, now, challenge, rule, problem, error);
}

gboolean job_examined(Acme *acme, const Question *question, const ReplyFacts *facts,
                      GPtrArray *signatures, GPtrArray *answers, const char *evidence,
                      GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_auto(Matter) matter = {0};
  g_autoptr(Problem) problem = NULL;
  const char *rule = NULL;
  if (!load(acme, &job->subject, &matter, error) ||
      !perspective_record(acme, &job->subject, answers, error))
    return FALSE;
  g_autofree char *seen = perspective_judge_keys(acme->config, signatures, answers);
  JudgeVerdict verdict = judge(acme, &matter, facts, signatures, &rule, &problem);

  gint64 retry_at = now + job_delay(retry_steps, G_N_ELEMENTS(retry_steps), job->attempts);
  if (verdict == JUDGE_AGAIN && retry_at < matter.received.authorization->expires_at) {
    /* The first failure of the DNS is shown, so that nobody waits without knowing for what. */
    return (job->attempts > 1 ||
            apply(acme, now, &matter.received, verdict, rule, problem, error)) &&
           job_waits_for(acme, job, error, "DKIM keys (DNS): %s", problem->detail) &&
           job_again(acme->store, job, retry_at, TRUE, error);
  }
  const char *reason = problem != NULL ? problem->detail : facts->refused;
  g_autofree char *settings = judged_with(acme);
  StoreChange judged = message_judge(acme->store, &job->subject, verdict_names[verdict], rule,
                                     reason, evidence, settings, error);
  if (judged == STORE_FAILED)
    return FALSE;
  return (judged == STORE_UNCHANGED ||
          (record(acme, now, "reply judged",
                  (About){.challenge = &matter.received.challenge->id, .message = &job->subject},
                  error, "verdict", verdict_names[verdict], "rule", rule, "from", facts->from,
                  "message-id", facts->message_id, "reason", reason, "perspectives", seen, NULL) &&
           apply(acme, now, &matter.received, verdict, rule, problem, error))) &&
         job_done(acme->store, job, error);
}
