/* SPDX-License-Identifier: Apache-2.0 */
/* Authorizations (RFC 8555 section 7.5): the first time one is read, its mail goes out (RFC 8823
 * section 3). */
#include "acme/challenge_mail_job.h"
#include "acme/identifier.h"
#include "acme/resources.h"
#include "acme/state.h"

#include <string.h>

static json_t *authorization_json(Acme *acme, const Authorization *authorization,
                                  const Challenge *challenge, GError **error) {
  json_t *shown = challenge_json(acme, challenge, error);
  if (shown == NULL)
    return NULL;
  g_autofree char *expires = clock_rfc3339(authorization->expires_at);
  gboolean expired = authorization->expires_at <= clock_now(acme->clock) &&
                     (strcmp(authorization->status, "pending") == 0 ||
                      strcmp(authorization->status, "valid") == 0);
  return json_pack("{s:o, s:s, s:s, s:[o]}", "identifier",
                   identifier_json(authorization->type, authorization->identifier), "status",
                   expired ? "expired" : authorization->status, "expires", expires, "challenges",
                   shown);
}

static Problem *deactivate(Call *call, Authorization **authorization) {
  g_autoptr(GError) error = NULL;
  if (g_strcmp0(json_string_value(json_object_get(call->payload, "status")), "deactivated") != 0)
    return problem_new(PROBLEM_MALFORMED, 0,
                       "An authorization's status can only be set to \"deactivated\".");
  return state_hold_authorization(call->acme, authorization, &error) &&
                 state_authorization_deactivated(call->acme, call->now, *authorization, &error)
             ? NULL
             : problem_internal(&error);
}

static Problem *load_anew(Call *call, const Id *id, Authorization **authorization,
                          Challenge **challenge) {
  g_autoptr(GError) error = NULL;
  g_clear_pointer(authorization, authorization_free);
  g_clear_pointer(challenge, challenge_free);
  return authorization_find(call->acme->store, id, authorization, &error) == STORE_FOUND &&
                 challenge_find_by_authorization(call->acme->store, id, challenge, &error) ==
                     STORE_FOUND
             ? NULL
             : problem_internal(&error);
}

/* The caller's authorization; settled, so that what time ended is shown as ended. */
static Problem *load(Call *call, Authorization **authorization, Challenge **challenge) {
  g_autoptr(GError) error = NULL;
  StoreFind found = authorization_find(call->acme->store, &call->id, authorization, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING || !id_equal(&(*authorization)->account_id, &call->account->id))
    return resource_missing();
  gboolean changed = FALSE;
  if (challenge_find_by_authorization(call->acme->store, &call->id, challenge, &error) !=
          STORE_FOUND ||
      !state_settle_challenge(call->acme, call->now, *challenge, &changed, &error))
    return problem_internal(&error);
  return changed ? load_anew(call, &call->id, authorization, challenge) : NULL;
}

static Problem *show(Call *call, const Authorization *authorization, const Challenge *challenge,
                     guint status) {
  g_autoptr(GError) error = NULL;
  const Id *id = &authorization->id;
  if (!challenge_retry_after(call, challenge, &error))
    return problem_internal(&error);
  json_t *document = authorization_json(call->acme, authorization, challenge, &error);
  if (document == NULL)
    return problem_internal(&error);
  g_autofree char *location = acme_url(call->acme, "authorization", id, "");
  response_header(call->response, "Location", "%s", location);
  response_json(call->response, status, "application/json", document);
  return NULL;
}

Problem *authorization_answer(Call *call, const Id *id, guint status) {
  g_autoptr(Authorization) authorization = NULL;
  g_autoptr(Challenge) challenge = NULL;
  Problem *problem = load_anew(call, id, &authorization, &challenge);
  return problem != NULL ? problem : show(call, authorization, challenge, status);
}

Problem *authorization_post(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Authorization) authorization = NULL;
  g_autoptr(Challenge) challenge = NULL;
  Problem *problem = load(call, &authorization, &challenge);
  if (problem != NULL)
    return problem;
  if (call->payload != NULL) {
    problem = deactivate(call, &authorization);
    return problem != NULL ? problem : authorization_answer(call, &call->id, 200);
  }
  return challenge_mail_trigger(call, authorization, challenge, &error)
             ? show(call, authorization, challenge, 200)
             : problem_internal(&error);
}
