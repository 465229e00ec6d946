/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/issue_caa.h"
#include "acme/iodef_job.h"
#include "acme/issue_job.h"
#include "acme/perspective_judge.h"
#include "acme/record.h"
#include "acme/state.h"
#include "base/hex.h"
#include "store/caa_check.h"
#include "store/lock.h"

#include <string.h>

#define CAA_MAX_AGE CLOCK_HOUR /* at signing; S/MIME BR 4.2.2.1 allows 8 hours */
#define CAA_QUIET_ATTEMPTS 5   /* within a minute: no word of them yet, and never fewer */

/* First for a packet lost or a server that restarts, then for an outage, at whose end no order
   waits long. */
static const gint64 caa_retry_steps[] = {CLOCK_SECOND,      3 * CLOCK_SECOND, 10 * CLOCK_SECOND,
                                         30 * CLOCK_SECOND, CLOCK_MINUTE,     2 * CLOCK_MINUTE,
                                         5 * CLOCK_MINUTE};

gboolean issue_caa_stale(Acme *acme, gint64 now, const Order *order, char **domain,
                         GError **error) {
  *domain = NULL;
  return !config_is(acme->config, "ca.caa", "on") ||
         caa_check_next(acme->store, &order->id, MAX(order->finalized_at, now - CAA_MAX_AGE),
                        domain, error);
}

static char *records_text(const CaaRecordSet *set) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < set->records->len; i++) {
    g_autofree char *record = caa_record_text(set->records->pdata[i]);
    g_string_append_printf(text, "%s%s", i > 0 ? "; " : "", record);
  }
  return g_strdup(text->str);
}

static char *rdata_text(const CaaRecordSet *set) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < set->records->len; i++) {
    g_autofree char *octets = hex_encode(set->records->pdata[i]);
    g_string_append_printf(text, "%s%s", i > 0 ? " " : "", octets);
  }
  return g_strdup(text->str);
}

/* What is permitted here must be permitted elsewhere too. */
static CaaVerdict judge_caa(Acme *acme, const CaaRequest *request, const char *domain,
                            const CaaRecordSet *set, GPtrArray *answers, char **explanation) {
  g_autofree char *elsewhere = NULL, *here = NULL;
  CaaVerdict verdict = caa_judge(set, request, &here);
  if (verdict == CAA_PERMITTED)
    verdict = perspective_judge_caa(acme->config, request, domain, answers, &elsewhere);
  if (elsewhere == NULL)
    *explanation = g_steal_pointer(&here);
  else
    *explanation = verdict == CAA_PERMITTED ? g_strdup_printf("%s; %s", here, elsewhere)
                                            : g_steal_pointer(&elsewhere);
  return verdict;
}

/* Nothing is issued meanwhile (ca-rules 10), but whoever answered a mail for the order need not do
   so again because a name server was away: it waits as long as it may live, and says for what. */
static gboolean ask_caa_again(Acme *acme, gint64 now, const Question *question, gint64 retry_at,
                              const char *explanation, GError **error) {
  const Job *job = &question->job;
  if (!job_waits_for(acme, job, error, "the CAA records of %s (DNS): %s", question->domain,
                     explanation) ||
      !job_again(acme->store, job, retry_at, TRUE, error))
    return FALSE;
  if (job->attempts < CAA_QUIET_ATTEMPTS)
    return TRUE;
  g_autoptr(Problem) problem =
      problem_new(PROBLEM_DNS, 0,
                  "The CAA records of %s could not be had yet: %s; they will be asked for again "
                  "until the order expires. See to the domain's DNS, or wait.",
                  question->domain, explanation);
  return state_order_delayed(acme, now, &job->subject, problem, error);
}

gboolean job_caa_answered(Acme *acme, Question *question, const CaaRecordSet *set,
                          GPtrArray *answers, GError **error) {
  static const char *const verdicts[] = {
      [CAA_PERMITTED] = "permitted", [CAA_FORBIDDEN] = "forbidden", [CAA_TRY_AGAIN] = "failed"};
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_autoptr(Order) order = NULL;
  g_autofree char *explanation = NULL;
  if (!store_lock_order(acme->store, &job->subject, error) ||
      order_find(acme->store, &job->subject, &order, error) != STORE_FOUND)
    return FALSE;
  g_autofree char *account = acme_url(acme, "account", &order->account_id, "");
  CaaRequest request = {config_list(acme->config, "ca.caa-identities"), account, "email-reply-00"};
  CaaVerdict verdict = judge_caa(acme, &request, question->domain, set, answers, &explanation);
  g_autofree char *records = records_text(set);
  g_autofree char *rdata = rdata_text(set);
  /* It came after finalize, whatever the clock of the node that took that says. */
  gint64 at = MAX(now, order->finalized_at);
  CaaCheck check = {order->id, question->domain, at,   verdicts[verdict], set->secure, explanation,
                    records,   set->found_at,    rdata};
  if (!caa_check_insert(acme->store, &check, error) ||
      !perspective_record(acme, &order->id, answers, error) ||
      !record(acme, now, "caa checked", (About){.order = &order->id}, error, "domain",
              question->domain, "verdict", verdicts[verdict], "reason", explanation, NULL))
    return FALSE;
  if (strcmp(order->status, "processing") != 0)
    return issue_next_step(acme, question, error);
  if (verdict == CAA_PERMITTED)
    return state_order_delayed(acme, now, &order->id, NULL, error) &&
           issue_next_step(acme, question, error);
  gint64 retry_at = now + job_delay(caa_retry_steps, G_N_ELEMENTS(caa_retry_steps), job->attempts);
  if (verdict == CAA_TRY_AGAIN &&
      (job->attempts < CAA_QUIET_ATTEMPTS || retry_at < order->expires_at))
    return ask_caa_again(acme, now, question, retry_at, explanation, error);
  gboolean dns = verdict == CAA_TRY_AGAIN || set->outcome == RESOLVER_BOGUS;
  g_autoptr(Problem) problem =
      dns ? problem_new(
                PROBLEM_DNS, 0,
                "The CAA records of %s could not be had: %s; see to its DNS and order anew.",
                question->domain, explanation)
          : problem_new(PROBLEM_CAA, 0,
                        "The CAA records of %s forbid the certificate: %s; caaIdentities in the "
                        "directory has the names that an issuemail record can permit.",
                        question->domain, explanation);
  return iodef_refused(acme, now, order, question->domain, set, &request, error) &&
         issue_fail_order(acme, now, job, problem, error);
}
