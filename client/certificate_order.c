/* SPDX-License-Identifier: Apache-2.0 */
#include "client/certificate_order.h"

#include "client/failure.h"
#include "client/order_flow.h"
#include "client/output.h"

/* A server refuses it too, but the reader of this message can act on it. */
gboolean certificate_order_check(const CertificateOrder *order, GError **error) {
  if (EVP_PKEY_eq(order->key, order->prover->session->key->key) != 1)
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
              "the account key must not be the certificate key too");
  return FALSE;
}

static gboolean prove(const CertificateOrder *order, OrderFlow *flow, GError **error) {
  g_autoptr(GPtrArray) proofs = order_flow_fetch_proofs(flow, error);
  return proofs != NULL && prover_prove(order->prover, proofs, error);
}

static CertificateStack *issue(const CertificateOrder *order, OrderFlow *flow, GError **error) {
  g_autoptr(GBytes) csr =
      certificate_request_new(order->key, order->addresses, order->usage, error);
  g_autoptr(GByteArray) pem = csr != NULL ? order_flow_issue(flow, csr, error) : NULL;
  g_autoptr(CertificateStack) chain =
      pem != NULL ? certificate_chain_read(pem->data, pem->len, error) : NULL;
  if (chain == NULL || certificate_chain_is_for(chain, order->key))
    return g_steal_pointer(&chain);
  g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the server's certificate is for another key");
  return NULL;
}

CertificateStack *certificate_order_run(const CertificateOrder *order, GError **error) {
  if (!certificate_order_check(order, error))
    return NULL;
  g_autoptr(OrderFlow) flow = order_flow_new(order->prover->session->acme, order->addresses,
                                             order->replaces, order->prover->deadline, error);
  if (flow == NULL)
    return NULL;
  if (order->ordered != NULL && !order->ordered(flow->url, order->user, error))
    return NULL;
  return prove(order, flow, error) ? issue(order, flow, error) : NULL;
}

CertificateStack *certificate_order_resume(const CertificateOrder *order, const char *url) {
  g_autoptr(GError) reason = NULL;
  g_autoptr(OrderFlow) flow = order_flow_open(order->prover->session->acme, order->addresses, url,
                                              order->prover->deadline, &reason);
  if (flow == NULL || flow->order->status == SERVER_PENDING ||
      flow->order->status == SERVER_INVALID)
    return NULL;
  return issue(order, flow, &reason);
}
