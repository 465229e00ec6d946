/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: the signer signs where the audit log ends, at most once a minute and at stop. */
#include "acme/checkpoint_job.h"
#include "acme/record.h"
#include "base/log.h"
#include "ca/audit_key.h"
#include "ca/key.h"
#include "store/audit.h"

#define INTERVAL CLOCK_MINUTE

gboolean checkpoint_ask(Acme *acme, gint64 now, Question *question, GError **error) {
  g_autoptr(GBytes) key = NULL;
  AuditCheckpoint *checkpoint = &question->checkpoint;
  if (!audit_head(acme->store, checkpoint, &key, error))
    return FALSE;
  checkpoint->at = now;
  if (config_given(acme->config, "ca.audit-key") && checkpoint->number > checkpoint->previous)
    question->kind = QUESTION_CHECKPOINT;
  return TRUE;
}

gboolean checkpoint_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                              GError **error) {
  return checkpoint_ask(acme, now, question, error) &&
         (question->kind == QUESTION_CHECKPOINT ||
          job_again(acme->store, job, now + INTERVAL, FALSE, error));
}

/* What is kept was verified. NULL: it is good. */
static const char *fault_of(const Question *question, GBytes *signature, GBytes *spki) {
  g_autoptr(GBytes) octets = audit_checkpoint_octets(&question->checkpoint);
  EVP_PKEY *key = audit_key_from_spki(spki);
  gboolean good = key != NULL && audit_key_verify(key, octets, signature);
  EVP_PKEY_free(key);
  return good ? NULL : "the signer's signature does not verify";
}

/* Another key than before is an event in the life of keys. The record itself comes under the next
   checkpoint. */
static gboolean record_key(Acme *acme, gint64 now, GBytes *digest, GError **error) {
  AuditCheckpoint head;
  g_autoptr(GBytes) before = NULL;
  if (!audit_head(acme->store, &head, &before, error))
    return FALSE;
  if (before != NULL && g_bytes_equal(before, digest))
    return TRUE;
  g_autofree char *text = audit_hex(g_bytes_get_data(digest, NULL), g_bytes_get_size(digest));
  return record(acme, now, "audit key in use", (About){NULL}, error, "sha256", text, NULL);
}

gboolean job_checkpoint_signed(Acme *acme, const Question *question, GBytes *signature,
                               GBytes *spki, const char *failure, GError **error) {
  gint64 now = clock_now(acme->clock);
  if (*failure == '\0') {
    const char *fault = fault_of(question, signature, spki);
    failure = fault != NULL ? fault : failure;
  }
  if (*failure != '\0') {
    log_error("audit checkpoint not signed", "reason", failure, NULL);
    return job_again(acme->store, &question->job, now + INTERVAL, TRUE, error);
  }
  g_autoptr(GBytes) digest = key_digest(spki);
  return record_key(acme, now, digest, error) &&
         audit_add_checkpoint(acme->store, &question->checkpoint, digest, signature, error) !=
             STORE_FAILED &&
         job_again(acme->store, &question->job, now + INTERVAL, FALSE, error);
}
