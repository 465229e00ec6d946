/* SPDX-License-Identifier: Apache-2.0 */
/* Orders (RFC 8555 section 7.4) for identifiers of type email (RFC 8823 section 3). */
#include "acme/identifier.h"
#include "acme/record.h"
#include "acme/resources.h"
#include "acme/state.h"
#include "base/base64url.h"
#include "ca/certificate_read.h"
#include "ca/csr.h"
#include "ca/key.h"
#include "store/certificate.h"
#include "store/job.h"

#include <string.h>

#define TOKEN_OCTETS                                                                               \
  24 /* a multiple of 3, see interop: joined as text or as octets gives the same */
#define TAG_LENGTH 26

static json_t *order_json(Acme *acme, const Order *order, GError **error) {
  g_autoptr(GPtrArray) authorizations = authorization_list(acme->store, &order->id, error);
  g_autoptr(Certificate) certificate = NULL;
  if (authorizations == NULL || certificate_find_by_order(acme->store, &order->id, &certificate,
                                                          error) == STORE_LOOKUP_FAILED)
    return NULL;
  g_autofree char *expires = clock_rfc3339(order->expires_at);
  g_autofree char *finalize = acme_url(acme, "order", &order->id, "/finalize");
  json_t *identifiers = json_array(), *urls = json_array();
  for (guint i = 0; i < authorizations->len; i++) {
    const Authorization *authorization = authorizations->pdata[i];
    g_autofree char *url = acme_url(acme, "authorization", &authorization->id, "");
    json_array_append_new(
        identifiers, json_pack("{s:s, s:s}", "type", "email", "value", authorization->identifier));
    json_array_append_new(urls, json_string(url));
  }
  json_t *document =
      json_pack("{s:s, s:s, s:o, s:o, s:s}", "status", order->status, "expires", expires,
                "identifiers", identifiers, "authorizations", urls, "finalize", finalize);
  if (order->error != NULL)
    json_object_set_new(document, "error", json_loads(order->error, 0, NULL));
  if (strcmp(order->status, "valid") == 0 && certificate != NULL) {
    g_autofree char *url = acme_url(acme, "certificate", &certificate->id, "");
    json_object_set_new(document, "certificate", json_string(url));
  }
  return document;
}

static Problem *answer(Call *call, const Id *id, guint status) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Order) order = NULL;
  if (order_find(call->acme->store, id, &order, &error) != STORE_FOUND)
    return problem_internal(&error);
  json_t *document = order_json(call->acme, order, &error);
  if (document == NULL)
    return problem_internal(&error);
  g_autofree char *location = acme_url(call->acme, "order", id, "");
  response_header(call->response, "Location", "%s", location);
  if (strcmp(order->status, "processing") == 0)
    response_header(call->response, "Retry-After", "1");
  else if (strcmp(order->status, "pending") == 0)
    response_header(call->response, "Retry-After", "10");
  response_json(call->response, status, "application/json", document);
  return NULL;
}

static gboolean insert_one(Call *call, const Order *order, gint64 position,
                           const OrderedMailbox *ordered, GError **error) {
  Acme *acme = call->acme;
  g_autoptr(Authorization) authorization = g_new0(Authorization, 1);
  g_autoptr(Challenge) challenge = g_new0(Challenge, 1);
  g_autofree char *tag = acme_random_word(acme, TAG_LENGTH);
  authorization->id = acme_id(acme, call->now);
  authorization->claimed = TRUE;
  authorization->order_id = order->id;
  authorization->type = g_strdup("email");
  authorization->account_id = order->account_id;
  authorization->position = position;
  authorization->identifier = g_strdup(ordered->identifier);
  authorization->address = g_strdup(ordered->mailbox->address);
  authorization->canonical = g_strdup(ordered->mailbox->canonical);
  authorization->domain = g_strdup(ordered->mailbox->domain);
  authorization->status = g_strdup("pending");
  authorization->expires_at = order->expires_at;
  challenge->id = acme_id(acme, call->now);
  challenge->authz_id = authorization->id;
  challenge->status = g_strdup("pending");
  challenge->token2 = acme_random_token(acme, TOKEN_OCTETS);
  challenge->mail_from =
      g_strdup_printf("acme-challenge+%s@%s", tag, config_text(acme->config, "mail.domain"));
  challenge->created_at = call->now;
  challenge->deadline = call->now + config_number(acme->config, "mail.challenge-lifetime");
  return authorization_insert(acme->store, authorization, error) &&
         challenge_insert(acme->store, challenge, error) &&
         record(acme, call->now, "authorization created",
                (About){.authorization = &authorization->id, .challenge = &challenge->id}, error,
                "address", authorization->address, NULL);
}

Problem *order_new(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) mailboxes = NULL;
  if (json_object_get(call->payload, "notBefore") != NULL ||
      json_object_get(call->payload, "notAfter") != NULL)
    return problem_new(PROBLEM_MALFORMED, 0,
                       "This CA sets notBefore and notAfter itself; leave them out.");
  Problem *problem = identifiers_read(json_object_get(call->payload, "identifiers"), &mailboxes);
  if (problem != NULL)
    return problem;
  g_autoptr(Order) order = g_new0(Order, 1);
  order->id = acme_id(call->acme, call->now);
  order->account_id = call->account->id;
  order->status = g_strdup("pending");
  order->created_at = call->now;
  order->expires_at = call->now + config_number(call->acme->config, "acme.order-lifetime");
  gboolean good =
      order_insert(call->acme->store, order, &error) == STORE_CHANGED &&
      record(call->acme, call->now, "order created", (About){.order = &order->id}, &error, NULL);
  for (guint i = 0; good && i < mailboxes->len; i++)
    good = insert_one(call, order, i, mailboxes->pdata[i], &error);
  return good ? answer(call, &order->id, 201) : problem_internal(&error);
}

/* The caller's order; settled, so that what time ended is shown as ended. */
static Problem *load(Call *call, Order **order) {
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
    problem = load(call, &order);
  return problem != NULL ? problem : answer(call, &call->id, 200);
}

/* --- finalize
 * ------------------------------------------------------------------------------------------- */

static Problem *not_ready(const Order *order) {
  return problem_new(PROBLEM_ORDER_NOT_READY, 0, "The order is %s, not ready.", order->status);
}

static Problem *csr_problem(GError *error) {
  return problem_new(error->code == CA_ERROR_BAD_KEY ? PROBLEM_BAD_PUBLIC_KEY : PROBLEM_BAD_CSR, 0,
                     "%s", error->message);
}

static Problem *read_csr(Call *call, GBytes **der, Csr **csr) {
  g_autoptr(GError) error = NULL;
  const char *text = json_string_value(json_object_get(call->payload, "csr"));
  if (text == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "finalize needs the member csr.");
  *der = base64url_decode(text);
  if (*der == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "csr is not base64url without padding.");
  *csr = csr_parse(*der, CSR_NAMES_MAIL, &error);
  return *csr != NULL ? NULL : csr_problem(error);
}

static Problem *check_names(Call *call, const Csr *csr) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) authorizations = authorization_list(call->acme->store, &call->id, &error);
  g_autoptr(GPtrArray) wanted = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  if (authorizations == NULL)
    return problem_internal(&error);
  for (guint i = 0; i < authorizations->len; i++)
    g_ptr_array_add(wanted,
                    mailbox_parse(((Authorization *)authorizations->pdata[i])->address, NULL));
  return csr_matches(csr, wanted, &error) ? NULL : csr_problem(error);
}

static Problem *check_key(Call *call, const Csr *csr) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) digest = key_digest(csr->spki);
  g_autoptr(GBytes) account = jwk_spki(call->key);
  if (g_bytes_equal(csr->spki, account))
    return problem_new(PROBLEM_BAD_PUBLIC_KEY, 0,
                       "The certificate's key must not be the account's key.");
  if (issuer_has_key(call->acme->issuer, csr->spki))
    return problem_new(PROBLEM_BAD_PUBLIC_KEY, 0, "The key belongs to the CA.");
  StoreFind blocked = key_blocked(call->acme->store, digest, &error);
  if (blocked == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  return blocked == STORE_MISSING
             ? NULL
             : problem_new(PROBLEM_BAD_PUBLIC_KEY, 0, "The key is known to be compromised.");
}

static gint64 usage_bits(const Csr *csr) {
  return (csr->want_sign ? ORDER_USAGE_SIGN : 0) | (csr->want_encrypt ? ORDER_USAGE_ENCRYPT : 0) |
         (csr->want_non_repudiation ? ORDER_USAGE_NON_REPUDIATION : 0);
}

static Problem *start_issuance(Call *call, Order *order, GBytes *der, const Csr *csr) {
  g_autoptr(GError) error = NULL;
  order->csr = g_bytes_ref(der);
  order->spki = g_bytes_ref(csr->spki);
  order->usage = usage_bits(csr);
  order->finalized_at = call->now;
  StoreChange moved = state_order_finalized(call->acme, order, &error);
  if (moved == STORE_UNCHANGED)
    return not_ready(order);
  if (moved == STORE_FAILED ||
      !job_add(call->acme->store, JOB_ISSUE, &order->id, call->now, &error))
    return problem_internal(&error);
  return answer(call, &order->id, 200);
}

Problem *order_finalize_post(Call *call) {
  g_autoptr(Order) order = NULL;
  g_autoptr(GBytes) der = NULL;
  g_autoptr(Csr) csr = NULL;
  Problem *problem = load(call, &order);
  if (problem == NULL && strcmp(order->status, "ready") != 0)
    problem = not_ready(order);
  if (problem == NULL)
    problem = read_csr(call, &der, &csr);
  if (problem == NULL)
    problem = check_names(call, csr);
  if (problem == NULL)
    problem = check_key(call, csr);
  return problem != NULL ? problem : start_issuance(call, order, der, csr);
}
