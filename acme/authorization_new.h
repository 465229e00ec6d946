/* SPDX-License-Identifier: Apache-2.0 */
/* An authorization and its challenge come to be: for an order (RFC 8555 section 7.4) or beforehand
   (7.4.1). */
#ifndef SIGNET_ACME_AUTHORIZATION_NEW_H
#define SIGNET_ACME_AUTHORIZATION_NEW_H

#include "acme/acme.h"
#include "acme/identifier.h"
#include "store/authorization.h"

/* Makes the authorization of the caller for ordered; order NULL: free, to be claimed later. The new
   one, or NULL with error. */
Authorization *authorization_make(Call *call, const OrderedMailbox *ordered, const Id *order,
                                  gint64 position, gint64 expires_at, GError **error);

#endif
