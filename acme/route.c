/* SPDX-License-Identifier: Apache-2.0 */
/* The route table and the way of one request through it. */
#include "acme/route.h"
#include "acme/jws.h"
#include "acme/record.h"
#include "acme/resources.h"

#include <string.h>

const Route routes[] = {
    {"/directory", NULL, FALSE, ROUTE_OPEN, directory_get},
    {"/new-nonce", NULL, FALSE, ROUTE_EDGE, nonce_post},
    {"/renewal-info/*", NULL, FALSE, ROUTE_GET, renewal_info_get},
    {"/new-account", NULL, FALSE, ROUTE_KEY, account_new},
    {"/new-authz", NULL, FALSE, ROUTE_ACCOUNT, authorization_new_post},
    {"/new-order", NULL, FALSE, ROUTE_ACCOUNT, order_new},
    {"/key-change", NULL, FALSE, ROUTE_ACCOUNT, key_change_post},
    {"/revoke-cert", NULL, FALSE, ROUTE_EITHER, certificate_revoke_post},
    {"/account/", "", TRUE, ROUTE_ACCOUNT, account_post},
    {"/account/", "/orders", TRUE, ROUTE_ACCOUNT, account_orders},
    {"/account/", "/orders/*", TRUE, ROUTE_ACCOUNT, account_orders},
    {"/order/", "", TRUE, ROUTE_ACCOUNT, order_post},
    {"/order/", "/finalize", TRUE, ROUTE_ACCOUNT, order_finalize_post},
    {"/authorization/", "", TRUE, ROUTE_ACCOUNT, authorization_post},
    {"/challenge/", "", TRUE, ROUTE_ACCOUNT, challenge_post},
    {"/certificate/", "", TRUE, ROUTE_ACCOUNT, certificate_post},
    {"/certificate/", "/alternate/*", TRUE, ROUTE_ACCOUNT, certificate_post},
};
const gsize routes_count = G_N_ELEMENTS(routes);

/* What follows the prefix in text; NULL when it is not there. */
static const char *behind(const char *prefix, const char *text) {
  for (; *prefix != '\0'; prefix++, text++)
    if (*prefix != *text)
      return NULL;
  return text;
}

/* Whether text is pattern, or what "*" at its end stands for. */
static gboolean fits(const char *pattern, const char *text, const char **tail) {
  *tail = NULL;
  for (; *pattern != '\0' && *pattern != '*'; pattern++, text++)
    if (*pattern != *text)
      return FALSE;
  if (*pattern == '\0')
    return *text == '\0';
  *tail = text;
  return *text != '\0' && strchr(text, '/') == NULL;
}

gboolean route_match(const Route *route, const char *path, Id *id, const char **tail) {
  if (!route->has_id)
    return fits(route->prefix, path, tail);
  const char *rest = behind(route->prefix, path);
  char text[ID_TEXT];
  if (rest == NULL || g_strlcpy(text, rest, sizeof(text)) < sizeof(text) - 1 ||
      !fits(route->suffix, rest + sizeof(text) - 1, tail))
    return FALSE;
  return id_from_text(text, id);
}

const Route *route_find(const char *path, Id *id, const char **tail) {
  for (gsize i = 0; i < routes_count; i++)
    if (route_match(&routes[i], path, id, tail))
      return &routes[i];
  return NULL;
}

static const struct {
  const char *methods;
  gboolean read, posted; /* by GET or HEAD, by POST */
  JwsSigner signer;      /* of a POST */
} accesses[] = {
    [ROUTE_GET] = {.methods = "GET, HEAD", .read = TRUE},
    [ROUTE_OPEN] = {"GET, HEAD, POST", TRUE, TRUE, JWS_ACCOUNT},
    [ROUTE_EDGE] = {"GET, HEAD, POST", FALSE, TRUE, JWS_ACCOUNT},
    [ROUTE_KEY] = {"POST", FALSE, TRUE, JWS_KEY},
    [ROUTE_ACCOUNT] = {"POST", FALSE, TRUE, JWS_ACCOUNT},
    [ROUTE_EITHER] = {"POST", FALSE, TRUE, JWS_EITHER},
};

const char *route_methods(const Route *route) {
  return accesses[route->access].methods;
}

static Problem *wrong_method(const Route *route, const char *method) {
  Problem *problem =
      problem_new(PROBLEM_MALFORMED, 405, "The method %s does not fit this resource; use %s.",
                  method, accesses[route->access].read ? "GET" : "POST (POST-as-GET to read)");
  problem_set_header(problem, "Allow", route_methods(route));
  return problem;
}

static Problem *run(Call *call) {
  const char *method = call->request->method;
  const Route *route = route_find(call->request->path, &call->id, &call->tail);
  if (route == NULL)
    return problem_new(
        PROBLEM_MALFORMED, 404,
        "There is no such resource on this server; the directory lists those that there are.");
  gboolean reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
  gboolean posts = strcmp(method, "POST") == 0;
  if (!(reads && accesses[route->access].read) && !(posts && accesses[route->access].posted))
    return wrong_method(route, method);
  Problem *problem = posts ? jws_open(call, accesses[route->access].signer) : NULL;
  return problem != NULL ? problem : route->handle(call);
}

static void answer_problem(Response *response, const Problem *problem) {
  g_ptr_array_set_size(response->headers, 0);
  response_json(response, problem->status, "application/problem+json", problem_json(problem));
  if (problem->header != NULL)
    response_header(response, problem->header, "%s", problem->header_value);
}

static void record_problem(const Call *call, const Problem *problem) {
  char account[ID_TEXT];
  g_autofree char *status = g_strdup_printf("%u", problem->status);
  record_refusal(call->acme, "method", call->request->method, "path", call->request->path, "status",
                 status, "problem", problem_type_name(problem->type), "limit", problem->limit,
                 "reason", problem->detail, "account",
                 call->account != NULL ? id_text(&call->account->id, account) : NULL, "peer",
                 call->request->peer, NULL);
}

gboolean acme_handle(Acme *acme, const Request *request, Response *response) {
  Call call = {
      .acme = acme, .request = request, .response = response, .now = clock_now(acme->clock)};
  g_autoptr(Problem) problem = run(&call);
  if (problem != NULL) {
    if (!problem->passing)
      record_problem(&call, problem);
    answer_problem(response, problem);
  }
  if (problem != NULL || strcmp(request->path, "/directory") != 0)
    response_header(response, "Link", "<%s/directory>;rel=\"index\"",
                    config_text(acme->config, "acme.url"));
  if (response_find_header(response, "Cache-Control") == NULL)
    response_header(response, "Cache-Control", "no-store");
  g_clear_pointer(&call.key, jwk_unref);
  g_clear_pointer(&call.account, account_free);
  json_decref(call.payload);
  return problem == NULL || problem->keep;
}
