/* SPDX-License-Identifier: Apache-2.0 */
/* finalize (RFC 8555 section 7.4; RFC 8823 section 3 step 8): the CSR is read, held against the
   order and its profile, and the issuance begins. */
#include "acme/account_right.h"
#include "acme/issuance.h"
#include "acme/issuing_ca.h"
#include "acme/limit.h"
#include "acme/profile.h"
#include "acme/record.h"
#include "acme/resources.h"
#include "acme/state.h"
#include "base/base64url.h"
#include "ca/key.h"
#include "store/certificate.h"
#include "store/job.h"
#include "store/lock.h"

#include <string.h>

static Problem *not_ready(const Order *order) {
  return problem_new(PROBLEM_ORDER_NOT_READY, 0,
                     "The order is %s; only one that is ready can be finalized.", order->status);
}

static Problem *bad_csr(const GError *error) {
  return problem_new(PROBLEM_BAD_CSR, 0, "The request was refused: %s.", error->message);
}

/* Clients that order type dns make a CSR with dNSNames. */
static CsrNames names_of(GPtrArray *authorizations) {
  for (guint i = 0; i < authorizations->len; i++)
    if (strcmp(((Authorization *)authorizations->pdata[i])->type, "dns") == 0)
      return CSR_NAMES_MAIL_AND_DNS;
  return CSR_NAMES_MAIL;
}

static Problem *read_csr(Call *call, GPtrArray *authorizations, GBytes **der, Csr **csr) {
  g_autoptr(GError) error = NULL;
  const char *text = json_string_value(json_object_get(call->payload, "csr"));
  if (text == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "finalize needs the member csr.");
  *der = base64url_decode(text);
  if (*der == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "csr is not base64url without padding.");
  *csr = csr_parse(*der, names_of(authorizations), &error);
  return *csr != NULL ? NULL : bad_csr(error);
}

static Problem *check_names(GPtrArray *authorizations, const Csr *csr) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) wanted = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  for (guint i = 0; i < authorizations->len; i++)
    g_ptr_array_add(wanted,
                    mailbox_parse(((Authorization *)authorizations->pdata[i])->address, NULL));
  return csr_matches(csr, wanted, &error) ? NULL : bad_csr(error);
}

static Problem *check_key(Call *call, const Csr *csr) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) digest = key_digest(csr->spki);
  if (issuing_ca_has_key(call->acme, csr->spki))
    return problem_new(PROBLEM_BAD_CSR, 0,
                       "The request's key belongs to the CA; make one of your own.");
  if (weak_keys_have(call->acme->weak_keys, csr->spki))
    return problem_new(PROBLEM_BAD_CSR, 0,
                       "The request's key is on a list of keys that are known to the world; make a "
                       "new one, on a system whose random numbers are sound.");
  StoreFind account = account_of_key(call->acme, csr->spki, &error);
  StoreFind blocked = key_blocked(call->acme->store, digest, &error);
  if (account == STORE_LOOKUP_FAILED || blocked == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (account == STORE_FOUND)
    return problem_new(PROBLEM_BAD_CSR, 0,
                       "The request's key is an account's key; certificates need another.");
  return blocked == STORE_MISSING
             ? NULL
             : problem_new(PROBLEM_BAD_CSR, 0,
                           "The request's key is known to be compromised; make a new one.");
}

static Problem *check_profile(Call *call, const Order *order, const Csr *csr, gint64 *usage) {
  Profile profile;
  if (!profile_find(call->acme, order->profile, &profile))
    return problem_new(PROBLEM_INVALID_PROFILE, 0,
                       "The profile \"%s\" of this order is not served any more; order anew.",
                       order->profile);
  return profile_usage(&profile, csr, usage);
}

static Problem *start_issuance(Call *call, const Order *order, GBytes *der, const Csr *csr,
                               gint64 usage) {
  g_autoptr(GError) error = NULL;
  Order finalized = *order;
  finalized.csr = der;
  finalized.spki = csr->spki;
  finalized.usage = usage;
  finalized.finalized_at = call->now;
  StoreChange moved = state_order_finalized(call->acme, &finalized, &error);
  if (moved == STORE_UNCHANGED)
    return not_ready(order);
  if (moved == STORE_FAILED ||
      !job_add(call->acme->store, JOB_ISSUE, &order->id, call->now, &error))
    return problem_internal(&error);
  return order_answer(call, &order->id, 200);
}

/* What a request may be refused for. */
static Problem *check_request(Call *call, const Order *order, GPtrArray *authorizations,
                              GBytes **der, Csr **csr, gint64 *usage) {
  Problem *problem = read_csr(call, authorizations, der, csr);
  if (problem == NULL)
    problem = check_names(authorizations, *csr);
  if (problem == NULL)
    problem = check_profile(call, order, *csr, usage);
  return problem == NULL ? check_key(call, *csr) : problem;
}

/* A refusal counts as an attempt and is recorded (S/MIME BR 5.4.1), though the order stays as it
   is. */
static Problem *refuse(Call *call, const Order *order, Problem *problem) {
  g_autoptr(GError) error = NULL;
  if (problem->type == PROBLEM_SERVER_INTERNAL)
    return problem;
  problem->keep = TRUE;
  if (record(call->acme, call->now, "certificate request refused", (About){.order = &order->id},
             &error, "problem", problem_type_name(problem->type), "reason", problem->detail, NULL))
    return problem;
  problem_free(problem);
  return problem_internal(&error);
}

Problem *order_finalize_post(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Order) order = NULL;
  g_autoptr(GBytes) der = NULL;
  g_autoptr(Csr) csr = NULL;
  gint64 usage = 0;
  if (!store_lock_order(call->acme->store, &call->id, &error))
    return problem_internal(&error);
  Problem *problem = order_load(call, &order);
  if (problem == NULL && strcmp(order->status, "ready") != 0)
    problem = not_ready(order);
  if (problem != NULL)
    return problem;
  g_autoptr(GPtrArray) authorizations = authorization_list(call->acme->store, &call->id, &error);
  if (authorizations == NULL)
    return problem_internal(&error);
  problem = issuance_refuse(call);
  if (problem != NULL)
    return problem;
  problem = limit_finalization(call);
  if (problem != NULL)
    return problem_longer(problem, limit_certificate(call, authorizations));
  problem = check_request(call, order, authorizations, &der, &csr, &usage);
  if (problem != NULL)
    return refuse(call, order, problem);
  problem = limit_certificate(call, authorizations);
  return problem != NULL ? problem : start_issuance(call, order, der, csr, usage);
}
