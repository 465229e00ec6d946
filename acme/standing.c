/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/standing.h"
#include "acme/crl_job.h"
#include "acme/issuance.h"
#include "store/certificate.h"

gboolean standing_read(Acme *acme, gint64 now, Standing *standing, GError **error) {
  for (guint kind = 0; kind < JOB_KINDS; kind++)
    if (!job_count(acme->store, (JobKind)kind, &standing->jobs[kind].count,
                   &standing->jobs[kind].oldest, error))
      return FALSE;
  g_autoptr(GPtrArray) overdue = crl_overdue(acme, now, error);
  if (overdue == NULL)
    return FALSE;
  standing->lists_overdue = overdue->len;
  return crl_shard_span(acme->store, now, &standing->lists, error) &&
         issuance_held(acme, now, &standing->held, error) &&
         certificate_last_issued(acme->store, &standing->last_certificate, error);
}

void standing_clear(Standing *standing) {
  g_clear_pointer(&standing->held, g_free);
}
