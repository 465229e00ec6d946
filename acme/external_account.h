/* SPDX-License-Identifier: Apache-2.0 */
/* External account binding (RFC 8555 section 7.3.4). */
#ifndef SIGNET_ACME_EXTERNAL_ACCOUNT_H
#define SIGNET_ACME_EXTERNAL_ACCOUNT_H

#include "acme/acme.h"
#include "store/external_account_key.h"

/* Verifies binding, the member externalAccountBinding of a newAccount request that carries its key:
   a flattened JWS over that key by a MAC key of ours that is neither revoked nor bound. Gives the
   MAC key's row, which the caller binds and frees. Which kids there are is not told to one who
   does not know a MAC key. */
Problem *external_account_read(Call *call, json_t *binding, ExternalAccountKey **key);

#endif
