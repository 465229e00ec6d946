/* SPDX-License-Identifier: Apache-2.0 */
/* "signet request": from addresses to a certificate in files. */
#include "client/certificate_files.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/local_file.h"
#include "client/order_flow.h"
#include "client/output.h"
#include "client/private_key.h"
#include "client/prover.h"
#include "client/request_options.h"

/* Everything that one run holds; made in this order, freed in the opposite one. */
typedef struct {
  RequestOptions *options;
  Prover *prover;
  EVP_PKEY *key; /* of the certificate */
} Request;

static const char *const *request_addresses(const Request *request) {
  return (const char *const *)request->options->addresses;
}

static const char *request_folder(const Request *request) {
  return request->options->out != NULL ? request->options->out : ".";
}

static void request_free(Request *request) {
  EVP_PKEY_free(request->key);
  prover_free(request->prover);
  request_options_free(request->options);
  g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* --- local preparation: nothing is asked of the server before all of it has worked ---------------
 */

static gboolean open_key(Request *request, GError **error) {
  const RequestOptions *o = request->options;
  g_autofree char *preset =
      certificate_files_path(request_folder(request), o->addresses[0], ".key");
  const char *path = o->key != NULL ? o->key : preset;
  gboolean made = FALSE;
  request->key = private_key_load_or_make(path, o->key_type, &made, error);
  if (request->key == NULL)
    return FALSE;
  output_step("key", "%s certificate key in %s", made ? "new" : "present", path);
  return TRUE;
}

/* RFC 8555 section 11.1: a server refuses it too, but the reader of this message can act on it. */
static gboolean keys_differ(const Request *request, GError **error) {
  if (EVP_PKEY_eq(request->key, request->prover->account->key) != 1)
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
              "the account key must not be the certificate key too");
  return FALSE;
}

static gboolean prepare(Request *request, GError **error) {
  if (!local_file_make_folder(request_folder(request), error))
    return FALSE;
  request->prover = prover_new(&request->options->prove, request_addresses(request), error);
  return request->prover != NULL && open_key(request, error) && keys_differ(request, error);
}

/* --- the conversation with the server ------------------------------------------------------------
 */

static gboolean prove_order(Request *request, OrderFlow *flow, GError **error) {
  g_autoptr(GPtrArray) proofs = order_flow_fetch_proofs(flow, error);
  return proofs != NULL && prover_prove(request->prover, proofs, error);
}

static gboolean save(Request *request, const GByteArray *pem, GError **error) {
  const RequestOptions *o = request->options;
  g_autoptr(CertificateStack) chain = certificate_chain_read(pem->data, pem->len, error);
  if (chain == NULL)
    return FALSE;
  if (!certificate_chain_is_for(chain, request->key)) {
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the server's certificate is for another key");
    return FALSE;
  }
  if (!certificate_files_write(request_folder(request), o->addresses[0], request->key, chain,
                               o->password_file, error))
    return FALSE;
  g_autofree char *expiry = certificate_chain_expiry(chain);
  output_step("certificate", "for %s%s, valid until %s", o->addresses[0],
              o->addresses[1] != NULL ? " and others" : "", expiry);
  return TRUE;
}

static gboolean run(Request *request, GError **error) {
  if (!prepare(request, error) || !prover_open_account(request->prover, error))
    return FALSE;
  g_autoptr(OrderFlow) flow = order_flow_new(request->prover->acme, request_addresses(request),
                                             request->prover->deadline, error);
  if (flow == NULL || !prove_order(request, flow, error))
    return FALSE;
  g_autoptr(GBytes) csr = certificate_request_new(request->key, request_addresses(request),
                                                  request->options->usage, error);
  g_autoptr(GByteArray) pem = csr != NULL ? order_flow_issue(flow, csr, error) : NULL;
  return pem != NULL && save(request, pem, error);
}

gboolean command_request(char **arguments, GError **error) {
  RequestOptions *options = request_options_parse(arguments, error);
  if (options == NULL)
    return FALSE;
  g_autoptr(Request) request = g_new0(Request, 1);
  request->options = options;
  output_set_quiet(options->prove.quiet);
  return run(request, error);
}
