/* SPDX-License-Identifier: Apache-2.0 */
#include "client/prover.h"

#include "base/clock.h"
#include "client/failure.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/private_key.h"
#include "client/prove.h"

#include <string.h>
#include <unistd.h>

/* --- local preparation --------------------------------------------------------------------------
 */

static gboolean open_key(Prover *prover, GError **error) {
  const ProveOptions *o = prover->options;
  gboolean made = FALSE;
  prover->session = account_session_new(o, prover->deadline);
  g_autoptr(EVP_PKEY) key = private_key_load_or_make(prover->session->path, NULL, &made, error);
  prover->session->key = key != NULL ? account_key_new(key, error) : NULL;
  if (made && prover->session->key != NULL)
    output_step("key", "new account key in %s", prover->session->path);
  return prover->session->key != NULL;
}

static gboolean open_signer(Prover *prover, GError **error) {
  const ProveOptions *o = prover->options;
  if (o->dkim_key == NULL)
    return TRUE;
  const char *domain =
      o->dkim_domain != NULL ? o->dkim_domain : strrchr(prover->addresses[0], '@') + 1;
  g_autoptr(GError) reason = NULL;
  g_autoptr(EVP_PKEY) key = private_key_load(o->dkim_key, error);
  if (key == NULL)
    return FALSE;
  prover->signer = dkim_signer_new(domain, o->dkim_selector, key, &reason);
  if (prover->signer == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s", o->dkim_key, reason->message);
  prover->replier.signer = prover->signer;
  return prover->signer != NULL;
}

static gboolean open_smime(Prover *prover, GError **error) {
  const ProveOptions *o = prover->options;
  g_autoptr(GError) reason = NULL;
  if (o->challenge_ca != NULL) {
    prover->challenge_roots = local_file_read(o->challenge_ca, error);
    if (prover->challenge_roots == NULL)
      return FALSE;
  }
  if (o->smime_certificate == NULL)
    return TRUE;
  g_autoptr(GBytes) chain = local_file_read(o->smime_certificate, error);
  g_autoptr(GBytes) key = chain != NULL ? local_file_read(o->smime_key, error) : NULL;
  if (key == NULL)
    return FALSE;
  prover->smime =
      smime_signer_new(chain, key, prover->addresses[0], clock_now(&clock_system), &reason);
  if (prover->smime == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s",
                reason->code == SMIME_ERROR_KEY ? o->smime_key : o->smime_certificate,
                reason->message);
  prover->replier.smime = prover->smime;
  return prover->smime != NULL;
}

static gboolean open_mail_server(Prover *prover, GError **error) {
  const ProveOptions *o = prover->options;
  if (o->smtp_password_file != NULL) {
    prover->password = local_file_read_secret(o->smtp_password_file, error);
    if (prover->password == NULL)
      return FALSE;
  }
  prover->replier.server = (MailServer){
      .server = o->smtp,
      .user = o->smtp_user,
      .password = prover->password,
      .ca_file = o->smtp_ca_file,
      .tls = o->smtp_tls,
  };
  return TRUE;
}

static MailWay *open_print(Prover *prover, GError **error) {
  (void)prover, (void)error;
  return mail_print_new(STDIN_FILENO);
}

static MailWay *open_maildir(Prover *prover, GError **error) {
  return mail_maildir_new(prover->options->maildir, &prover->replier, error);
}

static MailWay *open_pipe(Prover *prover, GError **error) {
  (void)error;
  return mail_pipe_new(STDIN_FILENO, &prover->replier);
}

static MailWay *open_listen(Prover *prover, GError **error) {
  return mail_listen_new(prover->options->listen, prover->addresses, &prover->replier, error);
}

static MailWay *open_imap(Prover *prover, GError **error) {
  const ProveOptions *o = prover->options;
  prover->imap_password = local_file_read_secret(o->imap_password_file, error);
  const MailServer server = {o->imap, o->imap_user, prover->imap_password, o->imap_ca_file,
                             o->imap_tls};
  return prover->imap_password != NULL
             ? mail_imap_new(&server, o->imap_folder != NULL ? o->imap_folder : "INBOX",
                             &prover->replier, error)
             : NULL;
}

static MailWay *open_gateway(Prover *prover, GError **error) {
  return mail_gateway_new(prover->options->gateway, prover->addresses, &prover->replier, error);
}

static gboolean open_way(Prover *prover, GError **error) {
  static MailWay *(*const ways[])(Prover *, GError **) = {
      [PROVE_MAIL_PRINT] = open_print, [PROVE_MAIL_MAILDIR] = open_maildir,
      [PROVE_MAIL_PIPE] = open_pipe,   [PROVE_MAIL_LISTEN] = open_listen,
      [PROVE_MAIL_IMAP] = open_imap,   [PROVE_MAIL_GATEWAY] = open_gateway,
  };
  prover->way = ways[prover->options->mail](prover, error);
  return prover->way != NULL;
}

static Prover *new_prover(const ProveOptions *options) {
  Prover *prover = g_new0(Prover, 1);
  prover->options = options;
  prover->deadline = g_get_monotonic_time() + options->timeout * G_USEC_PER_SEC;
  return prover;
}

Prover *prover_new(const ProveOptions *options, const char *const *addresses, GError **error) {
  g_autoptr(Prover) prover = new_prover(options);
  prover->addresses = addresses;
  return open_key(prover, error) && open_signer(prover, error) && open_smime(prover, error) &&
                 open_mail_server(prover, error) && open_way(prover, error)
             ? g_steal_pointer(&prover)
             : NULL;
}

void prover_free(Prover *prover) {
  if (prover == NULL)
    return;
  account_session_free(prover->session);
  mail_way_free(prover->way);
  dkim_signer_free(prover->signer);
  smime_signer_free(prover->smime);
  g_clear_pointer(&prover->challenge_roots, g_bytes_unref);
  g_free(prover->password);
  g_free(prover->imap_password);
  g_free(prover);
}

/* --- the conversation with the server ------------------------------------------------------------
 */

/* Who has an account needs no key of an external one any more: its file may be gone. */
static gboolean register_bound(Prover *prover, GError **error) {
  const ProveOptions *o = prover->options;
  g_autoptr(GError) reason = NULL;
  if (acme_client_find_account(prover->session->acme, &reason))
    return TRUE;
  if (!acme_client_refused_as(reason, "accountDoesNotExist")) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  g_autofree char *key = local_file_read_secret(o->binding_key_file, error);
  const AcmeRegistration registration = {(const char *const *)o->contacts, o->agree, o->binding_kid,
                                         key};
  return key != NULL && acme_client_register(prover->session->acme, &registration, error);
}

gboolean prover_open_account(Prover *prover, GError **error) {
  const ProveOptions *o = prover->options;
  AccountSession *session = prover->session;
  const AcmeRegistration registration = {(const char *const *)o->contacts, o->agree, NULL, NULL};
  session->acme = acme_client_new(&session->where, session->key, error);
  if (session->acme == NULL || !account_session_settle(session, error))
    return FALSE;
  if (acme_client_account(session->acme) != NULL)
    return TRUE;
  return o->binding_kid != NULL ? register_bound(prover, error)
                                : acme_client_register(session->acme, &registration, error);
}

gboolean prover_settle_account(const ProveOptions *options, GError **error) {
  g_autoptr(Prover) prover = new_prover(options);
  return open_key(prover, error) && prover_open_account(prover, error);
}

gboolean prover_prove(const Prover *prover, GPtrArray *proofs, GError **error) {
  const Prove prove = {
      .acme = prover->session->acme,
      .way = prover->way,
      .thumbprint = prover->session->key->thumbprint,
      .proofs = proofs,
      .deadline = prover->deadline,
      .roots = prover->challenge_roots,
      .authserv_id = prover->options->authserv_id,
  };
  return prove_all(&prove, error);
}
