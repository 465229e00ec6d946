/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts (RFC 8555 section 7.3). */
#include "acme/record.h"
#include "acme/resources.h"
#include "base/mailbox.h"
#include "ca/key.h"
#include "store/certificate.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CONTACTS 10
#define ORDERS_PAGE 100

static json_t *account_json(const Acme *acme, const Account *account) {
  g_autofree char *orders = acme_url(acme, "account", &account->id, "/orders");
  json_t *document = json_object();
  json_object_set_new(document, "status", json_string(account->status));
  json_object_set_new(document, "contact", json_loads(account->contact, 0, NULL));
  if (account->terms != NULL)
    json_object_set_new(document, "termsOfServiceAgreed", json_true());
  json_object_set_new(document, "orders", json_string(orders));
  return document;
}

void account_answer(Call *call, const Account *account, guint status) {
  g_autofree char *location = acme_url(call->acme, "account", &account->id, "");
  response_header(call->response, "Location", "%s", location);
  response_json(call->response, status, "application/json", account_json(call->acme, account));
}

static Problem *check_contact(json_t *contact) {
  const char *url = json_string_value(contact);
  g_autoptr(GError) error = NULL;
  if (url == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "contact is a list of URLs.");
  if (g_ascii_strncasecmp(url, "mailto:", 7) != 0)
    return problem_new(PROBLEM_UNSUPPORTED_CONTACT, 0, "Only mailto: contacts are supported.");
  g_autoptr(Mailbox) mailbox = mailbox_parse(url + 7, &error);
  return mailbox != NULL ? NULL
                         : problem_new(PROBLEM_INVALID_CONTACT, 0, "%s: %s", url, error->message);
}

/* The payload's contact as JSON text; NULL and no problem when it has none. */
static Problem *read_contact(json_t *payload, char **contact) {
  json_t *list = json_object_get(payload, "contact");
  json_t *entry = NULL;
  size_t i = 0;
  *contact = NULL;
  if (list == NULL)
    return NULL;
  if (!json_is_array(list) || json_array_size(list) > MAX_CONTACTS)
    return problem_new(PROBLEM_MALFORMED, 0, "contact is a list of at most %d URLs.", MAX_CONTACTS);
  json_array_foreach(list, i, entry) {
    Problem *problem = check_contact(entry);
    if (problem != NULL)
      return problem;
  }
  char *text = json_dumps(list, JSON_COMPACT);
  *contact = g_strdup(text);
  free(text);
  return NULL;
}

static Problem *check_terms(const Call *call) {
  const char *terms = config_text(call->acme->config, "acme.terms-of-service");
  if (*terms == '\0' || json_is_true(json_object_get(call->payload, "termsOfServiceAgreed")))
    return NULL;
  g_autofree char *link = g_strdup_printf("<%s>;rel=\"terms-of-service\"", terms);
  Problem *problem =
      problem_new(PROBLEM_USER_ACTION_REQUIRED, 0,
                  "The terms of service must be agreed to (termsOfServiceAgreed): %s", terms);
  problem_set_header(problem, "Link", link);
  return problem;
}

/* Account keys obey the policy of subscriber keys (ca-rules 15), of more types. */
Problem *account_check_key(const Call *call, const Jwk *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) spki = jwk_spki(key);
  g_autoptr(GBytes) digest = key_digest(spki);
  if (!key_check(spki, KEY_ACCOUNT, NULL, &error))
    return problem_new(PROBLEM_BAD_PUBLIC_KEY, 0, "The account key was refused: %s",
                       error->message);
  StoreFind blocked = key_blocked(call->acme->store, digest, &error);
  if (blocked == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  return blocked == STORE_MISSING ? NULL
                                  : problem_new(PROBLEM_BAD_PUBLIC_KEY, 0,
                                                "The account key is known to be compromised.");
}

static Problem *insert(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autofree char *contact = NULL;
  Problem *problem = read_contact(call->payload, &contact);
  if (problem == NULL)
    problem = check_terms(call);
  if (problem == NULL)
    problem = account_check_key(call, call->key);
  if (problem != NULL)
    return problem;
  const char *terms = config_text(call->acme->config, "acme.terms-of-service");
  g_autoptr(Account) account = g_new0(Account, 1);
  account->id = acme_id(call->acme, call->now);
  account->status = g_strdup("valid");
  account->thumbprint = g_bytes_ref(call->key->thumbprint);
  account->jwk = g_strdup(call->key->text);
  account->contact = g_strdup(contact != NULL ? contact : "[]");
  account->terms = *terms != '\0' ? g_strdup(terms) : NULL;
  account->terms_agreed_at = *terms != '\0' ? call->now : 0;
  account->created_at = call->now;
  if (account_insert(call->acme->store, account, &error) != STORE_CHANGED ||
      !record(call->acme, call->now, "account created", (About){.account = &account->id}, &error,
              "thumbprint", call->key->thumbprint_text, "terms", account->terms, NULL))
    return problem_internal(&error);
  account_answer(call, account, 201);
  return NULL;
}

Problem *account_new(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Account) account = NULL;
  if (call->payload == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "newAccount needs a payload, at least {}.");
  StoreFind found = account_find_by_key(call->acme->store, call->key->thumbprint, &account, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_FOUND && strcmp(account->status, "valid") != 0)
    return problem_new(PROBLEM_UNAUTHORIZED, 401, "The account of this key is %s.",
                       account->status);
  if (found == STORE_FOUND) {
    account_answer(call, account, 200);
    return NULL;
  }
  if (json_is_true(json_object_get(call->payload, "onlyReturnExisting")))
    return problem_new(PROBLEM_ACCOUNT_DOES_NOT_EXIST, 0, "There is no account with this key.");
  return insert(call);
}

static Problem *update(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autofree char *contact = NULL;
  json_t *status = json_object_get(call->payload, "status");
  const Id *id = &call->account->id;
  if (status != NULL && g_strcmp0(json_string_value(status), "deactivated") != 0)
    return problem_new(PROBLEM_MALFORMED, 0,
                       "An account's status can only be set to \"deactivated\".");
  if (status != NULL) {
    if (account_deactivate(call->acme->store, id, &error) == STORE_FAILED ||
        !record(call->acme, call->now, "account deactivated", (About){.account = id}, &error, NULL))
      return problem_internal(&error);
    g_free(call->account->status);
    call->account->status = g_strdup("deactivated");
    return NULL;
  }
  Problem *problem = read_contact(call->payload, &contact);
  if (problem != NULL || contact == NULL)
    return problem;
  if (!account_set_contact(call->acme->store, id, contact, &error) ||
      !record(call->acme, call->now, "account updated", (About){.account = id}, &error, "contact",
              contact, NULL))
    return problem_internal(&error);
  g_free(call->account->contact);
  call->account->contact = g_steal_pointer(&contact);
  return NULL;
}

Problem *account_post(Call *call) {
  if (!id_equal(&call->id, &call->account->id))
    return resource_missing();
  Problem *problem = call->payload != NULL ? update(call) : NULL;
  if (problem == NULL)
    account_answer(call, call->account, 200);
  return problem;
}

Problem *account_orders(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  if (!id_equal(&call->id, &call->account->id))
    return resource_missing();
  Problem *problem = resource_post_as_get_only(call);
  if (problem != NULL)
    return problem;
  if (!order_list_page(call->acme->store, &call->id, NULL, ORDERS_PAGE, ids, &error))
    return problem_internal(&error);
  json_t *urls = json_array();
  for (guint i = 0; i < ids->len; i++) {
    g_autofree char *url = acme_url(call->acme, "order", &g_array_index(ids, Id, i), "");
    json_array_append_new(urls, json_string(url));
  }
  response_json(call->response, 200, "application/json", json_pack("{s:o}", "orders", urls));
  return NULL;
}
