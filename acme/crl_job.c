/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/crl_job.h"
#include "acme/issuing_ca.h"
#include "acme/job_run.h"
#include "acme/record.h"
#include "base/log.h"
#include "ca/certificate_read.h"
#include "store/crl_shard.h"

#include <string.h>

#define RETRY (10 * CLOCK_SECOND)
#define MISSING_RETRY (10 * CLOCK_MINUTE)
#define LATE (10 * CLOCK_MINUTE) /* that nobody need be told of */

Id crl_subject(gint64 shard) {
  Id subject = {{0}};
  guint32 number = GUINT32_TO_BE((guint32)shard);
  memcpy(subject.octets + ID_OCTETS - sizeof(number), &number, sizeof(number));
  return subject;
}

static gint64 shard_of(const Id *subject) {
  guint32 number = 0;
  memcpy(&number, subject->octets + ID_OCTETS - sizeof(number), sizeof(number));
  return GUINT32_FROM_BE(number);
}

static char *file_name(gint64 shard) {
  return g_strdup_printf("crl-%" G_GINT64_FORMAT ".crl", shard);
}

char *crl_url(const Acme *acme, gint64 shard) {
  g_autofree char *name = file_name(shard);
  return g_strconcat(config_text(acme->config, "publish.url"), name, NULL);
}

gboolean crl_start(Acme *acme, gint64 now, GError **error) {
  if (!issuing_cas_start(acme, error))
    return FALSE;
  g_autoptr(GPtrArray) shards = crl_shard_list(acme->store, error);
  if (shards == NULL)
    return FALSE;
  for (guint i = 0; i < shards->len; i++) {
    const CrlShard *shard = shards->pdata[i];
    g_autofree char *name = file_name(shard->number);
    Id subject = crl_subject(shard->number);
    gint64 due = shard->crl == NULL
                     ? now
                     : shard->this_update + config_number(acme->config, "ca.crl-interval");
    if (shard->crl != NULL)
      acme_publish(acme, name, shard->crl);
    if (!job_add(acme->store, JOB_CRL, &subject, MAX(due, now), error))
      return FALSE;
  }
  return TRUE;
}

static GPtrArray *entries_of(GPtrArray *revoked) {
  GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  for (guint i = 0; i < revoked->len; i++) {
    const RevokedCertificate *certificate = revoked->pdata[i];
    CrlEntry *entry = g_new0(CrlEntry, 1);
    entry->serial = g_bytes_ref(certificate->serial);
    entry->revoked_at = certificate->revoked_at;
    entry->reason = (int)certificate->reason;
    g_ptr_array_add(entries, entry);
  }
  return entries;
}

/* Whether a shard needs no list any more: its last certificate is over, on a list after that (if
   its CA is there to sign one), and no further one will come. One without certificates, of a CA
   that is not configured, needs none either. */
static gboolean is_over(Acme *acme, gint64 now, gint64 shard, gboolean configured, gboolean *over,
                        GError **error) {
  gint64 not_after = 0, made = 0;
  gboolean closed = FALSE;
  g_autoptr(GBytes) current = issuing_ca_current(acme);
  g_autoptr(GBytes) own = NULL;
  if (!crl_shard_end(acme->store, shard, &not_after, &closed, error) ||
      !crl_shard_made(acme->store, shard, &made, error) ||
      crl_shard_issuer(acme->store, shard, &own, error) != STORE_FOUND)
    return FALSE;
  gboolean open = !closed && g_bytes_equal(own, current);
  *over = !open &&
          (not_after != 0 ? not_after + CRL_KEEP_EXPIRED < now && (made > not_after || !configured)
                          : !configured);
  return TRUE;
}

/* An earlier CA that is missing in the configuration: its certificates cannot be checked soon. */
static gboolean wait_for_issuer(Acme *acme, gint64 now, const Job *job, gint64 shard,
                                GError **error) {
  g_autofree char *name = file_name(shard);
  log_error("revocation list not signed", "file", name, "reason",
            "its CA is not configured; give it as [issuer NAME] until its last certificate is over",
            NULL);
  return job_again(acme->store, job, now + MISSING_RETRY, FALSE, error);
}

gboolean crl_opened(Acme *acme, gint64 now, gint64 shard, GError **error) {
  g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(gint64));
  Id subject = crl_subject(shard);
  if (!crl_shard_others(acme->store, shard, others, error) ||
      !job_add(acme->store, JOB_CRL, &subject, now, error))
    return FALSE;
  if (others->len != 1)
    return TRUE;
  subject = crl_subject(g_array_index(others, gint64, 0));
  return job_add(acme->store, JOB_CRL, &subject, now, error);
}

gboolean crl_job_begin(Acme *acme, gint64 now, const Job *job, Question *question, GError **error) {
  gint64 shard = shard_of(&job->subject);
  g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(gint64));
  gboolean over = FALSE;
  IssuingCa ca;
  StoreFind found = issuing_ca_of_shard(acme, shard, &ca, error);
  if (found == STORE_LOOKUP_FAILED ||
      !is_over(acme, now, shard, found == STORE_FOUND, &over, error))
    return FALSE;
  if (over)
    return job_done(acme->store, job, error);
  if (found == STORE_MISSING)
    return wait_for_issuer(acme, now, job, shard, error);
  /* The number first: who gets a higher one of two at once sees all that the other saw. */
  if (!crl_shard_next_number(acme->store, shard, now, &question->crl.number, error) ||
      !crl_shard_others(acme->store, shard, others, error))
    return FALSE;
  g_autoptr(GPtrArray) revoked =
      crl_shard_entries(acme->store, shard, now - CRL_KEEP_EXPIRED, error);
  if (revoked == NULL)
    return FALSE;
  question->kind = QUESTION_CRL;
  question->authority = issuer_identifier(ca.issuer);
  question->shard = shard;
  question->crl_url = others->len > 0 ? crl_url(acme, shard) : NULL;
  question->crl.url = question->crl_url;
  question->crl.this_update = now;
  question->crl.next_update = now + config_number(acme->config, "ca.crl-lifetime");
  question->crl.entries = entries_of(revoked);
  return TRUE;
}

gboolean job_crl_signed(Acme *acme, const Question *question, GBytes *crl, const char *failure,
                        GError **error) {
  gint64 now = clock_now(acme->clock);
  CrlShard shard = {question->shard,
                    question->crl.number,
                    question->crl.this_update,
                    question->crl.next_update,
                    crl,
                    NULL};
  g_autofree char *name = file_name(shard.number);
  g_autoptr(GError) bad = NULL;
  IssuingCa ca;
  /* What is published is verified first. */
  if (*failure == '\0' && !issuing_ca_find(acme, question->authority, &ca))
    failure = "its CA is not configured";
  else if (*failure == '\0' && !crl_verify(crl, ca.issuer, shard.crl_number, &bad))
    failure = bad->message;
  if (*failure != '\0') {
    log_error("revocation list not signed", "file", name, "reason", failure, NULL);
    return job_again(acme->store, &question->job, now + RETRY, TRUE, error);
  }
  StoreChange kept = crl_shard_keep(acme->store, &shard, error);
  if (kept == STORE_FAILED)
    return FALSE;
  if (kept == STORE_CHANGED) {
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, shard.crl_number);
    g_autofree char *entries = g_strdup_printf("%u", question->crl.entries->len);
    g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, crl);
    acme_publish(acme, name, crl);
    if (!record(acme, now, "revocation list signed", (About){NULL}, error, "file", name, "number",
                number, "entries", entries, "sha256", digest, NULL))
      return FALSE;
  }
  return job_done(acme->store, &question->job, error) &&
         job_add(acme->store, JOB_CRL, &question->job.subject,
                 now + config_number(acme->config, "ca.crl-interval"), error);
}

gboolean crl_publish_newer(Acme *acme, GHashTable *before, GHashTable *now_there, GError **error) {
  GHashTableIter iter;
  gpointer shard = NULL, made = NULL;
  if (!crl_shard_list_made(acme->store, now_there, error))
    return FALSE;
  g_hash_table_iter_init(&iter, now_there);
  while (g_hash_table_iter_next(&iter, &shard, &made)) {
    const gint64 *known = g_hash_table_lookup(before, shard);
    g_autofree char *name = file_name(*(const gint64 *)shard);
    g_autoptr(GBytes) crl = NULL;
    if (known != NULL && *known == *(const gint64 *)made)
      continue;
    if (crl_shard_crl(acme->store, *(const gint64 *)shard, &crl, error) != STORE_FOUND)
      return FALSE;
    acme_publish(acme, name, crl);
  }
  return TRUE;
}

static void alarm_of(const GPtrArray *overdue) {
  const CrlShard *first = overdue->pdata[0];
  gint64 end = first->next_update;
  for (guint i = 1; i < overdue->len; i++)
    end = MIN(end, ((const CrlShard *)overdue->pdata[i])->next_update);
  g_autofree char *count = g_strdup_printf("%u", overdue->len);
  g_autofree char *name = file_name(first->number);
  g_autofree char *made = first->this_update != 0 ? clock_rfc3339(first->this_update) : NULL;
  g_autofree char *ends = end != 0 ? clock_rfc3339(end) : NULL;
  log_error("revocation lists overdue", "count", count, "first", name, "made", made, "next-update",
            ends, NULL);
}

/* A shard that needs no list any more has no job either. */
static gboolean leave_out_ended(Acme *acme, GPtrArray *shards, GError **error) {
  for (guint i = shards->len; i > 0; i--) {
    Job job;
    g_autofree char *waits_for = NULL;
    Id subject = crl_subject(((const CrlShard *)shards->pdata[i - 1])->number);
    StoreFind found = job_find(acme->store, JOB_CRL, &subject, &job, &waits_for, error);
    if (found == STORE_LOOKUP_FAILED)
      return FALSE;
    if (found == STORE_MISSING)
      g_ptr_array_remove_index(shards, i - 1);
  }
  return TRUE;
}

GPtrArray *crl_overdue(Acme *acme, gint64 now, GError **error) {
  gint64 interval = config_number(acme->config, "ca.crl-interval");
  g_autoptr(GPtrArray) overdue =
      crl_shard_overdue(acme->store, now - interval - LATE, now - LATE, error);
  return overdue != NULL && leave_out_ended(acme, overdue, error) ? g_steal_pointer(&overdue)
                                                                  : NULL;
}

gboolean crl_watch(Acme *acme, gint64 now, GError **error) {
  g_autoptr(GPtrArray) overdue = crl_overdue(acme, now, error);
  if (overdue == NULL)
    return FALSE;
  if (overdue->len > 0)
    alarm_of(overdue);
  return TRUE;
}
