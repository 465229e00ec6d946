/* SPDX-License-Identifier: Apache-2.0 */
#include "client/authorization_flow.h"

#include "client/failure.h"

static AcmeAnswer *post(AcmeClient *acme, const char *address, GError **error) {
  g_autoptr(json_t) payload =
      json_pack("{s:{s:s,s:s}}", "identifier", "type", "email", "value", address);
  const char *url = acme_client_resource(acme, "newAuthz", error);
  g_autoptr(AcmeAnswer) answer = url != NULL ? acme_client_post(acme, url, payload, error) : NULL;
  if (answer == NULL) {
    g_prefix_error(error, "%s cannot be proven: ", address);
    return NULL;
  }
  if (answer->location == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK,
                "%s: the server did not say where the authorization is", address);
    return NULL;
  }
  return g_steal_pointer(&answer);
}

static Proof *new_proof(AcmeClient *acme, const char *address, GError **error) {
  const char *const asked[] = {address, NULL};
  g_autoptr(AcmeAnswer) answer = post(acme, address, error);
  g_autoptr(ServerAuthorization) authorization =
      answer != NULL ? server_authorization_read(answer->json, error) : NULL;
  return authorization != NULL ? proof_new(answer->location, authorization, asked, error) : NULL;
}

GPtrArray *authorization_flow_new(AcmeClient *acme, const char *const *addresses, GError **error) {
  g_autoptr(GPtrArray) proofs = proof_list_new();
  if (!acme_client_offers(acme, "newAuthz")) {
    g_set_error(error, CLIENT_ERROR, CLIENT_REFUSED,
                "the server takes no proof without an order (its directory has no \"newAuthz\"): "
                "revoke by the account that ordered the certificate (--account-key) or by its key "
                "(--key), or ask the CA");
    return NULL;
  }
  for (; *addresses != NULL; addresses++) {
    Proof *proof = new_proof(acme, *addresses, error);
    if (proof == NULL)
      return NULL;
    g_ptr_array_add(proofs, proof);
  }
  return g_steal_pointer(&proofs);
}
