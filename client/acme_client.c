/* SPDX-License-Identifier: Apache-2.0 */
#include "client/acme_client.h"

#include "base/base64url.h"
#include "base/log.h"
#include "client/failure.h"
#include "client/output.h"
#include "client/retry_after.h"
#include "client/server_problem.h"
#include "client/signed_request.h"

#include <string.h>

#define NONCE_MAX 512 /* characters */

struct AcmeClient {
  HttpsClient *https;
  const AccountKey *key;
  json_t *directory;
  char *account; /* URL */
  char *nonce;   /* from the last answer; NULL when it is spent */
  gint64 deadline;
  gint64 refused_for; /* seconds that the last refusal asked to wait; 0 */
};

static json_t *read_json(const GByteArray *body) {
  json_error_t reason;
  json_t *value = json_loadb((const char *)body->data, body->len, JSON_REJECT_DUPLICATES, &reason);
  if (json_is_object(value))
    return value;
  json_decref(value);
  return NULL;
}

/* --- directory and nonces -----------------------------------------------------------------------
 */

static gboolean fetch_directory(AcmeClient *client, const char *url, GError **error) {
  g_autoptr(HttpsAnswer) answer = https_client_get(client->https, url, error);
  if (answer == NULL)
    return FALSE;
  client->directory = answer->status == 200 ? read_json(answer->body) : NULL;
  if (client->directory == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK,
                "%s: no ACME directory there (HTTP status %ld)", url, answer->status);
  return client->directory != NULL;
}

AcmeClient *acme_client_new(const AcmeClientOptions *options, const AccountKey *key,
                            GError **error) {
  g_autoptr(AcmeClient) client = g_new0(AcmeClient, 1);
  client->https = https_client_new(options->ca_file, options->deadline);
  client->key = key;
  client->deadline = options->deadline;
  if (!fetch_directory(client, options->directory, error))
    return NULL;
  return g_steal_pointer(&client);
}

void acme_client_free(AcmeClient *client) {
  if (client == NULL)
    return;
  https_client_free(client->https);
  json_decref(client->directory);
  g_free(client->account);
  g_free(client->nonce);
  g_free(client);
}

const char *acme_client_account(const AcmeClient *client) {
  return client->account;
}

gboolean acme_client_offers(const AcmeClient *client, const char *name) {
  return json_is_string(json_object_get(client->directory, name));
}

const char *acme_client_resource(const AcmeClient *client, const char *name, GError **error) {
  const char *url = json_string_value(json_object_get(client->directory, name));
  if (url == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the server's directory has no \"%s\"", name);
  return url;
}

/* RFC 8555 section 6.5.1: base64url text; anything else is dropped. */
static void keep_nonce(AcmeClient *client, const HttpsAnswer *answer) {
  g_clear_pointer(&client->nonce, g_free);
  if (answer->nonce == NULL || strlen(answer->nonce) > NONCE_MAX)
    return;
  g_autoptr(GBytes) decoded = base64url_decode(answer->nonce);
  if (decoded != NULL)
    client->nonce = g_strdup(answer->nonce);
}

static char *take_nonce(AcmeClient *client, GError **error) {
  if (client->nonce != NULL)
    return g_steal_pointer(&client->nonce);
  const char *url = acme_client_resource(client, "newNonce", error);
  g_autoptr(HttpsAnswer) answer = url != NULL ? https_client_head(client->https, url, error) : NULL;
  if (answer == NULL)
    return NULL;
  keep_nonce(client, answer);
  if (client->nonce == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the server gave no nonce (HTTP status %ld)",
                answer->status);
  return g_steal_pointer(&client->nonce);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static HttpsAnswer *post_once(AcmeClient *client, const char *url, const json_t *payload,
                              GError **error) {
  g_autofree char *nonce = take_nonce(client, error);
  if (nonce == NULL)
    return NULL;
  g_autofree char *jws =
      signed_request_new(client->key, client->account, nonce, url, payload, error);
  HttpsAnswer *answer = jws != NULL ? https_client_post(client->https, url, jws, error) : NULL;
  if (answer != NULL)
    keep_nonce(client, answer);
  return answer;
}

static json_t *problem_of(const HttpsAnswer *answer) {
  return answer->status >= 400 ? read_json(answer->body) : NULL;
}

/* Seconds to wait before the request is made again; -1 when it is not to be. */
static gint64 pause_before_retry(const HttpsAnswer *answer, const GError *error) {
  if (answer == NULL)
    return g_error_matches(error, CLIENT_ERROR, CLIENT_NETWORK) ? 2 : -1;
  if (answer->status == 503)
    return retry_after_seconds(answer->retry_after, g_get_real_time() / G_USEC_PER_SEC, 5);
  g_autoptr(json_t) problem = problem_of(answer);
  return server_problem_is(problem, "badNonce") ? 0 : -1;
}

static AcmeAnswer *accept_answer(const HttpsAnswer *answer) {
  AcmeAnswer *accepted = g_new0(AcmeAnswer, 1);
  accepted->status = answer->status;
  accepted->location = g_strdup(answer->location);
  accepted->wait = retry_after_seconds(answer->retry_after, g_get_real_time() / G_USEC_PER_SEC, 0);
  accepted->retry_after =
      retry_after_unbounded(answer->retry_after, g_get_real_time() / G_USEC_PER_SEC);
  accepted->json = read_json(answer->body);
  accepted->body = g_byte_array_ref(answer->body);
  return accepted;
}

/* What a person can do about a refusal, as a further line; "" when the problem says it all. */
static const char *advice_of(const json_t *problem) {
  return server_problem_is(problem, "userActionRequired")
             ? "\n  to agree to new terms of service: signet account update --agree-tos"
             : "";
}

static void refuse_answer(const HttpsAnswer *answer, GError **error) {
  g_autoptr(json_t) problem = problem_of(answer);
  g_autofree char *words = server_problem_text(problem);
  g_autofree char *later = log_escape(answer->retry_after != NULL ? answer->retry_after : "", 60);
  g_set_error(error, CLIENT_ERROR, CLIENT_REFUSED,
              "refused by the server (HTTP status %ld)\n  %s%s%s%s", answer->status, words,
              later[0] != '\0' ? "\n  try again after: " : "", later, advice_of(problem));
}

gboolean acme_client_refused_as(const GError *error, const char *name) {
  g_autofree char *line = g_strconcat("\n  ", SERVER_PROBLEM_URN, name, ": ", NULL);
  return g_error_matches(error, CLIENT_ERROR, CLIENT_REFUSED) &&
         strstr(error->message, line) != NULL;
}

/* One try of a request. */
typedef HttpsAnswer *(*RequestOnce)(AcmeClient *client, const char *url, const json_t *payload,
                                    GError **error);

static HttpsAnswer *get_once(AcmeClient *client, const char *url, const json_t *payload,
                             GError **error) {
  (void)payload;
  return https_client_get(client->https, url, error);
}

static AcmeAnswer *request(AcmeClient *client, RequestOnce once, const char *url,
                           const json_t *payload, GError **error) {
  for (guint tries = 1;; tries++) {
    g_autoptr(GError) reason = NULL;
    g_autoptr(HttpsAnswer) answer = once(client, url, payload, &reason);
    if (answer != NULL && answer->status >= 200 && answer->status < 300)
      return accept_answer(answer);
    gint64 pause = pause_before_retry(answer, reason);
    gint64 until = g_get_monotonic_time() + pause * G_USEC_PER_SEC;
    if (pause < 0 || tries == ACME_CLIENT_MAX_TRIES || until >= client->deadline) {
      client->refused_for =
          answer != NULL
              ? retry_after_unbounded(answer->retry_after, g_get_real_time() / G_USEC_PER_SEC)
              : 0;
      if (answer != NULL)
        refuse_answer(answer, error);
      else
        g_propagate_error(error, g_steal_pointer(&reason));
      return NULL;
    }
    g_usleep((gulong)(pause * G_USEC_PER_SEC));
  }
}

AcmeAnswer *acme_client_post(AcmeClient *client, const char *url, const json_t *payload,
                             GError **error) {
  return request(client, post_once, url, payload, error);
}

AcmeAnswer *acme_client_get(AcmeClient *client, const char *url, GError **error) {
  return request(client, get_once, url, NULL, error);
}

gint64 acme_client_refused_for(const AcmeClient *client) {
  return client->refused_for;
}

void acme_answer_free(AcmeAnswer *answer) {
  if (answer == NULL)
    return;
  g_free(answer->location);
  json_decref(answer->json);
  g_byte_array_unref(answer->body);
  g_free(answer);
}

/* --- account ------------------------------------------------------------------------------------
 */

/* newAccount takes requests that carry their key, also from who has an account. */
static gboolean post_account(AcmeClient *client, const json_t *payload, GError **error) {
  const char *url = acme_client_resource(client, "newAccount", error);
  char *before = g_steal_pointer(&client->account);
  g_autoptr(AcmeAnswer) answer = url != NULL ? acme_client_post(client, url, payload, error) : NULL;
  client->account = before;
  if (answer == NULL)
    return FALSE;
  if (answer->location == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the server did not say where the account is");
    return FALSE;
  }
  g_free(client->account);
  client->account = g_strdup(answer->location);
  g_autofree char *where = log_escape(client->account, 300);
  output_step("account", "%s%s", where, answer->status == 201 ? " (new)" : "");
  return TRUE;
}

gboolean acme_client_find_account(AcmeClient *client, GError **error) {
  g_autoptr(json_t) payload = json_pack("{s:b}", "onlyReturnExisting", 1);
  return post_account(client, payload, error);
}

const char *acme_client_terms(const AcmeClient *client) {
  const json_t *meta = json_object_get(client->directory, "meta");
  return json_string_value(json_object_get(meta, "termsOfService"));
}

/* An account that exists has agreed before: only a new one is asked. */
static gboolean find_agreed_account(AcmeClient *client, GError **error) {
  g_autoptr(GError) reason = NULL;
  if (acme_client_find_account(client, &reason))
    return TRUE;
  if (!acme_client_refused_as(reason, "accountDoesNotExist")) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  g_autofree char *terms = log_escape(acme_client_terms(client), 300);
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE,
              "a new account needs your agreement to the terms of service at\n  %s\n"
              "read them, then run again with --agree-tos",
              terms);
  return FALSE;
}

/* One address each, without header fields (RFC 8555 section 7.3): what would begin them is escaped.
 */
json_t *acme_client_contacts(const char *const *contacts) {
  json_t *list = json_array();
  for (; *contacts != NULL; contacts++) {
    g_autofree char *escaped = g_uri_escape_string(*contacts, "@+", FALSE);
    g_autofree char *url = g_strconcat("mailto:", escaped, NULL);
    json_array_append_new(list, json_string(url));
  }
  return list;
}

static json_t *new_account(const AcmeClient *client, const AcmeRegistration *registration,
                           GError **error) {
  g_autoptr(json_t) payload = json_object();
  if (registration->agree)
    json_object_set_new(payload, "termsOfServiceAgreed", json_true());
  if (registration->contacts != NULL)
    json_object_set_new(payload, "contact", acme_client_contacts(registration->contacts));
  if (registration->binding_kid != NULL) {
    const char *url = acme_client_resource(client, "newAccount", error);
    json_t *binding = url != NULL ? signed_request_binding(client->key, registration->binding_kid,
                                                           registration->binding_key, url, error)
                                  : NULL;
    if (binding == NULL)
      return NULL;
    json_object_set_new(payload, "externalAccountBinding", binding);
  }
  return g_steal_pointer(&payload);
}

gboolean acme_client_register(AcmeClient *client, const AcmeRegistration *registration,
                              GError **error) {
  if (acme_client_terms(client) != NULL && !registration->agree)
    return find_agreed_account(client, error);
  g_autoptr(json_t) payload = new_account(client, registration, error);
  return payload != NULL && post_account(client, payload, error);
}

AcmeAnswer *acme_client_post_account(AcmeClient *client, const json_t *payload, GError **error) {
  return acme_client_post(client, client->account, payload, error);
}

gboolean acme_client_change_key(AcmeClient *client, const AccountKey *fresh, GError **error) {
  const char *url = acme_client_resource(client, "keyChange", error);
  g_autoptr(json_t) request =
      url != NULL ? signed_request_key_change(client->key, fresh, client->account, url, error)
                  : NULL;
  g_autoptr(AcmeAnswer) answer =
      request != NULL ? acme_client_post(client, url, request, error) : NULL;
  if (answer != NULL)
    client->key = fresh;
  return answer != NULL;
}
