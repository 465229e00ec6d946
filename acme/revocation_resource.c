/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation (RFC 8555 section 7.6; S/MIME BR 4.9): by the account that ordered the certificate, by
   its key, or by an account that holds authorizations for all of its addresses. */
#include "acme/record.h"
#include "acme/resources.h"
#include "acme/revocation.h"
#include "acme/revocation_job.h"
#include "base/base64url.h"
#include "base/hex.h"
#include "ca/certificate_read.h"
#include "ca/key.h"
#include "store/authorization.h"
#include "store/certificate.h"

#define LISTED_MAX 20 /* other certificates of a key, named in the record */

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
  return problem_new(PROBLEM_BAD_REVOCATION_REASON, 0,
                     "reason must be 0 (unspecified), 1 (keyCompromise), 3 (affiliationChanged), 4 "
                     "(superseded) or 5 "
                     "(cessationOfOperation).");
}

static Problem *read_certificate(Call *call, Certificate **certificate) {
  g_autoptr(GError) error = NULL;
  const char *text = json_string_value(json_object_get(call->payload, "certificate"));
  g_autoptr(GBytes) der = text != NULL ? base64url_decode(text) : NULL;
  if (der == NULL)
    return problem_new(PROBLEM_MALFORMED, 0,
                       "certificate must be there, in base64url without padding.");
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

typedef enum { BY_NOBODY, BY_ACCOUNT, BY_KEY, BY_AUTHORIZATIONS } RevokedBy;

static const char *const by_names[] = {
    [BY_ACCOUNT] = "account", [BY_KEY] = "key", [BY_AUTHORIZATIONS] = "authorizations"};

static gboolean holds_all(Call *call, const Certificate *certificate, gboolean *all,
                          GError **error) {
  g_autoptr(GPtrArray) addresses =
      authorization_list(call->acme->store, &certificate->order_id, error);
  if (addresses == NULL)
    return FALSE;
  *all = addresses->len > 0;
  for (guint i = 0; *all && i < addresses->len; i++) {
    StoreFind held =
        authorization_held(call->acme->store, &call->account->id,
                           ((Authorization *)addresses->pdata[i])->canonical, call->now, error);
    if (held == STORE_LOOKUP_FAILED)
      return FALSE;
    *all = held == STORE_FOUND;
  }
  return TRUE;
}

static Problem *check_right(Call *call, const Certificate *certificate, RevokedBy *by) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) spki = jwk_spki(call->key);
  g_autoptr(GBytes) digest = key_digest(spki);
  gboolean all = FALSE;
  *by = BY_NOBODY;
  if (call->account == NULL)
    *by = g_bytes_equal(digest, certificate->key_digest) ? BY_KEY : BY_NOBODY;
  else if (id_equal(&call->account->id, &certificate->account_id))
    *by = BY_ACCOUNT;
  else if (!holds_all(call, certificate, &all, &error))
    return problem_internal(&error);
  else if (all)
    *by = BY_AUTHORIZATIONS;
  if (*by != BY_NOBODY)
    return NULL;
  return problem_new(PROBLEM_UNAUTHORIZED, 0,
                     call->account == NULL
                         ? "The request is not signed by the certificate's key."
                         : "The certificate was ordered by another account; an account with valid "
                           "authorizations for every address of it may revoke it too.");
}

/* --- keyCompromise (ca-rules 30)
 * ---------------------------------------------------------------------------- */

/* The serials of the others, at most LISTED_MAX, in one text. */
static char *serials_of(GPtrArray *others, const Certificate *certificate, gboolean *more) {
  g_autoptr(GString) serials = g_string_new(NULL);
  guint named = 0;
  *more = FALSE;
  for (guint i = 0; i < others->len; i++) {
    const Certificate *other = others->pdata[i];
    if (id_equal(&other->id, &certificate->id))
      continue;
    *more = named == LISTED_MAX;
    if (*more)
      break;
    g_autofree char *serial =
        base64url_encode(g_bytes_get_data(other->serial, NULL), g_bytes_get_size(other->serial));
    g_string_append_printf(serials, "%s%s", named++ > 0 ? " " : "", serial);
  }
  return g_strdup(serials->str);
}

/* Claimed by an account only: the others with that key are for the operator to look at. more: not
   all of them are named. */
static gboolean list_others(Call *call, const Certificate *certificate, GError **error) {
  gboolean more = FALSE;
  g_autoptr(GPtrArray) others =
      certificate_list_by_key(call->acme->store, certificate->key_digest, LISTED_MAX + 2, error);
  if (others == NULL)
    return FALSE;
  g_autofree char *serials = serials_of(others, certificate, &more);
  return *serials == '\0' || record(call->acme, call->now, "compromise claimed",
                                    (About){.certificate = &certificate->id}, error, "not-revoked",
                                    serials, "more", more ? "yes" : NULL, NULL);
}

/* Shown by the key itself: every certificate with it is revoked. */
static gboolean revoke_others(Call *call, const Certificate *certificate, GError **error) {
  RevocationRun run = {.key_digest = certificate->key_digest,
                       .reason = REVOCATION_KEY_COMPROMISE,
                       .by = (char *)by_names[BY_KEY]};
  g_autoptr(GPtrArray) left =
      certificate_list_by_key(call->acme->store, certificate->key_digest, 1, error);
  return left != NULL &&
         (left->len == 0 || revocation_run_start(call->acme, call->now, &run, error));
}

static Problem *block_key(Call *call, const Certificate *certificate, RevokedBy by) {
  static const char why[] = "revoked for keyCompromise";
  g_autoptr(GError) error = NULL;
  g_autofree char *key = hex_encode(certificate->key_digest);
  return key_block(call->acme->store, certificate->key_digest, call->now, why, &error) &&
                 record(call->acme, call->now, "key blocked",
                        (About){.order = &certificate->order_id, .certificate = &certificate->id},
                        &error, "key", key, "why", why, NULL) &&
                 (by == BY_KEY ? revoke_others(call, certificate, &error)
                               : list_others(call, certificate, &error))
             ? NULL
             : problem_internal(&error);
}

/* --- the request
 * ---------------------------------------------------------------------------------------- */

static Problem *revoke_this(Call *call, const Certificate *certificate, int reason, RevokedBy by) {
  g_autoptr(GError) error = NULL;
  StoreChange revoked =
      revocation_enter(call->acme, call->now, certificate, reason, by_names[by], &error);
  if (revoked == STORE_FAILED)
    return problem_internal(&error);
  if (revoked == STORE_CHANGED)
    return NULL;
  Problem *problem = problem_new(PROBLEM_ALREADY_REVOKED, 0, "The certificate is revoked already.");
  problem->keep = TRUE; /* a key that was shown to be compromised stays blocked */
  return problem;
}

Problem *certificate_revoke_post(Call *call) {
  g_autoptr(Certificate) certificate = NULL;
  RevokedBy by = BY_NOBODY;
  int reason = 0;
  Problem *problem = read_certificate(call, &certificate);
  if (problem == NULL)
    problem = check_right(call, certificate, &by);
  if (problem == NULL)
    problem = read_reason(call, &reason);
  if (problem == NULL && reason == REVOCATION_KEY_COMPROMISE)
    problem = block_key(call, certificate, by);
  if (problem == NULL)
    problem = revoke_this(call, certificate, reason, by);
  if (problem == NULL)
    call->response->status = 200;
  return problem;
}
