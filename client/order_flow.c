/* SPDX-License-Identifier: Apache-2.0 */
#include "client/order_flow.h"

#include "base/base64url.h"
#include "base/log.h"
#include "client/failure.h"
#include "client/output.h"

#define POLL_PRESET_SECONDS 2

static json_t *identifiers(const char *const *addresses) {
  json_t *list = json_array();
  for (; *addresses != NULL; addresses++)
    json_array_append_new(list, json_pack("{s:s,s:s}", "type", "email", "value", *addresses));
  return list;
}

static AcmeAnswer *post_order(AcmeClient *acme, const char *const *addresses, const char *replaces,
                              GError **error) {
  g_autoptr(json_t) payload = json_pack("{s:o}", "identifiers", identifiers(addresses));
  if (replaces != NULL)
    json_object_set_new(payload, "replaces", json_string(replaces));
  const char *url = acme_client_resource(acme, "newOrder", error);
  g_autoptr(AcmeAnswer) answer = url != NULL ? acme_client_post(acme, url, payload, error) : NULL;
  if (answer != NULL && answer->location == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the server did not say where the order is");
    return NULL;
  }
  return g_steal_pointer(&answer);
}

/* RFC 9773 section 5: only where the server has renewal information. It refuses what another order
   or account has to do with, which is no reason not to renew. */
static AcmeAnswer *post_replacing(AcmeClient *acme, const char *const *addresses,
                                  const char *replaces, GError **error) {
  g_autoptr(GError) reason = NULL;
  AcmeAnswer *answer = post_order(acme, addresses, replaces, &reason);
  if (answer != NULL)
    return answer;
  if (!acme_client_refused_as(reason, "alreadyReplaced") &&
      !acme_client_refused_as(reason, "malformed") &&
      !acme_client_refused_as(reason, "unauthorized")) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return NULL;
  }
  output_step("order", "without saying which certificate it replaces: the server refused that");
  return post_order(acme, addresses, NULL, error);
}

static OrderFlow *make_flow(AcmeClient *acme, const char *const *addresses, const char *url,
                            const AcmeAnswer *answer, gint64 deadline, GError **error) {
  g_autoptr(ServerOrder) order = server_order_read(answer->json, error);
  if (order == NULL)
    return NULL;
  OrderFlow *flow = g_new0(OrderFlow, 1);
  flow->acme = acme;
  flow->deadline = deadline;
  flow->addresses = g_strdupv((char **)addresses);
  flow->url = g_strdup(url);
  flow->order = g_steal_pointer(&order);
  g_autofree char *where = log_escape(flow->url, 300);
  output_step("order", "%s", where);
  return flow;
}

OrderFlow *order_flow_new(AcmeClient *acme, const char *const *addresses, const char *replaces,
                          gint64 deadline, GError **error) {
  g_autoptr(AcmeAnswer) answer = replaces != NULL && acme_client_offers(acme, "renewalInfo")
                                     ? post_replacing(acme, addresses, replaces, error)
                                     : post_order(acme, addresses, NULL, error);
  return answer != NULL ? make_flow(acme, addresses, answer->location, answer, deadline, error)
                        : NULL;
}

OrderFlow *order_flow_open(AcmeClient *acme, const char *const *addresses, const char *url,
                           gint64 deadline, GError **error) {
  g_autoptr(AcmeAnswer) answer = acme_client_post(acme, url, NULL, error);
  return answer != NULL ? make_flow(acme, addresses, url, answer, deadline, error) : NULL;
}

void order_flow_free(OrderFlow *flow) {
  if (flow == NULL)
    return;
  g_strfreev(flow->addresses);
  g_free(flow->url);
  server_order_free(flow->order);
  g_free(flow);
}

static Proof *fetch_proof(OrderFlow *flow, const char *url, GError **error) {
  g_autoptr(AcmeAnswer) answer = acme_client_post(flow->acme, url, NULL, error);
  g_autoptr(ServerAuthorization) authorization =
      answer != NULL ? server_authorization_read(answer->json, error) : NULL;
  return authorization != NULL
             ? proof_new(url, authorization, (const char *const *)flow->addresses, error)
             : NULL;
}

GPtrArray *order_flow_fetch_proofs(OrderFlow *flow, GError **error) {
  g_autoptr(GPtrArray) proofs = proof_list_new();
  for (guint i = 0; i < flow->order->authorizations->len; i++) {
    Proof *proof = fetch_proof(flow, g_ptr_array_index(flow->order->authorizations, i), error);
    if (proof == NULL)
      return NULL;
    g_ptr_array_add(proofs, proof);
  }
  return g_steal_pointer(&proofs);
}

static gboolean take_order(OrderFlow *flow, const AcmeAnswer *answer, GError **error) {
  ServerOrder *order = server_order_read(answer->json, error);
  if (order == NULL)
    return FALSE;
  server_order_free(flow->order);
  flow->order = order;
  if (order->status != SERVER_INVALID)
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_REFUSED, "the order is invalid\n  %s",
              order->problem != NULL ? order->problem : "the server gave no reason");
  return FALSE;
}

static gboolean pause_for(const OrderFlow *flow, gint64 seconds, GError **error) {
  gint64 wait = (seconds > 0 ? seconds : POLL_PRESET_SECONDS) * G_USEC_PER_SEC;
  if (g_get_monotonic_time() + wait >= flow->deadline) {
    g_set_error(
        error, CLIENT_ERROR, CLIENT_TIMEOUT,
        "the time given by --timeout is over; the server has not issued the certificate yet");
    return FALSE;
  }
  g_usleep((gulong)wait);
  return TRUE;
}

/* Polls until the order is no longer pending or processing, or stays what it is when it is not now.
 */
static gboolean settle(OrderFlow *flow, gint64 wait, GError **error) {
  while (flow->order->status == SERVER_PENDING || flow->order->status == SERVER_PROCESSING) {
    if (!pause_for(flow, wait, error))
      return FALSE;
    g_autoptr(AcmeAnswer) answer = acme_client_post(flow->acme, flow->url, NULL, error);
    if (answer == NULL || !take_order(flow, answer, error))
      return FALSE;
    wait = answer->wait;
  }
  return TRUE;
}

static gboolean refresh(OrderFlow *flow, GError **error) {
  g_autoptr(AcmeAnswer) answer = acme_client_post(flow->acme, flow->url, NULL, error);
  return answer != NULL && take_order(flow, answer, error) && settle(flow, answer->wait, error);
}

static gboolean finalize(OrderFlow *flow, GBytes *request, GError **error) {
  gsize length = 0;
  const void *der = g_bytes_get_data(request, &length);
  g_autofree char *text = base64url_encode(der, length);
  g_autoptr(json_t) payload = json_pack("{s:s}", "csr", text);
  output_step("finalize", "with the certificate request");
  g_autoptr(AcmeAnswer) answer =
      acme_client_post(flow->acme, flow->order->finalize, payload, error);
  return answer != NULL && take_order(flow, answer, error) && settle(flow, answer->wait, error);
}

GByteArray *order_flow_issue(OrderFlow *flow, GBytes *request, GError **error) {
  if (!refresh(flow, error))
    return NULL;
  if (flow->order->status == SERVER_READY && !finalize(flow, request, error))
    return NULL;
  if (flow->order->certificate == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK,
                "the server did not say where the certificate is");
    return NULL;
  }
  g_autoptr(AcmeAnswer) answer =
      acme_client_post(flow->acme, flow->order->certificate, NULL, error);
  return answer != NULL ? g_byte_array_ref(answer->body) : NULL;
}
