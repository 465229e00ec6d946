/* SPDX-License-Identifier: Apache-2.0 */
/* Challenges (RFC 8555 section 7.5.1; RFC 8823 section 3). */
#include "acme/challenge_mail_job.h"
#include "acme/resources.h"
#include "acme/state.h"
#include "acme/test_mode.h"

#include <string.h>

static json_t *note_documents(GPtrArray *notes) {
  json_t *documents = json_array();
  for (guint i = 0; i < notes->len; i++)
    json_array_append_new(documents, json_loads(((Note *)notes->pdata[i])->problem, 0, NULL));
  return documents;
}

/* In processing: what was refused so far, as one problem with the notes below it. */
static json_t *waiting_error(const Challenge *challenge, GPtrArray *notes) {
  const Note *last = notes->pdata[notes->len - 1];
  json_t *problem = json_loads(last->problem, 0, NULL);
  const char *detail = json_string_value(json_object_get(problem, "detail"));
  json_t *shown =
      json_sprintf("No reply has passed yet; the last of %" G_GINT64_FORMAT " notes: %s",
                   challenge->notes, detail);
  json_object_set_new(problem, "detail", shown);
  return problem;
}

/* Where error is shown: never in pending or valid (RFC 8555 section 8). */
static gboolean add_error(Acme *acme, const Challenge *challenge, json_t *document,
                          GError **error) {
  gboolean processing = strcmp(challenge->status, "processing") == 0;
  if (!processing && strcmp(challenge->status, "invalid") != 0)
    return TRUE;
  g_autoptr(GPtrArray) notes = challenge_notes(acme->store, &challenge->id, error);
  if (notes == NULL)
    return FALSE;
  json_t *problem = NULL;
  if (!processing && challenge->error != NULL)
    problem = json_loads(challenge->error, 0, NULL);
  else if (processing && notes->len > 0)
    problem = waiting_error(challenge, notes);
  if (problem != NULL && notes->len > 0)
    json_object_set_new(problem, "subproblems", note_documents(notes));
  if (problem != NULL)
    json_object_set_new(document, "error", problem);
  return TRUE;
}

json_t *challenge_json(Acme *acme, const Challenge *challenge, GError **error) {
  g_autofree char *url = acme_url(acme, "challenge", &challenge->id, "");
  json_t *document =
      json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "email-reply-00", "url", url, "status",
                challenge->status, "token", challenge->token2, "from",
                challenge->mail_sender != NULL ? challenge->mail_sender : challenge->mail_from);
  if (challenge->validated_at != 0) {
    g_autofree char *validated = clock_rfc3339(challenge->validated_at);
    json_object_set_new(document, "validated", json_string(validated));
  }
  if (!add_error(acme, challenge, document, error)) {
    json_decref(document);
    return NULL;
  }
  return document;
}

gboolean challenge_retry_after(Call *call, const Challenge *challenge, GError **error) {
  if (strcmp(challenge->status, "pending") != 0 && strcmp(challenge->status, "processing") != 0)
    return TRUE;
  StoreFind unjudged = challenge_has_unjudged(call->acme->store, &challenge->id, error);
  response_header(call->response, "Retry-After", "%d", unjudged == STORE_FOUND ? 1 : 10);
  return unjudged != STORE_LOOKUP_FAILED;
}

static Problem *load(Call *call, Challenge **challenge, Authorization **authorization) {
  g_autoptr(GError) error = NULL;
  StoreFind found = challenge_find(call->acme->store, &call->id, challenge, &error);
  if (found == STORE_FOUND)
    found = authorization_find(call->acme->store, &(*challenge)->authz_id, authorization, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  return found == STORE_FOUND && id_equal(&(*authorization)->account_id, &call->account->id)
             ? NULL
             : resource_missing();
}

/* The client is done with its part; idempotent. The mail goes out now if it has not. */
static Problem *respond(Call *call, const Challenge *challenge, Authorization **held) {
  g_autoptr(GError) error = NULL;
  if (!state_hold_authorization(call->acme, held, &error))
    return problem_internal(&error);
  const Authorization *authorization = *held;
  if (strcmp(authorization->status, "pending") != 0 || authorization->expires_at <= call->now)
    return NULL;
  g_autoptr(Problem) forced = test_mode_fails(call->acme, authorization->canonical);
  if (forced != NULL)
    return state_challenge_failed(call->acme, call->now, &call->id, forced, &error)
               ? NULL
               : problem_internal(&error);
  return challenge_mail_trigger(call, authorization, challenge, &error) &&
                 state_challenge_responded(call->acme, call->now, &call->id, authorization, &error)
             ? NULL
             : problem_internal(&error);
}

Problem *challenge_post(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Challenge) before = NULL, challenge = NULL;
  g_autoptr(Authorization) authorization = NULL;
  Problem *problem = load(call, &before, &authorization);
  if (problem == NULL && !state_settle_challenge(call->acme, call->now, before, NULL, &error))
    problem = problem_internal(&error);
  if (problem == NULL && call->payload != NULL)
    problem = respond(call, before, &authorization);
  if (problem != NULL)
    return problem;
  if (challenge_find(call->acme->store, &call->id, &challenge, &error) != STORE_FOUND)
    return problem_internal(&error);
  json_t *document = challenge_json(call->acme, challenge, &error);
  if (document == NULL)
    return problem_internal(&error);
  g_autofree char *up = acme_url(call->acme, "authorization", &authorization->id, "");
  response_header(call->response, "Link", "<%s>;rel=\"up\"", up);
  if (!challenge_retry_after(call, challenge, &error)) {
    json_decref(document);
    return problem_internal(&error);
  }
  response_json(call->response, 200, "application/json", document);
  return NULL;
}
