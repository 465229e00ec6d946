/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts (RFC 8555 section 7.3). */
#include "acme/account_right.h"
#include "acme/external_account.h"
#include "acme/issuing_ca.h"
#include "acme/limit.h"
#include "acme/record.h"
#include "acme/resources.h"
#include "acme/test_mode.h"
#include "base/mailbox.h"
#include "ca/key.h"
#include "store/certificate.h"
#include "store/job.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CONTACTS 10

static json_t *account_json(const Acme *acme, const Account *account) {
  g_autofree char *orders = acme_url(acme, "account", &account->id, "/orders");
  json_t *document = json_object();
  json_object_set_new(document, "status", json_string(account->status));
  json_object_set_new(document, "contact", json_loads(account->contact, 0, NULL));
  if (account->terms != NULL)
    json_object_set_new(document, "termsOfServiceAgreed",
                        json_boolean(account_terms_are_current(acme, account->terms)));
  if (account->external_binding != NULL)
    json_object_set_new(document, "externalAccountBinding",
                        json_loads(account->external_binding, 0, NULL));
  json_object_set_new(document, "orders", json_string(orders));
  return document;
}

void account_answer(Call *call, const Account *account, guint status) {
  g_autofree char *location = acme_url(call->acme, "account", &account->id, "");
  response_header(call->response, "Location", "%s", location);
  response_json(call->response, status, "application/json", account_json(call->acme, account));
}

Problem *account_answer_now(Call *call, const Id *id, guint status) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Account) account = NULL;
  if (account_find(call->acme->store, id, &account, &error) != STORE_FOUND)
    return problem_internal(&error);
  account_answer(call, account, status);
  return NULL;
}

static Problem *check_contact(json_t *contact) {
  const char *url = json_string_value(contact);
  g_autoptr(GError) error = NULL;
  if (url == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "contact must be a list of URLs, each a text.");
  if (g_ascii_strncasecmp(url, "mailto:", 7) != 0)
    return problem_new(PROBLEM_UNSUPPORTED_CONTACT, 0, "Only mailto: contacts are supported.");
  if (strpbrk(url, "?,") != NULL)
    return problem_new(PROBLEM_INVALID_CONTACT, 0,
                       "\"%s\" is refused: a contact is one address without header fields.", url);
  g_autofree char *address = g_uri_unescape_string(url + 7, NULL);
  g_autoptr(Mailbox) mailbox = address != NULL ? mailbox_parse(address, &error) : NULL;
  return mailbox != NULL ? NULL
                         : problem_new(PROBLEM_INVALID_CONTACT, 0, "\"%s\" is refused: %s.", url,
                                       error != NULL ? error->message : "not a mailto: URL");
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
    return problem_new(PROBLEM_MALFORMED, 0, "contact must be a list of at most %d URLs.",
                       MAX_CONTACTS);
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

static gboolean agrees(const Call *call) {
  return json_is_true(json_object_get(call->payload, "termsOfServiceAgreed"));
}

/* Account keys obey the policy of subscriber keys, of more types, and are no certificate's key
   (S/MIME BR 6.1.1.3; RFC 8555 section 11.1). */
Problem *account_check_key(const Call *call, const Jwk *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) spki = jwk_spki(key);
  g_autoptr(GBytes) digest = key_digest(spki);
  if (!key_check(spki, KEY_ACCOUNT, NULL, &error))
    return problem_new(PROBLEM_BAD_PUBLIC_KEY, 0, "The account key was refused: %s.",
                       error->message);
  if (weak_keys_have(call->acme->weak_keys, spki))
    return problem_new(PROBLEM_BAD_PUBLIC_KEY, 0,
                       "The account key is on a list of keys that are known to the world; make a "
                       "new one, on a system whose random numbers are sound.");
  StoreFind blocked = key_blocked(call->acme->store, digest, &error);
  StoreFind certified = key_certified(call->acme->store, digest, &error);
  if (blocked == STORE_LOOKUP_FAILED || certified == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (certified == STORE_FOUND || issuing_ca_has_key(call->acme, spki))
    return problem_new(PROBLEM_BAD_PUBLIC_KEY, 0,
                       "The account key is the key of a certificate; accounts need another.");
  return blocked == STORE_MISSING
             ? NULL
             : problem_new(PROBLEM_BAD_PUBLIC_KEY, 0,
                           "The account key is known to be compromised; make a new one.");
}

/* Binds the account to be to an external one, when the client asks for that or it has to be. */
static Problem *bind_external(Call *call, Account *account) {
  g_autoptr(GError) error = NULL;
  g_autoptr(ExternalAccountKey) key = NULL;
  json_t *binding = json_object_get(call->payload, "externalAccountBinding");
  if (binding == NULL)
    return config_is(call->acme->config, "acme.external-account", "required")
               ? problem_new(PROBLEM_EXTERNAL_ACCOUNT_REQUIRED, 0,
                             "A new account needs externalAccountBinding, by a key that the "
                             "operator of this server gives out.")
               : NULL;
  Problem *problem = external_account_read(call, binding, &key);
  if (problem != NULL)
    return problem;
  account->bound = TRUE;
  account->external_key_id = key->id;
  char *text = json_dumps(binding, JSON_COMPACT);
  account->external_binding = g_strdup(text);
  free(text);
  StoreChange bound = external_account_key_bind(call->acme->store, &key->id, &account->id, &error);
  if (bound == STORE_FAILED)
    return problem_internal(&error);
  return bound == STORE_CHANGED
             ? NULL
             : problem_new(PROBLEM_UNAUTHORIZED, 0,
                           "The external account key serves an account already.");
}

static Problem *check_new(Call *call, char **contact) {
  Problem *problem = read_contact(call->payload, contact);
  if (problem == NULL && !account_terms_are_current(call->acme, NULL) && !agrees(call))
    problem = account_terms_problem(call->acme);
  if (problem == NULL)
    problem = account_check_key(call, call->key);
  return problem != NULL ? problem : limit_new_account(call);
}

static Account *describe(const Call *call, const char *contact) {
  const char *terms = config_text(call->acme->config, "acme.terms-of-service");
  Account *account = g_rc_box_new0(Account);
  account->id = acme_id(call->acme, call->now);
  account->status = g_strdup("valid");
  account->thumbprint = g_bytes_ref(call->key->thumbprint);
  account->jwk = g_strdup(call->key->text);
  account->contact = g_strdup(contact != NULL ? contact : "[]");
  account->terms = *terms != '\0' ? g_strdup(terms) : NULL;
  account->terms_agreed_at = *terms != '\0' ? call->now : 0;
  account->created_at = call->now;
  return account;
}

static Problem *insert(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autofree char *contact = NULL;
  char external[ID_TEXT];
  Problem *problem = check_new(call, &contact);
  if (problem != NULL)
    return problem;
  g_autoptr(Account) account = describe(call, contact);
  problem = bind_external(call, account);
  if (problem != NULL)
    return problem;
  if (account_insert(call->acme->store, account, &error) != STORE_CHANGED ||
      !record(call->acme, call->now, "account created", (About){.account = &account->id}, &error,
              "thumbprint", call->key->thumbprint_text, "terms", account->terms, "external-account",
              account->bound ? id_text(&account->external_key_id, external) : NULL, NULL))
    return problem_internal(&error);
  account_answer(call, account, 201);
  return NULL;
}

/* Terms that changed are agreed to by newAccount once more (RFC 8555 section 7.3.3): an update of
   the account ignores the member. */
static Problem *agree_again(Call *call, const Account *account) {
  g_autoptr(GError) error = NULL;
  const char *terms = config_text(call->acme->config, "acme.terms-of-service");
  if (account_terms_are_current(call->acme, account->terms) || !agrees(call))
    return NULL;
  return account_agree(call->acme->store, &account->id, terms, call->now, &error) &&
                 record(call->acme, call->now, "terms agreed", (About){.account = &account->id},
                        &error, "terms", terms, NULL)
             ? NULL
             : problem_internal(&error);
}

Problem *account_new(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Account) account = NULL;
  if (call->payload == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "newAccount needs a payload, at least {}.");
  g_autoptr(GBytes) spki = jwk_spki(call->key);
  if (!account_hold_key(call->acme, spki, &error))
    return problem_internal(&error);
  StoreFind found = account_find_by_key(call->acme->store, call->key->thumbprint, &account, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_FOUND && strcmp(account->status, "valid") != 0)
    return problem_new(PROBLEM_UNAUTHORIZED, 401,
                       "The account of this key is %s; a new account needs another key.",
                       account->status);
  if (found == STORE_FOUND) {
    Problem *problem = agree_again(call, account);
    return problem != NULL ? problem : account_answer_now(call, &account->id, 200);
  }
  if (json_is_true(json_object_get(call->payload, "onlyReturnExisting")))
    return problem_new(
        PROBLEM_ACCOUNT_DOES_NOT_EXIST, 0,
        "There is no account with this key; leave onlyReturnExisting out to make one.");
  return insert(call);
}

static Problem *deactivate(Call *call) {
  g_autoptr(GError) error = NULL;
  const Id *id = &call->account->id;
  StoreChange deactivated = account_deactivate(call->acme->store, id, &error);
  if (deactivated == STORE_FAILED ||
      (deactivated == STORE_CHANGED &&
       (!job_add(call->acme->store, JOB_CLOSE, id, call->now, &error) ||
        !record(call->acme, call->now, "account deactivated", (About){.account = id}, &error,
                NULL))))
    return problem_internal(&error);
  return NULL;
}

/* Members that a client may not change are ignored (RFC 8555 section 7.3.2). */
static Problem *update(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autofree char *contact = NULL;
  const Id *id = &call->account->id;
  if (g_strcmp0(json_string_value(json_object_get(call->payload, "status")), "deactivated") == 0)
    return deactivate(call);
  Problem *problem = read_contact(call->payload, &contact);
  if (problem == NULL && contact != NULL)
    problem = limit_change(call);
  if (problem != NULL || contact == NULL)
    return problem;
  return account_set_contact(call->acme->store, id, contact, &error) &&
                 record(call->acme, call->now, "account updated", (About){.account = id}, &error,
                        "contact", contact, NULL)
             ? NULL
             : problem_internal(&error);
}

Problem *account_post(Call *call) {
  if (!id_equal(&call->id, &call->account->id))
    return resource_missing();
  Problem *problem = call->payload != NULL ? update(call) : NULL;
  return problem != NULL ? problem : account_answer_now(call, &call->id, 200);
}

/* --- orders
 * --------------------------------------------------------------------------------------------- */

/* A page begins after the order that its URL names. */
static Problem *read_cursor(const Call *call, Id *cursor, const Id **before) {
  *before = NULL;
  if (call->tail == NULL)
    return NULL;
  *before = cursor;
  return id_from_text(call->tail, cursor) ? NULL : resource_missing();
}

static void link_next(Call *call, const Id *last) {
  char text[ID_TEXT];
  g_autofree char *suffix = g_strconcat("/orders/", id_text(last, text), NULL);
  g_autofree char *url = acme_url(call->acme, "account", &call->id, suffix);
  response_header(call->response, "Link", "<%s>;rel=\"next\"", url);
}

static json_t *order_urls(Call *call, GArray *ids) {
  json_t *urls = json_array();
  for (guint i = 0; i < ids->len; i++) {
    g_autofree char *url = acme_url(call->acme, "order", &g_array_index(ids, Id, i), "");
    json_array_append_new(urls, json_string(url));
  }
  test_mode_shuffle(call->acme, urls);
  return urls;
}

Problem *account_orders(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  guint page = (guint)config_number(call->acme->config, "test.page");
  Id cursor;
  const Id *before = NULL;
  if (!id_equal(&call->id, &call->account->id))
    return resource_missing();
  Problem *problem = resource_post_as_get_only(call);
  if (problem == NULL)
    problem = read_cursor(call, &cursor, &before);
  if (problem != NULL)
    return problem;
  /* One more than a page holds: is there a next one? */
  if (!order_list_page(call->acme->store, &call->id, before, page + 1, ids, &error))
    return problem_internal(&error);
  if (ids->len > page) {
    g_array_set_size(ids, page);
    link_next(call, &g_array_index(ids, Id, page - 1));
  }
  response_json(call->response, 200, "application/json",
                json_pack("{s:o}", "orders", order_urls(call, ids)));
  return NULL;
}
