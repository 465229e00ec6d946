/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/job_run.h"
#include "acme/crl_job.h"
#include "acme/issuance.h"
#include "acme/notice_job.h"
#include "acme/record.h"
#include "acme/state.h"
#include "base/base64url.h"
#include "base/log.h"
#include "store/audit.h"
#include "store/challenge.h"
#include "store/purge.h"
#include "store/rate.h"

#define SWEEP_INTERVAL (30 * CLOCK_SECOND)
#define SWEEP_LIMIT 100
#define CLOSE_LIMIT 50
#define PURGE_INTERVAL (10 * CLOCK_MINUTE)
#define PURGE_LIMIT 10 /* orders, each with up to 20 authorizations */
#define PURGE_ROWS 400 /* small ones */
#define UNANSWERED_DELAY ((gint64)200)

void question_clear(Question *question) {
  if (question->beside != NULL)
    question_clear(question->beside);
  g_free(question->beside);
  g_free(question->envelope_from);
  g_free(question->from);
  g_free(question->reply_to);
  g_free(question->to);
  g_free(question->token);
  g_free(question->message_id);
  g_free(question->notice);
  g_free(question->serial);
  g_free(question->issuer);
  g_free(question->incident);
  g_free(question->mailboxes);
  g_free(question->refusing);
  g_clear_pointer(&question->octets, g_bytes_unref);
  g_free(question->domain);
  g_clear_pointer(&question->fields.serial, g_bytes_unref);
  g_clear_pointer(&question->fields.spki, g_bytes_unref);
  g_strfreev(question->names);
  g_free(question->crl_url);
  g_free(question->issuer_url);
  g_clear_pointer(&question->authority, g_bytes_unref);
  g_clear_pointer(&question->crl.entries, g_ptr_array_unref);
}

gboolean job_anew(Acme *acme, const Job *job, GError **error) {
  return job_done(acme->store, job, error) &&
         job_add(acme->store, job->kind, &job->subject, clock_now(acme->clock), error);
}

gboolean job_is_awaited(Acme *acme, const Question *question) {
  g_autoptr(Challenge) challenge = NULL;
  if ((question->kind != QUESTION_EXAMINE && question->kind != QUESTION_DELIVER) ||
      challenge_find(acme->store, &question->challenge, &challenge, NULL) != STORE_FOUND)
    return TRUE;
  return question->kind == QUESTION_EXAMINE ? challenge->responded_at != 0
                                            : challenge->passed_at != 0;
}

gint64 job_delay(const gint64 *steps, gsize count, gint64 attempt) {
  gsize step = attempt <= 1 ? 0 : (gsize)attempt - 1;
  return steps[MIN(step, count - 1)];
}

gboolean job_waits_for(Acme *acme, const Job *job, GError **error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *text = g_strdup_vprintf(format, values);
  va_end(values);
  return job_say(acme->store, job->kind, &job->subject, text, error);
}

/* Whoever is asked may take his time, or be gone. */
static gboolean say_who_is_asked(Acme *acme, Question *question, GError **error) {
  static const char *const asked[] = {
      [QUESTION_DELIVER] = "the relay",       [QUESTION_NOTICE] = "the relay",
      [QUESTION_EXAMINE] = "DKIM keys (DNS)", [QUESTION_BOUNCE] = "its examination",
      [QUESTION_CAA] = "CAA records (DNS)",   [QUESTION_BUILD] = "the signer",
      [QUESTION_LINT] = "the outside linter", [QUESTION_SIGN] = "the signer",
      [QUESTION_IODEF] = "the relay",         [QUESTION_CRL] = "the signer",
      [QUESTION_CHECKPOINT] = "the signer",
  };
  Job *job = &question->job;
  const char *who = asked[question->kind];
  if (question->kind == QUESTION_NONE || (!job->said && g_strcmp0(who, job_asks[job->kind]) == 0))
    return TRUE;
  job->said = TRUE;
  return job_say(acme->store, job->kind, &job->subject, who, error);
}

gboolean job_begin(Acme *acme, const Job *job, Question *question, GError **error) {
  static gboolean (*const begin[JOB_KINDS])(Acme *, gint64, const Job *, Question *, GError **) = {
      [JOB_MAIL] = mail_job_begin,
      [JOB_JUDGE] = judge_job_begin,
      [JOB_BOUNCE] = judge_job_begin,
      [JOB_ISSUE] = issue_job_begin,
      [JOB_CRL] = crl_job_begin,
      [JOB_SWEEP] = sweep_job_begin,
      [JOB_CLOSE] = close_job_begin,
      [JOB_REVOKE] = revoke_job_begin,
      [JOB_PURGE] = purge_job_begin,
      [JOB_NOTICE] = notice_job_begin,
      [JOB_IODEF] = iodef_job_begin,
      [JOB_SORT] = sort_job_begin,
      [JOB_CHECKPOINT] = checkpoint_job_begin,
  };
  question->job = *job;
  return begin[job->kind](acme, clock_now(acme->clock), job, question, error) &&
         say_who_is_asked(acme, question, error);
}

/* A message may itself be what ends the process that examines it: the attempt counts, and the waits
 * grow. */
static const gint64 unexamined_steps[] = {UNANSWERED_DELAY, UNANSWERED_DELAY,  CLOCK_SECOND,
                                          5 * CLOCK_SECOND, 30 * CLOCK_SECOND, 2 * CLOCK_MINUTE,
                                          10 * CLOCK_MINUTE};

gboolean job_unanswered(Acme *acme, const Job *job, GError **error) {
  gint64 now = clock_now(acme->clock);
  if (job->kind != JOB_JUDGE && job->kind != JOB_BOUNCE && job->kind != JOB_SORT)
    return job_again(acme->store, job, now + UNANSWERED_DELAY, FALSE, error);
  gint64 wait = job_delay(unexamined_steps, G_N_ELEMENTS(unexamined_steps), job->attempts);
  return job_again(acme->store, job, now + wait, TRUE, error);
}

static void warn_of_root_lists(const Acme *acme, gint64 now) {
  gint64 ahead = config_number(acme->config, "ca.root-crl-warning");
  for (guint i = 0; acme->root_lists != NULL && i < acme->root_lists->len; i++) {
    AcmeRootList *root = acme->root_lists->pdata[i];
    g_autofree char *warning = root_list_warning(&root->list, now, ahead);
    if (warning != NULL)
      log_warning("root's revocation list ends", "key", root->key, "reason", warning, NULL);
  }
}

gboolean sweep_job_begin(Acme *acme, gint64 now, const Job *job, Question *question G_GNUC_UNUSED,
                         GError **error) {
  g_autofree char *held = NULL;
  if (!issuance_held(acme, now, &held, error))
    return FALSE;
  if (held != NULL)
    log_warning("issuance held", "reason", held, NULL);
  warn_of_root_lists(acme, now);
  return crl_watch(acme, now, error) && state_sweep(acme, now, SWEEP_LIMIT, error) &&
         notice_sweep(acme, now, SWEEP_LIMIT, error) &&
         job_again(acme->store, job, now + SWEEP_INTERVAL, FALSE, error);
}

gboolean close_job_begin(Acme *acme, gint64 now, const Job *job, Question *question G_GNUC_UNUSED,
                         GError **error) {
  gboolean more = FALSE;
  return state_close_account(acme, now, &job->subject, CLOSE_LIMIT, &more, error) &&
         (more ? job_again(acme->store, job, now, FALSE, error)
               : job_done(acme->store, job, error));
}

/* Certificates whose retention is over, with all that led to them; each removal is recorded. */
static gboolean purge_certificates(Acme *acme, gint64 now, guint *removed, GError **error) {
  gint64 ended_before = now - config_number(acme->config, "ca.retention");
  g_autoptr(GPtrArray) ended = purge_ended(acme->store, ended_before, PURGE_LIMIT, error);
  gboolean good = ended != NULL;
  for (guint i = 0; good && i < ended->len; i++) {
    const PurgeEnded *one = ended->pdata[i];
    gsize size = 0;
    const void *octets = one->serial != NULL ? g_bytes_get_data(one->serial, &size) : "";
    g_autofree char *serial = base64url_encode(octets, size);
    good = record(acme, now, "certificate removed",
                  (About){.order = &one->order, .certificate = &one->certificate}, error, "serial",
                  serial, "reason", "its retention is over", NULL) &&
           purge_remove(acme->store, one, error);
  }
  *removed = good ? ended->len : 0;
  return good;
}

gboolean purge_job_begin(Acme *acme, gint64 now, const Job *job, Question *question G_GNUC_UNUSED,
                         GError **error) {
  guint removed = 0, certificates = 0;
  gboolean more = FALSE, more_nonces = FALSE;
  gint64 expired_before = now - config_number(acme->config, "store.keep-failed");
  if (!purge_failed(acme->store, expired_before, PURGE_LIMIT, &removed, error) ||
      !purge_certificates(acme, now, &certificates, error) ||
      !rate_purge(acme->store, now, PURGE_ROWS, &more, error) ||
      !nonces_purge(acme->nonces, acme->store, now, PURGE_ROWS, &more_nonces, error))
    return FALSE;
  g_autofree char *count = g_strdup_printf("%u", removed);
  return (removed == 0 ||
          record(acme, now, "failed orders removed", (About){NULL}, error, "count", count, NULL)) &&
         job_again(acme->store, job,
                   more || more_nonces || MAX(removed, certificates) >= PURGE_LIMIT
                       ? now
                       : now + PURGE_INTERVAL,
                   FALSE, error);
}

/* Each core has a chain of the audit log to itself. */
static gboolean add_checkpoint_job(Acme *acme, gint64 now, GError **error) {
  static const Id none = {{0}};
  AuditCheckpoint head;
  g_autoptr(GBytes) key = NULL;
  return audit_head(acme->store, &head, &key, error) &&
         job_add_own(acme->store, JOB_CHECKPOINT,
                     store_is_shared(acme->store) ? &head.chain : &none, now, error);
}

gboolean jobs_start(Acme *acme, GError **error) {
  static const Id none = {{0}};
  gint64 now = clock_now(acme->clock);
  Id chain = acme_id(acme, now);
  gboolean stopped = FALSE;
  return audit_was_stopped(acme->store, &stopped, error) &&
         audit_begin(acme->store, now, &chain, error) &&
         record(acme, now, "core started", (About){NULL}, error, "version", SIGNET_VERSION,
                "before", stopped ? NULL : "ended without a stop", NULL) &&
         job_release_all(acme->store, error) &&
         job_add(acme->store, JOB_SWEEP, &none, now, error) &&
         job_add(acme->store, JOB_PURGE, &none, now, error) &&
         add_checkpoint_job(acme, now, error) && crl_start(acme, now, error);
}
