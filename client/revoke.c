/* SPDX-License-Identifier: Apache-2.0 */
/* "signet revoke": revokeCert by the account, by the certificate's own key, or by an account that
 * proves the certificate's mailboxes first (RFC 8555 section 7.6). */
#include "base/base64url.h"
#include "client/authorization_flow.h"
#include "client/certificate_chain.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/private_key.h"
#include "client/prover.h"
#include "client/revoke_options.h"

#define REVOKE_SECONDS 120 /* when nobody has to answer a mail */

static json_t *revocation(const CertificateStack *chain, int reason) {
  g_autoptr(GBytes) leaf = certificate_chain_leaf(chain);
  g_autofree char *text = base64url_encode(g_bytes_get_data(leaf, NULL), g_bytes_get_size(leaf));
  json_t *payload = json_pack("{s:s}", "certificate", text);
  if (reason != REVOKE_NO_REASON)
    json_object_set_new(payload, "reason", json_integer(reason));
  return payload;
}

static CertificateStack *load_chain(const char *path, GError **error) {
  g_autoptr(GBytes) pem = local_file_read(path, error);
  if (pem == NULL)
    return NULL;
  return certificate_chain_read(g_bytes_get_data(pem, NULL), g_bytes_get_size(pem), error);
}

static gboolean ask_revocation(const RevokeOptions *o, AcmeClient *acme, const json_t *payload,
                               GError **error) {
  const char *url = acme_client_resource(acme, "revokeCert", error);
  g_autoptr(AcmeAnswer) answer = url != NULL ? acme_client_post(acme, url, payload, error) : NULL;
  if (answer != NULL)
    output_step("revoked", "%s", o->rest[0]);
  return answer != NULL;
}

/* --- by a key that is there ---------------------------------------------------------------------
 */

static gboolean revoke_by_its_key(const RevokeOptions *o, const CertificateStack *chain,
                                  const json_t *payload, gint64 deadline, GError **error) {
  const AcmeClientOptions where = {o->prove.directory, o->prove.ca_file, deadline};
  g_autoptr(EVP_PKEY) key = private_key_load(o->key, error);
  if (key == NULL)
    return FALSE;
  if (!certificate_chain_is_for(chain, key)) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s is not the key of the certificate", o->key);
    return FALSE;
  }
  g_autoptr(AccountKey) signing = account_key_new(key, error);
  g_autoptr(AcmeClient) acme = signing != NULL ? acme_client_new(&where, signing, error) : NULL;
  return acme != NULL && ask_revocation(o, acme, payload, error);
}

static gboolean revoke_by_key(const RevokeOptions *o, const CertificateStack *chain,
                              const json_t *payload, GError **error) {
  gint64 deadline = g_get_monotonic_time() + REVOKE_SECONDS * G_USEC_PER_SEC;
  if (o->key != NULL)
    return revoke_by_its_key(o, chain, payload, deadline, error);
  g_autoptr(AccountSession) session = account_session_open(&o->prove, deadline, error);
  return session != NULL && ask_revocation(o, session->acme, payload, error);
}

/* --- by proof of the mailboxes ------------------------------------------------------------------
 */

static gboolean prove_mailboxes(Prover *prover, GError **error) {
  g_autofree char *names = g_strjoinv(", ", (char **)prover->addresses);
  output_step("proof", "needed of %s", names);
  g_autoptr(GPtrArray) proofs =
      authorization_flow_new(prover->session->acme, prover->addresses, error);
  if (proofs != NULL && prover_prove(prover, proofs, error))
    return TRUE;
  g_prefix_error(error, "nothing is revoked: ");
  return FALSE;
}

/* Asks before it proves: the server says no to a certificate of another CA before anybody gets a
   mail, and who proved the mailboxes a while ago need not do it again. */
static gboolean revoke_by_proof(const RevokeOptions *o, const CertificateStack *chain,
                                const json_t *payload, GError **error) {
  g_autoptr(GError) refusal = NULL;
  g_auto(GStrv) addresses = certificate_chain_addresses(chain, error);
  if (addresses == NULL || !prove_options_fit(&o->prove, g_strv_length(addresses), error))
    return FALSE;
  g_autoptr(Prover) prover = prover_new(&o->prove, (const char *const *)addresses, error);
  if (prover == NULL || !prover_open_account(prover, error))
    return FALSE;
  if (ask_revocation(o, prover->session->acme, payload, &refusal))
    return TRUE;
  if (!acme_client_refused_as(refusal, "unauthorized")) {
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
  }
  return prove_mailboxes(prover, error) && ask_revocation(o, prover->session->acme, payload, error);
}

gboolean command_revoke(char **arguments, GError **error) {
  g_autoptr(RevokeOptions) options = revoke_options_parse(arguments, error);
  if (options == NULL)
    return FALSE;
  output_set_quiet(options->prove.quiet);
  g_autoptr(CertificateStack) chain = load_chain(options->rest[0], error);
  if (chain == NULL)
    return FALSE;
  g_autoptr(json_t) payload = revocation(chain, options->reason);
  return options->by_proof ? revoke_by_proof(options, chain, payload, error)
                           : revoke_by_key(options, chain, payload, error);
}
