/* SPDX-License-Identifier: Apache-2.0 */
/* An order from newOrder to the certificate, but for the proofs (RFC 8555 section 7.4). */
#ifndef SIGNET_CLIENT_ORDER_FLOW_H
#define SIGNET_CLIENT_ORDER_FLOW_H

#include "client/acme_client.h"
#include "client/proof.h"

typedef struct {
  AcmeClient *acme; /* kept, not owned */
  gint64 deadline;  /* monotonic microseconds */
  char **addresses; /* NULL-terminated */
  char *url;
  ServerOrder *order; /* as it was seen last */
} OrderFlow;

/* Makes the order for addresses (NULL-terminated). replaces: the renewal identifier of the
   certificate that it is to replace (RFC 9773 section 5), or NULL; where the server refuses that,
   the order is made without. Errors as acme_client_post, here and below. */
OrderFlow *order_flow_new(AcmeClient *acme, const char *const *addresses, const char *replaces,
                          gint64 deadline, GError **error);
/* An order that was made before. */
OrderFlow *order_flow_open(AcmeClient *acme, const char *const *addresses, const char *url,
                           gint64 deadline, GError **error);
void order_flow_free(OrderFlow *flow);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OrderFlow, order_flow_free)

/* Fetches the authorizations, which makes the server send its mails: an array of Proof. */
GPtrArray *order_flow_fetch_proofs(OrderFlow *flow, GError **error);

/* With every authorization valid: finalizes with the request in DER, waits for the certificate and
   gives its chain in PEM. CLIENT_REFUSED when the order becomes invalid. */
GByteArray *order_flow_issue(OrderFlow *flow, GBytes *request, GError **error);

#endif
