/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: download (RFC 8555 section 7.4.2) and revocation (7.6). */
#include "acme/crl_job.h"
#include "acme/record.h"
#include "acme/resources.h"
#include "base/base64url.h"
#include "ca/certificate_read.h"
#include "ca/key.h"
#include "store/certificate.h"
#include "store/job.h"

#include <openssl/pem.h>
#include <string.h>

#define REVOKE_BY_KEY_LIMIT 500

static char *certificate_pem(GBytes *der) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(der, &size);
  g_autofree char *base64 = g_base64_encode(data, size);
  GString *pem = g_string_new("-----BEGIN CERTIFICATE-----\n");
  for (const char *p = base64; *p != '\0'; p += MIN(64, strlen(p)))
    g_string_append_printf(pem, "%.64s\n", p);
  g_string_append(pem, "-----END CERTIFICATE-----\n");
  return g_string_free(pem, FALSE);
}

Problem *certificate_post(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Certificate) certificate = NULL;
  Problem *problem = resource_post_as_get_only(call);
  if (problem != NULL)
    return problem;
  StoreFind found = certificate_find(call->acme->store, &call->id, &certificate, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING || certificate->der == NULL ||
      !id_equal(&certificate->account_id, &call->account->id))
    return resource_missing();
  g_autofree char *leaf = certificate_pem(certificate->der);
  g_autofree char *chain = g_strconcat(leaf, call->acme->chain, NULL);
  gsize length = strlen(chain);
  call->response->status = 200;
  call->response->body = g_bytes_new_take(g_steal_pointer(&chain), length);
  response_header(call->response, "Content-Type", "application/pem-certificate-chain");
  return NULL;
}

/* --- revocation
 * ----------------------------------------------------------------------------------------- */

/* RFC 5280 CRLReasons that a subscriber may give (S/MIME BR 4.9.1.1): no hold, none of a CA's own.
 */
static const int subscriber_reasons[] = {0, 1, 3, 4, 5};

static Problem *read_reason(Call *call, int *reason) {
  json_t *given = json_object_get(call->payload, "reason");
  *reason = 0;
  if (given == NULL)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(subscriber_reasons); i++)
    if (json_is_integer(given) && json_integer_value(given) == subscriber_reasons[i]) {
      *reason = subscriber_reasons[i];
      return NULL;
    }
  return problem_new(
      PROBLEM_BAD_REVOCATION_REASON, 0,
      "reason is 0 (unspecified), 1 (keyCompromise), 3 (affiliationChanged), 4 (superseded) or 5 "
      "(cessationOfOperation).");
}

static Problem *read_certificate(Call *call, Certificate **certificate) {
  g_autoptr(GError) error = NULL;
  const char *text = json_string_value(json_object_get(call->payload, "certificate"));
  g_autoptr(GBytes) der = text != NULL ? base64url_decode(text) : NULL;
  if (der == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "certificate is missing or not base64url.");
  g_autoptr(GBytes) serial = certificate_serial_of(der);
  StoreFind found = serial != NULL
                        ? certificate_find_by_serial(call->acme->store, serial, certificate, &error)
                        : STORE_MISSING;
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING || (*certificate)->der == NULL ||
      !g_bytes_equal((*certificate)->der, der))
    return problem_new(PROBLEM_MALFORMED, 404, "This server did not issue that certificate.");
  return NULL;
}

/* By the account that ordered it, or by its own key. */
static Problem *check_right(Call *call, const Certificate *certificate, gboolean *by_key) {
  g_autoptr(GBytes) spki = jwk_spki(call->key);
  g_autoptr(GBytes) digest = key_digest(spki);
  *by_key = call->account == NULL;
  gboolean right = *by_key ? g_bytes_equal(digest, certificate->key_digest)
                           : id_equal(&call->account->id, &certificate->account_id);
  return right ? NULL
               : problem_new(PROBLEM_UNAUTHORIZED, 0,
                             *by_key ? "The request is not signed by the certificate's key."
                                     : "The certificate was ordered by another account.");
}

static Problem *revoke_one(Call *call, const Certificate *certificate, int reason) {
  g_autoptr(GError) error = NULL;
  Id shard = crl_subject(certificate->shard);
  g_autofree char *serial = base64url_encode(g_bytes_get_data(certificate->serial, NULL),
                                             g_bytes_get_size(certificate->serial));
  g_autofree char *reason_text = g_strdup_printf("%d", reason);
  StoreChange revoked =
      certificate_revoke(call->acme->store, &certificate->id, call->now, reason, &error);
  if (revoked == STORE_UNCHANGED)
    return problem_new(PROBLEM_ALREADY_REVOKED, 0, "The certificate is revoked already.");
  if (revoked == STORE_FAILED || !job_add(call->acme->store, JOB_CRL, &shard, call->now, &error) ||
      !record(call->acme, call->now, "certificate revoked",
              (About){.order = &certificate->order_id, .certificate = &certificate->id}, &error,
              "serial", serial, "reason", reason_text, "by",
              call->account == NULL ? "key" : "account", NULL))
    return problem_internal(&error);
  return NULL;
}

static Problem *block_key(Call *call, const Certificate *certificate) {
  g_autoptr(GError) error = NULL;
  return key_block(call->acme->store, certificate->key_digest, call->now,
                   "revoked for keyCompromise", &error)
             ? NULL
             : problem_internal(&error);
}

/* keyCompromise shown by the key itself revokes every certificate with it (ca-rules 30). */
static Problem *revoke_others(Call *call, const Certificate *certificate) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) others = certificate_list_by_key(call->acme->store, certificate->key_digest,
                                                        REVOKE_BY_KEY_LIMIT, &error);
  if (others == NULL)
    return problem_internal(&error);
  Problem *problem = NULL;
  for (guint i = 0; problem == NULL && i < others->len; i++)
    problem = revoke_one(call, others->pdata[i], 1);
  return problem;
}

Problem *certificate_revoke_post(Call *call) {
  g_autoptr(Certificate) certificate = NULL;
  gboolean by_key = FALSE;
  int reason = 0;
  Problem *problem = read_certificate(call, &certificate);
  if (problem == NULL)
    problem = check_right(call, certificate, &by_key);
  if (problem == NULL)
    problem = read_reason(call, &reason);
  if (problem == NULL && reason == 1)
    problem = block_key(call, certificate);
  if (problem == NULL)
    problem = revoke_one(call, certificate, reason);
  gboolean revoked = problem == NULL || problem->type == PROBLEM_ALREADY_REVOKED;
  if (revoked && by_key && reason == 1) {
    Problem *others = revoke_others(call, certificate);
    if (others != NULL) {
      problem_free(problem);
      return others;
    }
  }
  if (problem != NULL && problem->type == PROBLEM_ALREADY_REVOKED)
    problem->keep = TRUE; /* the key stays blocked */
  if (problem == NULL)
    call->response->status = 200;
  return problem;
}
