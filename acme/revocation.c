/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/revocation.h"
#include "acme/crl_job.h"
#include "acme/record.h"
#include "base/base64url.h"
#include "store/job.h"

StoreChange revocation_enter(Acme *acme, gint64 now, const Certificate *certificate, int reason,
                             const char *by, GError **error) {
  Id shard = crl_subject(certificate->shard);
  g_autofree char *serial = base64url_encode(g_bytes_get_data(certificate->serial, NULL),
                                             g_bytes_get_size(certificate->serial));
  g_autofree char *reason_text = g_strdup_printf("%d", reason);
  StoreChange revoked = certificate_revoke(acme->store, &certificate->id, now, reason, error);
  if (revoked != STORE_CHANGED)
    return revoked;
  return job_add(acme->store, JOB_CRL, &shard, now, error) &&
                 record(acme, now, "certificate revoked",
                        (About){.order = &certificate->order_id, .certificate = &certificate->id},
                        error, "serial", serial, "reason", reason_text, "by", by, NULL)
             ? STORE_CHANGED
             : STORE_FAILED;
}

gboolean revocation_enter_blocked(Acme *acme, gint64 now, const Certificate *certificate,
                                  GError **error) {
  StoreFind blocked = key_blocked(acme->store, certificate->key_digest, error);
  return blocked == STORE_MISSING ||
         (blocked == STORE_FOUND &&
          revocation_enter(acme, now, certificate, REVOCATION_KEY_COMPROMISE, "blocked key",
                           error) != STORE_FAILED);
}
