/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/sort_job.h"
#include "acme/job_run.h"
#include "acme/record.h"
#include "acme/state.h"
#include "base/log.h"
#include "store/challenge.h"
#include "store/message.h"
#include "store/stray.h"

#define LONGEST CLOCK_DAY /* that a message waits to be examined */

char *sort_address(const Acme *acme) {
  return g_strconcat("acme-challenge@", config_text(acme->config, "mail.domain"), NULL);
}

gboolean sort_is_signed(const Acme *acme) {
  return config_given(acme->config, "mail.smime-certificate");
}

gboolean sort_recipient(Acme *acme, gint64 now, const char *address, gboolean *open, gboolean *room,
                        GError **error) {
  g_autofree char *fixed = sort_address(acme);
  *open = *room = FALSE;
  if (g_ascii_strcasecmp(address, fixed) != 0)
    return TRUE;
  StoreFind found = challenge_has_open_from(acme->store, fixed, now, error);
  StoreFind has_room = found != STORE_LOOKUP_FAILED ? stray_has_room(acme->store, error) : found;
  *open = found == STORE_FOUND;
  *room = has_room == STORE_FOUND;
  return has_room != STORE_LOOKUP_FAILED;
}

gboolean sort_take(Acme *acme, gint64 now, const IncomingMail *mail, const Id *raw, gboolean *kept,
                   GError **error) {
  Stray stray = {.id = acme_id(acme, now),
                 .raw_id = *raw,
                 .at = now,
                 .peer = (char *)mail->peer,
                 .helo = (char *)mail->helo,
                 .reverse_path = (char *)mail->reverse_path,
                 .tls = mail->tls};
  StoreChange added = stray_insert(acme->store, &stray, error);
  *kept = added == STORE_CHANGED;
  return added == STORE_UNCHANGED ||
         (added == STORE_CHANGED && job_add(acme->store, JOB_SORT, &stray.id, now, error));
}

static gboolean drop(Acme *acme, const Job *job, const Stray *stray, const char *why,
                     GError **error) {
  log_info("mail dropped", "peer", stray->peer, "from", stray->reverse_path, "reason", why, NULL);
  return stray_remove(acme->store, stray, error) && job_done(acme->store, job, error);
}

gboolean sort_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                        GError **error) {
  g_autoptr(Stray) stray = NULL;
  if (stray_find(acme->store, &job->subject, &stray, error) != STORE_FOUND)
    return FALSE;
  if (stray->at + LONGEST <= now)
    return drop(acme, job, stray, "not examined in time", error);
  question->kind = QUESTION_SORT;
  question->octets = g_bytes_ref(stray->octets);
  question->date = stray->at;
  return TRUE;
}

/* Its sender was told that it was taken: whoever waits for it is told that it was not kept. */
static gboolean turn_away(Acme *acme, gint64 now, const Job *job, const Stray *stray,
                          const Challenge *challenge, GError **error) {
  g_autoptr(Problem) problem = problem_new(
      PROBLEM_UNAUTHORIZED, 0,
      "A reply was refused: its challenge had too many messages before it; order anew.");
  return state_challenge_noted_again(acme, now, &challenge->id, "room", problem, error) &&
         drop(acme, job, stray, "too many messages for its challenge", error);
}

/* Becomes a message of the challenge, within its bounds. */
static gboolean attach(Acme *acme, gint64 now, const Job *job, const Stray *stray,
                       const Challenge *challenge, GError **error) {
  StoreChange counted = challenge_count_mail(acme->store, &challenge->id,
                                             (gint64)g_bytes_get_size(stray->octets), error);
  if (counted == STORE_FAILED)
    return FALSE;
  if (counted == STORE_UNCHANGED)
    return turn_away(acme, now, job, stray, challenge, error);
  Message message = {.id = acme_id(acme, now),
                     .challenge_id = challenge->id,
                     .direction = (char *)"in",
                     .at = stray->at,
                     .peer = stray->peer,
                     .helo = stray->helo,
                     .reverse_path = stray->reverse_path,
                     .tls = stray->tls};
  return message_insert(acme->store, &message, &stray->raw_id, error) &&
         job_add(acme->store, JOB_JUDGE, &message.id, now, error) &&
         record(acme, now, "mail received",
                (About){.challenge = &challenge->id, .message = &message.id}, error, "peer",
                stray->peer, "from", stray->reverse_path, NULL) &&
         stray_remove(acme->store, stray, error) && job_done(acme->store, job, error);
}

/* What inbound says leads to a challenge and no further: the message is examined and judged anew.
 */
gboolean job_sorted(Acme *acme, const Question *question, const ReplyFacts *facts, GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_autoptr(Stray) stray = NULL;
  g_autoptr(Challenge) challenge = NULL;
  StoreFind found = stray_find(acme->store, &job->subject, &stray, error);
  if (found != STORE_FOUND)
    return found == STORE_MISSING && job_done(acme->store, job, error);
  found = challenge_find_by_token(acme->store, facts->token, &challenge, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  if (found == STORE_MISSING)
    return drop(acme, job, stray, "no challenge has the token of its Subject", error);
  return attach(acme, now, job, stray, challenge, error);
}
