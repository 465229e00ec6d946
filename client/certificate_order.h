/* SPDX-License-Identifier: Apache-2.0 */
/* One certificate for addresses and a key: the order, its proofs by the prover's way of mail, and
   the chain. */
#ifndef SIGNET_CLIENT_CERTIFICATE_ORDER_H
#define SIGNET_CLIENT_CERTIFICATE_ORDER_H

#include "client/certificate_chain.h"
#include "client/certificate_request.h"
#include "client/prover.h"

/* All kept, not owned. */
typedef struct {
  Prover *prover; /* its account is open */
  const char *const *addresses;
  EVP_PKEY *key;
  CertificateUsage usage;
  const char *replaces; /* renewal identifier, NULL: of nothing */
  /* Told the URL of the order before any mail is answered; may be NULL. */
  gboolean (*ordered)(const char *url, gpointer user, GError **error);
  gpointer user;
} CertificateOrder;

/* RFC 8555 section 11.1: the account's key is not the certificate's; CLIENT_LOCAL. */
gboolean certificate_order_check(const CertificateOrder *order, GError **error);

/* The chain, for the key. CLIENT_REFUSED when a proof or the order fails, CLIENT_TIMEOUT at the
   prover's deadline, CLIENT_LOCAL when the account's key is the certificate's too; else as
   acme_client_post and the way of mail. */
CertificateStack *certificate_order_run(const CertificateOrder *order, GError **error);

/* The chain of an order that was made before for the same key; NULL when it has come to nothing, or
   not yet to a certificate: then another one is made. */
CertificateStack *certificate_order_resume(const CertificateOrder *order, const char *url);

#endif
