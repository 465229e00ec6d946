/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/account_right.h"
#include "acme/identifier.h"
#include "ca/key.h"
#include "store/external_account_key.h"
#include "store/lock.h"

#include <string.h>

gboolean account_terms_are_current(const Acme *acme, const char *terms) {
  const char *current = config_text(acme->config, "acme.terms-of-service");
  return *current == '\0' || g_strcmp0(terms, current) == 0;
}

Problem *account_terms_problem(const Acme *acme) {
  const char *terms = config_text(acme->config, "acme.terms-of-service");
  g_autofree char *link = g_strdup_printf("<%s>;rel=\"terms-of-service\"", terms);
  Problem *problem = problem_new(PROBLEM_USER_ACTION_REQUIRED, 0,
                                 "The terms of service must be agreed to: read %s and send "
                                 "newAccount, with the account's key, "
                                 "with termsOfServiceAgreed true.",
                                 terms);
  problem_set(problem, "instance", json_string(terms));
  problem_set_header(problem, "Link", link);
  return problem;
}

Problem *account_hold(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Account) held = NULL;
  if (!store_is_shared(call->acme->store))
    return NULL;
  if (!store_lock_account(call->acme->store, &call->account->id, &error) ||
      account_find(call->acme->store, &call->account->id, &held, &error) != STORE_FOUND)
    return problem_internal(&error);
  return account_status_problem(held);
}

Problem *account_status_problem(const Account *account) {
  return strcmp(account->status, "valid") == 0
             ? NULL
             : problem_new(PROBLEM_UNAUTHORIZED, 401, "The account is %s.", account->status);
}

gboolean account_hold_key(Acme *acme, GBytes *spki, GError **error) {
  g_autoptr(GBytes) digest = key_digest(spki);
  return store_lock_key(acme->store, digest, error);
}

StoreFind account_of_key(Acme *acme, GBytes *spki, GError **error) {
  g_autoptr(Account) account = NULL;
  g_autoptr(GBytes) thumbprint = jwk_thumbprint_of_spki(spki);
  if (thumbprint == NULL)
    return STORE_MISSING;
  StoreFind found = account_find_by_key(acme->store, thumbprint, &account, error);
  return found == STORE_MISSING ? account_had_key(acme->store, thumbprint, error) : found;
}

/* What one external account allows; entries of identifiers are addresses or domains. */
typedef struct {
  json_t *identifiers;
} Allowed;

static Problem *check_identifier(gpointer user, const OrderedMailbox *ordered) {
  const Allowed *allowed = user;
  json_t *entry = NULL;
  size_t i = 0;
  json_array_foreach(allowed->identifiers, i, entry) {
    const char *text = json_string_value(entry);
    if (strcmp(text, ordered->mailbox->canonical) == 0 ||
        strcmp(text, ordered->mailbox->domain) == 0)
      return NULL;
  }
  return problem_new(PROBLEM_REJECTED_IDENTIFIER, 0,
                     "\"%s\" is refused: the external account does not cover it.",
                     ordered->identifier);
}

static Problem *check_profile(json_t *profiles, const char *profile) {
  g_autoptr(GString) covered = g_string_new(NULL);
  json_t *entry = NULL;
  size_t i = 0;
  json_array_foreach(profiles, i, entry) {
    if (g_strcmp0(json_string_value(entry), profile) == 0)
      return NULL;
    g_string_append_printf(covered, "%s%s", i > 0 ? ", " : "", json_string_value(entry));
  }
  return problem_new(PROBLEM_INVALID_PROFILE, 0,
                     "The external account covers these profiles only: %s; order with one of them.",
                     covered->str);
}

/* The caller's external account; *key is NULL when it has none. */
static Problem *load_key(Call *call, ExternalAccountKey **key) {
  g_autoptr(GError) error = NULL;
  *key = NULL;
  if (!call->account->bound)
    return NULL;
  return external_account_key_find(call->acme->store, &call->account->external_key_id, key,
                                   &error) == STORE_FOUND
             ? NULL
             : problem_internal(&error);
}

static Problem *check_external(const ExternalAccountKey *key, GPtrArray *mailboxes) {
  if (key->revoked_at != 0)
    return problem_new(PROBLEM_UNAUTHORIZED, 0,
                       "The external account that this account is bound to was revoked; ask the "
                       "operator of this server.");
  Allowed allowed = {json_loads(key->identifiers, 0, NULL)};
  Problem *problem = json_array_size(allowed.identifiers) > 0
                         ? identifiers_check(mailboxes, check_identifier, &allowed)
                         : NULL;
  json_decref(allowed.identifiers);
  return problem;
}

Problem *account_may_authorize(Call *call, GPtrArray *mailboxes) {
  g_autoptr(ExternalAccountKey) key = NULL;
  if (!account_terms_are_current(call->acme, call->account->terms))
    return account_terms_problem(call->acme);
  Problem *problem = load_key(call, &key);
  if (problem != NULL)
    return problem;
  if (key != NULL)
    return check_external(key, mailboxes);
  return config_is(call->acme->config, "acme.external-account", "required")
             ? problem_new(PROBLEM_EXTERNAL_ACCOUNT_REQUIRED, 0,
                           "Only accounts that are bound to an external account are served; make "
                           "one with externalAccountBinding.")
             : NULL;
}

Problem *account_may_use_profile(Call *call, const char *profile) {
  g_autoptr(ExternalAccountKey) key = NULL;
  Problem *problem = load_key(call, &key);
  if (problem != NULL || key == NULL)
    return problem;
  json_t *profiles = json_loads(key->profiles, 0, NULL);
  if (json_array_size(profiles) > 0)
    problem = check_profile(profiles, profile);
  json_decref(profiles);
  return problem;
}
