/* SPDX-License-Identifier: Apache-2.0 */
/* Authorizations without an order (RFC 8555 section 7.4.1). */
#ifndef SIGNET_CLIENT_AUTHORIZATION_FLOW_H
#define SIGNET_CLIENT_AUTHORIZATION_FLOW_H

#include "client/acme_client.h"
#include "client/proof.h"

/* Asks for an authorization for each of addresses (NULL-terminated), which makes the server send
   its mails: an array of Proof. CLIENT_REFUSED also when the server has no newAuthz; else as
   acme_client_post. */
GPtrArray *authorization_flow_new(AcmeClient *acme, const char *const *addresses, GError **error);

#endif
