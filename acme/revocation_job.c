/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/revocation_job.h"
#include "acme/job_run.h"
#include "acme/record.h"
#include "acme/revocation.h"

#define SETTLING (5 * CLOCK_SECOND)
#define BATCH 100 /* certificates of a key, orders of a mailbox or domain */

/* Others may be about to commit a certificate of before now. */
static gint64 settling(const Acme *acme) {
  return store_is_shared(acme->store) ? SETTLING : 0;
}

gboolean revocation_run_start(Acme *acme, gint64 now, RevocationRun *run, GError **error) {
  run->id = acme_id(acme, now);
  run->at = now;
  return revocation_run_insert(acme->store, run, error) &&
         job_add(acme->store, JOB_REVOKE, &run->id, now + settling(acme), error);
}

static gboolean revoke_one(Acme *acme, gint64 now, const Certificate *certificate,
                           RevocationRun *run, GError **error) {
  StoreChange revoked = revocation_enter(acme, now, certificate, (int)run->reason, run->by, error);
  run->revoked += revoked == STORE_CHANGED;
  return revoked != STORE_FAILED;
}

/* What is revoked leaves the list, so there is no place to keep. */
static gboolean revoke_of_key(Acme *acme, gint64 now, RevocationRun *run, gboolean *more,
                              GError **error) {
  g_autoptr(GPtrArray) certificates =
      certificate_list_by_key(acme->store, run->key_digest, BATCH, error);
  if (certificates == NULL)
    return FALSE;
  for (guint i = 0; i < certificates->len; i++)
    if (!revoke_one(acme, now, certificates->pdata[i], run, error))
      return FALSE;
  *more = certificates->len == BATCH;
  return TRUE;
}

static gboolean is_meant(const Certificate *certificate, const RevocationRun *run, gint64 now) {
  return certificate->der != NULL && certificate->revoked_at == 0 &&
         certificate->issued_at <= run->at && certificate->not_after > now;
}

static gboolean revoke_of_orders(Acme *acme, gint64 now, RevocationRun *run, gboolean *more,
                                 GError **error) {
  g_autoptr(GArray) orders = g_array_new(FALSE, FALSE, sizeof(Id));
  if (!revocation_run_orders(acme->store, run, BATCH, orders, error))
    return FALSE;
  for (guint i = 0; i < orders->len; i++) {
    g_autoptr(Certificate) certificate = NULL;
    run->after = g_array_index(orders, Id, i);
    StoreFind found = certificate_find_by_order(acme->store, &run->after, &certificate, error);
    if (found == STORE_LOOKUP_FAILED || (found == STORE_FOUND && is_meant(certificate, run, now) &&
                                         !revoke_one(acme, now, certificate, run, error)))
      return FALSE;
  }
  *more = orders->len == BATCH;
  return TRUE;
}

static gboolean finish(Acme *acme, gint64 now, const Job *job, RevocationRun *run, GError **error) {
  g_autofree char *count = g_strdup_printf("%" G_GINT64_FORMAT, run->revoked);
  run->done_at = now;
  return revocation_run_keep(acme->store, run, error) && job_done(acme->store, job, error) &&
         record(acme, now, "revocation of many done", (About){NULL}, error, "mailbox",
                run->canonical, "domain", run->domain, "revoked", count, "by", run->by, NULL);
}

gboolean revoke_job_begin(Acme *acme, gint64 now, const Job *job, Question *question G_GNUC_UNUSED,
                          GError **error) {
  g_autoptr(RevocationRun) run = NULL;
  gboolean more = FALSE;
  if (revocation_run_find(acme->store, &job->subject, &run, error) != STORE_FOUND ||
      !(run->key_digest != NULL ? revoke_of_key(acme, now, run, &more, error)
                                : revoke_of_orders(acme, now, run, &more, error)))
    return FALSE;
  if (!more)
    return finish(acme, now, job, run, error);
  return revocation_run_keep(acme->store, run, error) &&
         job_again(acme->store, job, now, FALSE, error);
}
