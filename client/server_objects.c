/* SPDX-License-Identifier: Apache-2.0 */
#include "client/server_objects.h"

#include "client/failure.h"
#include "client/server_problem.h"

#include <string.h>

static const char *const status_words[] = {
    [SERVER_PENDING] = "pending",
    [SERVER_READY] = "ready",
    [SERVER_PROCESSING] = "processing",
    [SERVER_VALID] = "valid",
};

static ServerStatus read_status(const json_t *json) {
  const char *word = json_string_value(json_object_get(json, "status"));
  for (guint i = 0; word != NULL && i < G_N_ELEMENTS(status_words); i++)
    if (strcmp(status_words[i], word) == 0)
      return (ServerStatus)i;
  return SERVER_INVALID;
}

static char *text_member(const json_t *json, const char *name) {
  return g_strdup(json_string_value(json_object_get(json, name)));
}

static char *problem_member(const json_t *json) {
  const json_t *problem = json_object_get(json, "error");
  return json_is_object(problem) ? server_problem_text(problem) : NULL;
}

ServerOrder *server_order_read(const json_t *json, GError **error) {
  g_autoptr(ServerOrder) order = g_new0(ServerOrder, 1);
  order->status = read_status(json);
  order->finalize = text_member(json, "finalize");
  order->certificate = text_member(json, "certificate");
  order->problem = problem_member(json);
  order->authorizations = g_ptr_array_new_with_free_func(g_free);
  const json_t *list = json_object_get(json, "authorizations");
  for (gsize i = 0; i < json_array_size(list); i++)
    if (json_is_string(json_array_get(list, i)))
      g_ptr_array_add(order->authorizations, g_strdup(json_string_value(json_array_get(list, i))));
  if (order->finalize != NULL && order->authorizations->len > 0 &&
      order->authorizations->len <= SERVER_MAX_AUTHORIZATIONS)
    return g_steal_pointer(&order);
  g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the server's answer is no ACME order");
  return NULL;
}

static const json_t *find_challenge(const json_t *json) {
  const json_t *list = json_object_get(json, "challenges");
  for (gsize i = 0; i < json_array_size(list); i++) {
    const json_t *challenge = json_array_get(list, i);
    const char *type = json_string_value(json_object_get(challenge, "type"));
    if (type != NULL && strcmp(type, "email-reply-00") == 0)
      return challenge;
  }
  return NULL;
}

ServerAuthorization *server_authorization_read(const json_t *json, GError **error) {
  g_autoptr(ServerAuthorization) authorization = g_new0(ServerAuthorization, 1);
  const json_t *challenge = find_challenge(json);
  authorization->status = read_status(json);
  authorization->identifier = text_member(json_object_get(json, "identifier"), "value");
  authorization->challenge = text_member(challenge, "url");
  authorization->from = text_member(challenge, "from");
  authorization->token = text_member(challenge, "token");
  authorization->problem = problem_member(challenge);
  if (authorization->identifier == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK,
                "the server's answer is no ACME authorization");
    return NULL;
  }
  if (authorization->challenge == NULL || authorization->from == NULL ||
      authorization->token == NULL)
    g_clear_pointer(&authorization->challenge, g_free);
  return g_steal_pointer(&authorization);
}

void server_order_free(ServerOrder *order) {
  if (order == NULL)
    return;
  if (order->authorizations != NULL)
    g_ptr_array_unref(order->authorizations);
  g_free(order->finalize);
  g_free(order->certificate);
  g_free(order->problem);
  g_free(order);
}

void server_authorization_free(ServerAuthorization *authorization) {
  if (authorization == NULL)
    return;
  g_free(authorization->identifier);
  g_free(authorization->challenge);
  g_free(authorization->from);
  g_free(authorization->token);
  g_free(authorization->problem);
  g_free(authorization);
}
