/* SPDX-License-Identifier: Apache-2.0 */
/* "signet request": from addresses to a certificate in files. */
#include "base/clock.h"
#include "client/acme_client.h"
#include "client/certificate_files.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/local_file.h"
#include "client/mail_way.h"
#include "client/order_flow.h"
#include "client/output.h"
#include "client/private_key.h"
#include "client/prove.h"
#include "client/request_options.h"

#include <string.h>
#include <unistd.h>

/* Everything that one run holds; made in this order, freed in the opposite one. */
typedef struct {
  RequestOptions *options;
  gint64 deadline; /* monotonic microseconds */
  EVP_PKEY *key;   /* of the certificate */
  char *password;  /* at the mail server */
  DkimSigner *signer;
  SmimeSigner *smime;
  GBytes *challenge_roots;
  MailReplier replier;
  MailWay *way;
  AccountKey *account;
  AcmeClient *acme;
} Request;

char *command_account_path(const char *file, const char *directory) {
  if (file != NULL)
    return g_strdup(file);
  g_autofree char *name = g_strconcat(directory + strlen("https://"), ".key", NULL);
  g_strdelimit(name, "/", '_');
  return g_build_filename(g_get_user_config_dir(), "signet", name, NULL);
}

static const char *const *request_addresses(const Request *request) {
  return (const char *const *)request->options->addresses;
}

static const char *request_folder(const Request *request) {
  return request->options->out != NULL ? request->options->out : ".";
}

static void request_free(Request *request) {
  acme_client_free(request->acme);
  account_key_free(request->account);
  mail_way_free(request->way);
  dkim_signer_free(request->signer);
  smime_signer_free(request->smime);
  g_clear_pointer(&request->challenge_roots, g_bytes_unref);
  g_free(request->password);
  EVP_PKEY_free(request->key);
  request_options_free(request->options);
  g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* --- local preparation: nothing is asked of the server before all of it has worked ---------------
 */

static gboolean open_keys(Request *request, GError **error) {
  const RequestOptions *o = request->options;
  if (!local_file_make_folder(request_folder(request), error))
    return FALSE;
  g_autofree char *account_path = command_account_path(o->account_key, o->directory);
  g_autofree char *preset =
      certificate_files_path(request_folder(request), o->addresses[0], ".key");
  const char *path = o->key != NULL ? o->key : preset;
  gboolean made = FALSE;
  g_autoptr(EVP_PKEY) account = private_key_load_or_make(account_path, NULL, &made, error);
  request->account = account != NULL ? account_key_new(account, error) : NULL;
  if (request->account == NULL)
    return FALSE;
  if (made)
    output_step("key", "new account key in %s", account_path);
  request->key = private_key_load_or_make(path, o->key_type, &made, error);
  if (request->key == NULL)
    return FALSE;
  output_step("key", "%s certificate key in %s", made ? "new" : "present", path);
  return TRUE;
}

/* RFC 8555 section 11.1: a server refuses it too, but the reader of this message can act on it. */
static gboolean keys_differ(const Request *request, GError **error) {
  if (EVP_PKEY_eq(request->key, request->account->key) != 1)
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
              "the account key must not be the certificate key too");
  return FALSE;
}

static gboolean open_signer(Request *request, GError **error) {
  const RequestOptions *o = request->options;
  if (o->dkim_key == NULL)
    return TRUE;
  const char *domain = o->dkim_domain != NULL ? o->dkim_domain : strrchr(o->addresses[0], '@') + 1;
  g_autoptr(GError) reason = NULL;
  g_autoptr(EVP_PKEY) key = private_key_load(o->dkim_key, error);
  if (key == NULL)
    return FALSE;
  request->signer = dkim_signer_new(domain, o->dkim_selector, key, &reason);
  if (request->signer == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s", o->dkim_key, reason->message);
  request->replier.signer = request->signer;
  return request->signer != NULL;
}

static gboolean open_smime(Request *request, GError **error) {
  const RequestOptions *o = request->options;
  g_autoptr(GError) reason = NULL;
  if (o->challenge_ca != NULL) {
    request->challenge_roots = local_file_read(o->challenge_ca, error);
    if (request->challenge_roots == NULL)
      return FALSE;
  }
  if (o->smime_certificate == NULL)
    return TRUE;
  g_autoptr(GBytes) chain = local_file_read(o->smime_certificate, error);
  g_autoptr(GBytes) key = chain != NULL ? local_file_read(o->smime_key, error) : NULL;
  if (key == NULL)
    return FALSE;
  request->smime = smime_signer_new(chain, key, o->addresses[0], clock_now(&clock_system), &reason);
  if (request->smime == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s",
                reason->code == SMIME_ERROR_KEY ? o->smime_key : o->smime_certificate,
                reason->message);
  request->replier.smime = request->smime;
  return request->smime != NULL;
}

static gboolean open_mail_server(Request *request, GError **error) {
  const RequestOptions *o = request->options;
  if (o->smtp_password_file != NULL) {
    request->password = local_file_read_secret(o->smtp_password_file, error);
    if (request->password == NULL)
      return FALSE;
  }
  request->replier.server = (MailServer){
      .server = o->smtp,
      .user = o->smtp_user,
      .password = request->password,
      .ca_file = o->smtp_ca_file,
      .tls = o->smtp_tls,
  };
  return TRUE;
}

static MailWay *open_print(Request *request, GError **error) {
  (void)request, (void)error;
  return mail_print_new(STDIN_FILENO);
}

static MailWay *open_maildir(Request *request, GError **error) {
  return mail_maildir_new(request->options->maildir, &request->replier, error);
}

static MailWay *open_pipe(Request *request, GError **error) {
  (void)error;
  return mail_pipe_new(STDIN_FILENO, &request->replier);
}

static MailWay *open_listen(Request *request, GError **error) {
  return mail_listen_new(request->options->listen, request_addresses(request), &request->replier,
                         error);
}

static gboolean open_way(Request *request, GError **error) {
  static MailWay *(*const ways[])(Request *, GError **) = {
      [REQUEST_MAIL_PRINT] = open_print,
      [REQUEST_MAIL_MAILDIR] = open_maildir,
      [REQUEST_MAIL_PIPE] = open_pipe,
      [REQUEST_MAIL_LISTEN] = open_listen,
  };
  request->way = ways[request->options->mail](request, error);
  return request->way != NULL;
}

static gboolean prepare(Request *request, GError **error) {
  return open_keys(request, error) && keys_differ(request, error) && open_signer(request, error) &&
         open_smime(request, error) && open_mail_server(request, error) && open_way(request, error);
}

/* --- the conversation with the server ------------------------------------------------------------
 */

static gboolean open_account(Request *request, GError **error) {
  const RequestOptions *o = request->options;
  const AcmeClientOptions where = {o->directory, o->ca_file, request->deadline};
  g_autofree char *binding_key = NULL;
  if (o->binding_key_file != NULL) {
    binding_key = local_file_read_secret(o->binding_key_file, error);
    if (binding_key == NULL)
      return FALSE;
  }
  const AcmeRegistration registration = {(const char *const *)o->contacts, o->agree, o->binding_kid,
                                         binding_key};
  request->acme = acme_client_new(&where, request->account, error);
  return request->acme != NULL && acme_client_register(request->acme, &registration, error);
}

static gboolean prove_order(Request *request, OrderFlow *flow, GError **error) {
  g_autoptr(GPtrArray) proofs = order_flow_fetch_proofs(flow, error);
  if (proofs == NULL)
    return FALSE;
  const Prove prove = {
      .acme = request->acme,
      .way = request->way,
      .thumbprint = request->account->thumbprint,
      .proofs = proofs,
      .deadline = request->deadline,
      .roots = request->challenge_roots,
  };
  return prove_all(&prove, error);
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
  if (!prepare(request, error) || !open_account(request, error))
    return FALSE;
  g_autoptr(OrderFlow) flow =
      order_flow_new(request->acme, request_addresses(request), request->deadline, error);
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
  request->deadline = g_get_monotonic_time() + options->timeout * G_USEC_PER_SEC;
  output_set_quiet(options->quiet);
  return run(request, error);
}
