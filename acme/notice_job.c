/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/notice_job.h"
#include "acme/challenge_mail_job.h"
#include "acme/issuing_ca.h"
#include "acme/job_run.h"
#include "acme/record.h"
#include "base/hex.h"
#include "store/notice.h"

#include <openssl/x509.h>
#include <string.h>

#define MESSAGE_ID_LENGTH 26
#define ISSUANCE_LIFE (3 * CLOCK_DAY) /* later it is no news */

static const gint64 retry_steps[] = {CLOCK_MINUTE,     2 * CLOCK_MINUTE,  4 * CLOCK_MINUTE,
                                     8 * CLOCK_MINUTE, 15 * CLOCK_MINUTE, 30 * CLOCK_MINUTE,
                                     CLOCK_HOUR};

char *notice_sender(const Acme *acme) {
  return g_strdup_printf("acme-notice@%s", config_text(acme->config, "mail.domain"));
}

gint64 notice_delay(gint64 attempt) {
  return job_delay(retry_steps, G_N_ELEMENTS(retry_steps), attempt);
}

static gboolean wanted(const Acme *acme, const char *kind) {
  return config_is(acme->config, "mail.notices", kind) ||
         config_is(acme->config, "mail.notices", "both");
}

static gboolean queue(Acme *acme, gint64 now, const Certificate *certificate,
                      const Authorization *authorization, const char *kind, GError **error) {
  g_autofree char *word = acme_random_word(acme, MESSAGE_ID_LENGTH);
  g_autofree char *message_id =
      g_strdup_printf("<%s@%s>", word, config_text(acme->config, "mail.domain"));
  Notice notice = {.id = acme_id(acme, now),
                   .certificate_id = certificate->id,
                   .authz_id = authorization->id,
                   .kind = (char *)kind,
                   .message_id = message_id,
                   .created_at = now};
  StoreChange added = notice_insert(acme->store, &notice, error);
  if (added != STORE_CHANGED)
    return added == STORE_UNCHANGED;
  return job_add(acme->store, JOB_NOTICE, &notice.id, now, error) &&
         record(acme, now, "notice queued",
                (About){.authorization = &authorization->id, .certificate = &certificate->id},
                error, "notice", kind, "to", authorization->address, NULL);
}

gboolean notice_issued(Acme *acme, gint64 now, const Certificate *certificate, GError **error) {
  if (!wanted(acme, NOTICE_ISSUANCE))
    return TRUE;
  g_autoptr(GPtrArray) all = authorization_list(acme->store, &certificate->order_id, error);
  for (guint i = 0; all != NULL && i < all->len; i++)
    if (!queue(acme, now, certificate, all->pdata[i], NOTICE_ISSUANCE, error))
      return FALSE;
  return all != NULL;
}

static gboolean see_to_end(Acme *acme, gint64 now, const Id *id, GError **error) {
  g_autoptr(Certificate) certificate = NULL;
  if (certificate_find(acme->store, id, &certificate, error) != STORE_FOUND)
    return FALSE;
  g_autoptr(GPtrArray) all = authorization_list(acme->store, &certificate->order_id, error);
  for (guint i = 0; all != NULL && i < all->len; i++) {
    const Authorization *authorization = all->pdata[i];
    StoreFind newer = notice_has_newer(acme->store, id, authorization->canonical, error);
    if (newer == STORE_LOOKUP_FAILED ||
        (newer == STORE_MISSING &&
         !queue(acme, now, certificate, authorization, NOTICE_EXPIRY, error)))
      return FALSE;
  }
  return all != NULL && notice_set_ending_seen(acme->store, id, error);
}

gboolean notice_sweep(Acme *acme, gint64 now, guint limit, GError **error) {
  if (!wanted(acme, NOTICE_EXPIRY))
    return TRUE;
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  if (!notice_list_ending(acme->store, now, config_number(acme->config, "mail.expiry-notice"),
                          limit, ids, error))
    return FALSE;
  for (guint i = 0; i < ids->len; i++)
    if (!see_to_end(acme, now, &g_array_index(ids, Id, i), error))
      return FALSE;
  return TRUE;
}

/* --- the job
 * ----------------------------------------------------------------------------------- */

/* What a notice is about. */
typedef struct {
  Notice *notice;
  Certificate *certificate;
  Authorization *authorization;
} Matter;

static void matter_clear(Matter *matter) {
  notice_free(matter->notice);
  certificate_row_free(matter->certificate);
  authorization_free(matter->authorization);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Matter, matter_clear)

static gboolean load(Acme *acme, const Id *id, Matter *matter, GError **error) {
  return notice_find(acme->store, id, &matter->notice, error) == STORE_FOUND &&
         certificate_find(acme->store, &matter->notice->certificate_id, &matter->certificate,
                          error) == STORE_FOUND &&
         authorization_find(acme->store, &matter->notice->authz_id, &matter->authorization,
                            error) == STORE_FOUND;
}

/* Whether it still has something to say; what happened meanwhile may have made it wrong. */
static gboolean is_due(Acme *acme, gint64 now, const Matter *matter, gboolean *due,
                       GError **error) {
  const Notice *notice = matter->notice;
  *due = FALSE;
  if (notice->sent_at != 0 || !wanted(acme, notice->kind))
    return TRUE;
  if (strcmp(notice->kind, NOTICE_ISSUANCE) == 0)
    return *due = now < notice->created_at + ISSUANCE_LIFE, TRUE;
  if (matter->certificate->revoked_at != 0 || matter->certificate->not_after <= now)
    return TRUE;
  StoreFind newer = notice_has_newer(acme->store, &matter->certificate->id,
                                     matter->authorization->canonical, error);
  *due = newer == STORE_MISSING;
  return newer != STORE_LOOKUP_FAILED;
}

/* RFC 4514, as others show it; the caller frees it. */
static char *issuer_name(const Issuer *issuer) {
  BIO *out = BIO_new(BIO_s_mem());
  char *data = NULL;
  X509_NAME_print_ex(out, X509_get_subject_name(issuer->certificate), 0,
                     (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) |
                         XN_FLAG_SEP_CPLUS_SPC);
  long length = BIO_get_mem_data(out, &data);
  char *name = g_strndup(data, (gsize)length);
  BIO_free(out);
  return name;
}

gboolean notice_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                          GError **error) {
  g_auto(Matter) matter = {0};
  gboolean due = FALSE;
  if (!load(acme, &job->subject, &matter, error) || !is_due(acme, now, &matter, &due, error))
    return FALSE;
  if (!due)
    return job_done(acme->store, job, error);
  IssuingCa ca;
  StoreFind found = issuing_ca_of_shard(acme, matter.certificate->shard, &ca, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  if (found == STORE_MISSING) /* its CA is not configured; the log says so for its list */
    return job_again(acme->store, job, now + CLOCK_HOUR, FALSE, error);
  question->kind = QUESTION_NOTICE;
  question->notice = g_strdup(matter.notice->kind);
  question->from = notice_sender(acme);
  question->to = g_strdup(challenge_mail_to(matter.authorization));
  question->message_id = g_strdup(matter.notice->message_id);
  question->serial = hex_encode(matter.certificate->serial);
  question->issuer = issuer_name(ca.issuer);
  question->not_before = matter.certificate->not_before;
  question->not_after = matter.certificate->not_after;
  question->date = now;
  return TRUE;
}

gboolean job_notice_delivered(Acme *acme, const Question *question, const Delivery *delivery,
                              GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_auto(Matter) matter = {0};
  if (!load(acme, &job->subject, &matter, error))
    return FALSE;
  const About about = {.authorization = &matter.authorization->id,
                       .certificate = &matter.certificate->id};
  if (matter.notice->sent_at != 0) /* an answer that comes twice changes nothing */
    return job_done(acme->store, job, error);
  if (delivery->outcome == SENDER_ACCEPTED)
    return notice_set_sent(acme->store, &job->subject, now, error) == STORE_CHANGED &&
           record(acme, now, "notice sent", about, error, "notice", question->notice, "to",
                  question->to, "relay", delivery->text, NULL) &&
           job_done(acme->store, job, error);
  if (delivery->outcome == SENDER_PERMANENT)
    return record(acme, now, "notice refused", about, error, "notice", question->notice, "to",
                  question->to, "relay", delivery->text, NULL) &&
           job_done(acme->store, job, error);
  return job_again(acme->store, job, now + notice_delay(job->attempts), TRUE, error);
}
