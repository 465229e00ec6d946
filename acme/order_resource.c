/* SPDX-License-Identifier: Apache-2.0 */
/* Orders (RFC 8555 section 7.4) for identifiers of type email (RFC 8823 section 3). */
#include "acme/identifier.h"
#include "acme/renewal.h"
#include "acme/resources.h"
#include "acme/state.h"
#include "acme/test_mode.h"
#include "store/crl_shard.h"
#include "store/job.h"

#include <string.h>

#define LONGEST_WAIT ((gint64)30)

static void add_time(json_t *document, const char *member, gint64 time) {
  if (time == 0)
    return;
  g_autofree char *text = clock_rfc3339(time);
  json_object_set_new(document, member, json_string(text));
}

/* What was chosen at newOrder. */
static gboolean add_wishes(Acme *acme, const Order *order, json_t *document, GError **error) {
  g_autoptr(Certificate) replaced = NULL;
  if (order->profile != NULL)
    json_object_set_new(document, "profile", json_string(order->profile));
  add_time(document, "notBefore", order->not_before);
  add_time(document, "notAfter", order->not_after);
  if (!order->renewal)
    return TRUE;
  g_autoptr(GBytes) authority = NULL;
  if (certificate_find(acme->store, &order->replaces, &replaced, error) != STORE_FOUND ||
      crl_shard_issuer(acme->store, replaced->shard, &authority, error) != STORE_FOUND)
    return FALSE;
  g_autofree char *identifier = renewal_identifier(authority, replaced->serial);
  json_object_set_new(document, "replaces", json_string(identifier));
  return TRUE;
}

static json_t *order_json(Acme *acme, const Order *order, GError **error) {
  g_autoptr(GPtrArray) authorizations = authorization_list(acme->store, &order->id, error);
  g_autoptr(Certificate) certificate = NULL;
  gboolean valid = strcmp(order->status, "valid") == 0;
  if (authorizations == NULL ||
      (valid && certificate_find_by_order(acme->store, &order->id, &certificate, error) ==
                    STORE_LOOKUP_FAILED))
    return NULL;
  g_autofree char *expires = clock_rfc3339(order->expires_at);
  g_autofree char *finalize = acme_url(acme, "order", &order->id, "/finalize");
  json_t *identifiers = json_array(), *urls = json_array();
  for (guint i = 0; i < authorizations->len; i++) {
    const Authorization *authorization = authorizations->pdata[i];
    g_autofree char *url = acme_url(acme, "authorization", &authorization->id, "");
    json_array_append_new(identifiers,
                          identifier_json(authorization->type, authorization->identifier));
    json_array_append_new(urls, json_string(url));
  }
  test_mode_shuffle(acme, urls);
  json_t *document =
      json_pack("{s:s, s:s, s:o, s:o, s:s}", "status", order->status, "expires", expires,
                "identifiers", identifiers, "authorizations", urls, "finalize", finalize);
  if (order->error != NULL)
    json_object_set_new(document, "error", json_loads(order->error, 0, NULL));
  if (certificate != NULL) {
    g_autofree char *url = acme_url(acme, "certificate", &certificate->id, "");
    json_object_set_new(document, "certificate", json_string(url));
  }
  if (add_wishes(acme, order, document, error))
    return document;
  json_decref(document);
  return NULL;
}

/* Seconds until the next step of an order in processing is tried; clients that poll 30 times or so
   are not sent away for long. */
static gboolean processing_wait(Acme *acme, gint64 now, const Id *order, gint64 *seconds,
                                GError **error) {
  Job job;
  g_autofree char *waits_for = NULL;
  StoreFind found = job_find(acme->store, JOB_ISSUE, order, &job, &waits_for, error);
  gint64 wait = found == STORE_FOUND ? (job.due_at - now + CLOCK_SECOND - 1) / CLOCK_SECOND : 1;
  *seconds = CLAMP(wait, 1, LONGEST_WAIT);
  return found != STORE_LOOKUP_FAILED;
}

Problem *order_show(Call *call, const Order *order, guint status) {
  g_autoptr(GError) error = NULL;
  const Id *id = &order->id;
  gboolean processing = strcmp(order->status, "processing") == 0;
  gint64 wait = 0;
  if (processing && !processing_wait(call->acme, call->now, id, &wait, &error))
    return problem_internal(&error);
  json_t *document = order_json(call->acme, order, &error);
  if (document == NULL)
    return problem_internal(&error);
  g_autofree char *location = acme_url(call->acme, "order", id, "");
  response_header(call->response, "Location", "%s", location);
  if (processing)
    response_header(call->response, "Retry-After", "%" G_GINT64_FORMAT, wait);
  else if (strcmp(order->status, "pending") == 0)
    response_header(call->response, "Retry-After", "10");
  response_json(call->response, status, "application/json", document);
  return NULL;
}

Problem *order_answer(Call *call, const Id *id, guint status) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Order) order = NULL;
  return order_find(call->acme->store, id, &order, &error) == STORE_FOUND
             ? order_show(call, order, status)
             : problem_internal(&error);
}

Problem *order_load(Call *call, Order **order) {
  g_autoptr(GError) error = NULL;
  gboolean changed = FALSE;
  StoreFind found = order_find(call->acme->store, &call->id, order, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING || !id_equal(&(*order)->account_id, &call->account->id))
    return resource_missing();
  if (!state_settle_order(call->acme, call->now, *order, &changed, &error))
    return problem_internal(&error);
  if (!changed)
    return NULL;
  g_clear_pointer(order, order_free);
  return order_find(call->acme->store, &call->id, order, &error) == STORE_FOUND
             ? NULL
             : problem_internal(&error);
}

Problem *order_post(Call *call) {
  g_autoptr(Order) order = NULL;
  Problem *problem = resource_post_as_get_only(call);
  if (problem == NULL)
    problem = order_load(call, &order);
  return problem != NULL ? problem : order_show(call, order, 200);
}
