/* SPDX-License-Identifier: Apache-2.0 */
/* "signet revoke": revokeCert by the account or by the certificate's own key (RFC 8555
 * section 7.6). */
#include "base/base64url.h"
#include "client/acme_client.h"
#include "client/certificate_chain.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/private_key.h"

#define REVOKE_SECONDS 120
#define REASON_NONE -1

typedef struct {
  char *directory, *ca_file, *account_key, *key;
  gboolean quiet;
  int reason;
  char **rest;
} RevokeOptions;

static void revoke_options_free(RevokeOptions *o) {
  g_free(o->directory);
  g_free(o->ca_file);
  g_free(o->account_key);
  g_free(o->key);
  g_strfreev(o->rest);
  g_free(o);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RevokeOptions, revoke_options_free)

static const char *find_fault(const RevokeOptions *o) {
  if (o->rest == NULL || o->rest[1] != NULL)
    return "revoke takes one certificate file";
  if (o->directory == NULL || !g_str_has_prefix(o->directory, "https://"))
    return "--directory with an https URL is needed";
  if (o->key != NULL && o->account_key != NULL)
    return "--account-key or --key, not both";
  /* RFC 5280 section 5.3.1: 7 is not used. */
  if (o->reason != REASON_NONE && (o->reason < 0 || o->reason > 10 || o->reason == 7))
    return "--reason is a code of RFC 5280: 0 to 6, 8 to 10";
  return NULL;
}

static RevokeOptions *parse(char **arguments, GError **error) {
  g_autoptr(RevokeOptions) o = g_new0(RevokeOptions, 1);
  o->reason = REASON_NONE;
  const GOptionEntry entries[] = {
      {"directory", 0, 0, G_OPTION_ARG_STRING, &o->directory, "The server's ACME directory", "URL"},
      {"ca-file", 0, 0, G_OPTION_ARG_FILENAME, &o->ca_file,
       "Roots for HTTPS (default: the system's)", "FILE"},
      {"account-key", 0, 0, G_OPTION_ARG_FILENAME, &o->account_key,
       "Account key (default: that of the server in ~/.config/signet)", "FILE"},
      {"key", 0, 0, G_OPTION_ARG_FILENAME, &o->key, "The certificate's key, in place of an account",
       "FILE"},
      {"reason", 0, 0, G_OPTION_ARG_INT, &o->reason,
       "Reason code: 1 key compromise, 4 superseded ...", "N"},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &o->quiet, "No lines of progress", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->rest, NULL, NULL},
      {0},
  };
  g_autoptr(GOptionContext) context = g_option_context_new("CERTFILE");
  g_set_prgname("signet revoke");
  g_option_context_set_summary(context, "Revokes the first certificate in CERTFILE.");
  g_option_context_add_main_entries(context, entries, NULL);
  g_autoptr(GError) reason = NULL;
  g_auto(GStrv) copy = g_strdupv(arguments);
  const char *fault =
      g_option_context_parse_strv(context, &copy, &reason) ? find_fault(o) : reason->message;
  if (fault == NULL)
    return g_steal_pointer(&o);
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE, "%s (signet revoke --help)", fault);
  return NULL;
}

static json_t *revocation(const CertificateStack *chain, int reason, GError **error) {
  guint8 *der = NULL;
  int length = i2d_X509(sk_X509_value(chain, 0), &der);
  if (length <= 0) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the certificate is unusable: %s",
                client_openssl_reason());
    return NULL;
  }
  g_autofree char *text = base64url_encode(der, (gsize)length);
  OPENSSL_free(der);
  json_t *payload = json_pack("{s:s}", "certificate", text);
  if (reason != REASON_NONE)
    json_object_set_new(payload, "reason", json_integer(reason));
  return payload;
}

static CertificateStack *load_chain(const char *path, GError **error) {
  g_autoptr(GBytes) pem = local_file_read(path, error);
  if (pem == NULL)
    return NULL;
  return certificate_chain_read(g_bytes_get_data(pem, NULL), g_bytes_get_size(pem), error);
}

static AccountKey *load_signing_key(const RevokeOptions *o, const CertificateStack *chain,
                                    GError **error) {
  g_autofree char *path =
      o->key != NULL ? g_strdup(o->key) : command_account_path(o->account_key, o->directory);
  g_autoptr(EVP_PKEY) key = private_key_load(path, error);
  if (key == NULL)
    return NULL;
  if (o->key != NULL && !certificate_chain_is_for(chain, key)) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s is not the key of the certificate", path);
    return NULL;
  }
  return account_key_new(key, error);
}

static gboolean ask_revocation(const RevokeOptions *o, const AccountKey *key, const json_t *payload,
                               GError **error) {
  const AcmeClientOptions where = {o->directory, o->ca_file,
                                   g_get_monotonic_time() + REVOKE_SECONDS * G_USEC_PER_SEC};
  g_autoptr(AcmeClient) acme = acme_client_new(&where, key, error);
  if (acme == NULL || (o->key == NULL && !acme_client_find_account(acme, error)))
    return FALSE;
  const char *url = acme_client_resource(acme, "revokeCert", error);
  g_autoptr(AcmeAnswer) answer = url != NULL ? acme_client_post(acme, url, payload, error) : NULL;
  if (answer != NULL)
    output_step("revoked", "%s", o->rest[0]);
  return answer != NULL;
}

gboolean command_revoke(char **arguments, GError **error) {
  g_autoptr(RevokeOptions) options = parse(arguments, error);
  if (options == NULL)
    return FALSE;
  output_set_quiet(options->quiet);
  g_autoptr(CertificateStack) chain = load_chain(options->rest[0], error);
  g_autoptr(json_t) payload = chain != NULL ? revocation(chain, options->reason, error) : NULL;
  g_autoptr(AccountKey) key = payload != NULL ? load_signing_key(options, chain, error) : NULL;
  return key != NULL && ask_revocation(options, key, payload, error);
}
