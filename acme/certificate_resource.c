/* SPDX-License-Identifier: Apache-2.0 */
/* Download of certificates (RFC 8555 section 7.4.2). */
#include "acme/issuing_ca.h"
#include "acme/resources.h"
#include "store/certificate.h"

#include <string.h>

static char *certificate_pem(GBytes *der) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(der, &size);
  g_autofree char *base64 = g_base64_encode(data, size);
  GString *pem = g_string_new("-----BEGIN CERTIFICATE-----\n");
  const char *end = base64 + strlen(base64);
  for (const char *line = base64; line < end; line += 64) {
    g_string_append_len(pem, line, MIN(64, end - line));
    g_string_append_c(pem, '\n');
  }
  g_string_append(pem, "-----END CERTIFICATE-----\n");
  return g_string_free(pem, FALSE);
}

/* What follows the certificate: of the chain that the path names, a number without leading zeros;
   NULL when there is none such. */
static const char *chain_of(const Call *call, const IssuingCa *ca) {
  guint64 number = 0;
  if (call->tail == NULL)
    return ca->chain;
  return *call->tail != '0' &&
                 g_ascii_string_to_unsigned(call->tail, 10, 1, G_MAXUINT16, &number, NULL) &&
                 number <= ca->alternates->len
             ? ca->alternates->pdata[number - 1]
             : NULL;
}

/* Every other chain than the one that is given. */
static void link_alternates(Call *call, const IssuingCa *ca) {
  for (guint i = 0; i <= ca->alternates->len; i++) {
    g_autofree char *suffix = i == 0 ? g_strdup("") : g_strdup_printf("/alternate/%u", i);
    g_autofree char *url = acme_url(call->acme, "certificate", &call->id, suffix);
    if (!g_str_has_suffix(url, call->request->path))
      response_header(call->response, "Link", "<%s>;rel=\"alternate\"", url);
  }
}

Problem *certificate_post(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Certificate) certificate = NULL;
  Problem *problem = resource_post_as_get_only(call);
  if (problem != NULL)
    return problem;
  StoreFind found = certificate_find(call->acme->store, &call->id, &certificate, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING || certificate->der == NULL ||
      !id_equal(&certificate->account_id, &call->account->id))
    return resource_missing();
  IssuingCa ca;
  found = issuing_ca_of_shard(call->acme, certificate->shard, &ca, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING)
    return problem_new(PROBLEM_SERVER_INTERNAL, 0,
                       "The chain of this certificate is not here any more; tell the operator of "
                       "this server that its CA is not configured.");
  const char *issuers = chain_of(call, &ca);
  if (issuers == NULL)
    return resource_missing();
  g_autofree char *leaf = certificate_pem(certificate->der);
  g_autofree char *chain = g_strconcat(leaf, issuers, NULL);
  gsize length = strlen(chain);
  call->response->status = 200;
  call->response->body = g_bytes_new_take(g_steal_pointer(&chain), length);
  response_header(call->response, "Content-Type", "application/pem-certificate-chain");
  link_alternates(call, &ca);
  return NULL;
}
