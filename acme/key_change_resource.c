/* SPDX-License-Identifier: Apache-2.0 */
/* Account key rollover (RFC 8555 section 7.3.5): the checks in the order of its list. */
#include "acme/account_right.h"
#include "acme/jws.h"
#include "acme/limit.h"
#include "acme/record.h"
#include "acme/resources.h"

#include <string.h>

/* Steps 2 to 4 and the form of step 5. change: the inner payload, a JSON object. */
static Problem *read_inner(const Call *call, Jws *inner, Jwk **key, json_t **change) {
  Problem *problem = jws_read(call->payload, inner);
  if (problem == NULL)
    problem = jws_check_inner_header(inner, "jwk");
  if (problem == NULL)
    problem = jws_read_key(inner, key);
  if (problem == NULL)
    problem = jws_check_signature(inner, *key);
  if (problem == NULL)
    problem = jws_read_payload(inner, change);
  return jws_problem_in("The inner JWS", problem);
}

/* Steps 5 and 6. */
static Problem *check_members(const Call *call, const Jws *inner, json_t *change) {
  if (!json_is_string(json_object_get(change, "account")) ||
      !json_is_object(json_object_get(change, "oldKey")))
    return problem_new(PROBLEM_MALFORMED, 0,
                       "The inner payload needs account (the account's URL) and oldKey (a JWK).");
  return jws_problem_in("The inner JWS", jws_check_inner_url(call, inner));
}

/* Step 7. */
static Problem *check_account(const Call *call, json_t *change) {
  g_autofree char *url = acme_url(call->acme, "account", &call->account->id, "");
  return strcmp(json_string_value(json_object_get(change, "account")), url) == 0
             ? NULL
             : problem_new(PROBLEM_UNAUTHORIZED, 0,
                           "The account of the inner payload is not the one that signed the "
                           "request: it must be the URL %s.",
                           url);
}

static Problem *not_present_key(void) {
  return problem_new(PROBLEM_UNAUTHORIZED, 0, "The oldKey is not the account's present key.");
}

/* Step 8. */
static Problem *check_old_key(const Call *call, json_t *change) {
  g_autofree char *why = NULL;
  g_autoptr(Jwk) old = jwk_parse(json_object_get(change, "oldKey"), &why);
  if (old == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "The oldKey was refused: %s.", why);
  return g_bytes_equal(old->thumbprint, call->account->thumbprint) ? NULL : not_present_key();
}

/* Step 9. The registry of error types has none for a conflict. */
static Problem *key_in_use(const Call *call, const Jwk *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Account) holder = NULL;
  StoreFind found = account_find_by_key(call->acme->store, key->thumbprint, &holder, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING) /* another key change was faster */
    return not_present_key();
  g_autofree char *url = acme_url(call->acme, "account", &holder->id, "");
  gboolean own = id_equal(&holder->id, &call->account->id);
  Problem *problem =
      own ? problem_new(PROBLEM_MALFORMED, 409, "The new key is the account's present key.")
          : problem_new(PROBLEM_MALFORMED, 409, "The new key is that of the account %s.", url);
  problem_set_header(problem, "Location", url);
  return problem;
}

/* Pending orders and authorizations stay as they are. */
static Problem *change_key(Call *call, const Jwk *key) {
  g_autoptr(GError) error = NULL;
  const Account *account = call->account;
  StoreChange changed =
      account_set_key(call->acme->store, account, key->thumbprint, key->text, call->now, &error);
  if (changed == STORE_UNCHANGED)
    return key_in_use(call, key);
  if (changed == STORE_FAILED ||
      !record(call->acme, call->now, "account key changed", (About){.account = &account->id},
              &error, "from", call->key->thumbprint_text, "to", key->thumbprint_text, NULL))
    return problem_internal(&error);
  return account_answer_now(call, &account->id, 200);
}

static Problem *check_key(Call *call, const Jwk *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) spki = jwk_spki(key);
  return account_hold_key(call->acme, spki, &error) ? account_check_key(call, key)
                                                    : problem_internal(&error);
}

static Problem *run(Call *call, Jws *inner, Jwk **key, json_t **change) {
  Problem *problem = read_inner(call, inner, key, change);
  if (problem == NULL)
    problem = check_members(call, inner, *change);
  if (problem == NULL)
    problem = check_account(call, *change);
  if (problem == NULL)
    problem = check_old_key(call, *change);
  if (problem == NULL)
    problem = check_key(call, *key);
  if (problem == NULL)
    problem = limit_change(call);
  return problem != NULL ? problem : change_key(call, *key);
}

Problem *key_change_post(Call *call) {
  g_auto(Jws) inner = {0};
  g_autoptr(Jwk) key = NULL;
  json_t *change = NULL;
  if (call->payload == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "A key change needs a payload: the inner JWS.");
  Problem *problem = run(call, &inner, &key, &change);
  json_decref(change);
  return problem;
}
