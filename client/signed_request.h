/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of ACME requests: JWS in flattened JSON (RFC 8555 section 6.2, RFC 7515
 * section 7.2.2). */
#ifndef SIGNET_CLIENT_SIGNED_REQUEST_H
#define SIGNET_CLIENT_SIGNED_REQUEST_H

#include "client/account_key.h"

/* kid NULL: the protected header carries the key itself ("jwk"). payload NULL: empty (POST-as-GET).
   The caller frees the text; CLIENT_LOCAL when it cannot be signed. */
char *signed_request_new(const AccountKey *key, const char *kid, const char *nonce, const char *url,
                         const json_t *payload, GError **error);

/* The externalAccountBinding member (RFC 8555 section 7.3.4): HS256 over the account's JWK with the
   octets of mac_key, which is base64url text. CLIENT_LOCAL when it is not. */
json_t *signed_request_binding(const AccountKey *key, const char *kid, const char *mac_key,
                               const char *url, GError **error);

/* The payload of keyChange for account (section 7.3.5): signed by fresh, over the account's URL and
   the key that it replaces. CLIENT_LOCAL when it cannot be signed. */
json_t *signed_request_key_change(const AccountKey *key, const AccountKey *fresh,
                                  const char *account, const char *url, GError **error);

#endif
