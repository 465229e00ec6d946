/* SPDX-License-Identifier: Apache-2.0 */
/* The directory (RFC 8555 section 7.1.1), and newNonce where the edge does not answer it itself. */
#include "acme/profile.h"
#include "acme/resources.h"

#include <string.h>

static void add_url(const Call *call, json_t *directory, const char *name, const char *path) {
  json_object_set_new(directory, name,
                      json_sprintf("%s%s", config_text(call->acme->config, "acme.url"), path));
}

static json_t *meta(const Acme *acme) {
  const Config *config = acme->config;
  json_t *meta = json_object();
  json_t *identities = json_array();
  if (config_given(config, "acme.terms-of-service"))
    json_object_set_new(meta, "termsOfService",
                        json_string(config_text(config, "acme.terms-of-service")));
  if (config_given(config, "acme.website"))
    json_object_set_new(meta, "website", json_string(config_text(config, "acme.website")));
  for (const char *const *name = config_list(config, "ca.caa-identities"); *name != NULL; name++)
    json_array_append_new(identities, json_string(*name));
  if (json_array_size(identities) > 0)
    json_object_set(meta, "caaIdentities", identities);
  json_decref(identities);
  json_object_set_new(meta, "externalAccountRequired",
                      json_boolean(config_is(config, "acme.external-account", "required")));
  json_object_set_new(meta, "profiles", profiles_json(acme));
  return meta;
}

Problem *directory_get(Call *call) {
  Problem *problem = resource_post_as_get_only(call);
  if (problem != NULL)
    return problem;
  json_t *directory = json_object();
  add_url(call, directory, "newNonce", "/new-nonce");
  add_url(call, directory, "newAccount", "/new-account");
  add_url(call, directory, "newAuthz", "/new-authz");
  add_url(call, directory, "newOrder", "/new-order");
  add_url(call, directory, "revokeCert", "/revoke-cert");
  add_url(call, directory, "keyChange", "/key-change");
  add_url(call, directory, "renewalInfo", "/renewal-info");
  json_object_set_new(directory, "meta", meta(call->acme));
  if (strcmp(call->request->method, "POST") != 0) /* whose answer has a nonce */
    response_header(call->response, "Cache-Control", "public, max-age=300");
  response_json(call->response, 200, "application/json", directory);
  return NULL;
}

/* The nonce is that of every answer to a POST. */
Problem *nonce_post(Call *call) {
  Problem *problem = resource_post_as_get_only(call);
  if (problem == NULL)
    call->response->status = 204;
  return problem;
}

Problem *resource_missing(void) {
  return problem_new(PROBLEM_MALFORMED, 404, "There is no such object for this account.");
}

Problem *resource_post_as_get_only(const Call *call) {
  return call->payload == NULL
             ? NULL
             : problem_new(PROBLEM_MALFORMED, 0,
                           "This resource is read with POST-as-GET: an empty payload.");
}
