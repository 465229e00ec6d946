/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check.h"
#include "acme/profile.h"
#include "base/clock.h"
#include "base/perspective.h"
#include "ca/algorithm.h"
#include "ca/alternate_chain.h"
#include "ca/audit_key.h"
#include "ca/certificate_read.h"
#include "ca/issuer.h"
#include "ca/root_list.h"
#include "ca/weak_keys.h"
#include "daemon/ca_key.h"
#include "daemon/check_token.h"
#include "daemon/control.h"
#include "daemon/mail_signer.h"
#include "daemon/mail_texts.h"
#include "daemon/pem_key.h"
#include "daemon/sockets.h"
#include "mime/smime_sign.h"
#include "smtp/sender_check.h"

#include <openssl/x509v3.h>
#include <string.h>

/* One configuration under check. */
typedef struct {
  const Config *config;
  GPtrArray *mistakes;
  gboolean pin_refused; /* by a token: several CAs may be in one, and each try counts there */
} Check;

static void mistake(Check *check, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void mistake(Check *check, const char *key, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *reason = g_strdup_vprintf(format, values);
  va_end(values);
  const char *dot = strchr(key, '.');
  g_autofree char *where = config_where(check->config, key);
  g_ptr_array_add(check->mistakes, g_strdup_printf("%s: [%.*s] %s: %s", where, (int)(dot - key),
                                                   key, dot + 1, reason));
}

/* The content of a file that a key names; NULL when it is empty or cannot be read (noted). */
static GBytes *read_file(Check *check, const char *key) {
  g_autoptr(GError) error = NULL;
  char *content = NULL;
  gsize length = 0;
  if (!config_given(check->config, key))
    return NULL;
  if (g_file_get_contents(config_text(check->config, key), &content, &length, &error))
    return g_bytes_new_take(content, length);
  mistake(check, key, "%s", error->message);
  return NULL;
}

static void check_tls(Check *check, const char *certificate_key, const char *key_key) {
  g_autoptr(GError) error = NULL;
  gboolean one = config_given(check->config, certificate_key),
           other = config_given(check->config, key_key);
  if (one != other)
    mistake(check, one ? key_key : certificate_key, "given only one of certificate and key");
  g_autoptr(GBytes) chain = read_file(check, certificate_key);
  g_autoptr(GBytes) key = read_file(check, key_key);
  SSL_CTX *context = chain != NULL && key != NULL ? pem_tls_context(chain, key, &error) : NULL;
  if (error != NULL)
    mistake(check, key_key, "%s", error->message);
  SSL_CTX_free(context);
}

static void check_dkim(Check *check) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) rsa = read_file(check, "mail.dkim-key");
  g_autoptr(GBytes) ed25519 = read_file(check, "mail.dkim-ed25519-key");
  g_autoptr(MailSigner) signer =
      rsa != NULL ? mail_signer_new(check->config, rsa, ed25519, &error) : NULL;
  if (error != NULL)
    mistake(check,
            error->code == MAIL_SIGNER_ERROR_ED25519 ? "mail.dkim-ed25519-key" : "mail.dkim-key",
            "%s", error->message);
}

gboolean check_relay_tls_demanded(const Config *config) {
  return config_is(config, "mail.relay-tls", "starttls") ||
         config_is(config, "mail.relay-tls", "implicit");
}

/* As daemon/role_outbound.c will ask them. */
static void check_relay(Check *check, const char *peer) {
  g_autoptr(GError) error = NULL;
  g_autofree char *host = NULL;
  SenderRelay relay = {.ehlo = config_text(check->config, "mail.domain"), .timeout_seconds = 1};
  config_split_peer(peer, &host, &relay.port);
  relay.host = host;
  if (!sender_check_relay(&relay, &error))
    mistake(check, "mail.relay", "%s: %s", peer, error->message);
}

static void check_relay_user(Check *check) {
  const Config *config = check->config;
  gboolean user = config_given(config, "mail.relay-user"),
           file = config_given(config, "mail.relay-password-file");
  if (user != file)
    mistake(check, user ? "mail.relay-password-file" : "mail.relay-user",
            "given only one of user and password file");
  if ((user || file) && !check_relay_tls_demanded(config))
    mistake(check, user ? "mail.relay-user" : "mail.relay-password-file",
            "a password goes over demanded TLS only: relay-tls = starttls or implicit");
  g_autoptr(GBytes) content = read_file(check, "mail.relay-password-file");
  g_autofree char *password = content != NULL ? pem_first_line(content) : NULL;
  if (password != NULL && *password == '\0')
    mistake(check, "mail.relay-password-file", "its first line is empty");
}

static void check_relays(Check *check) {
  const char *const *peers = config_list(check->config, "mail.relay");
  if (*peers == NULL)
    mistake(check, "mail.relay", "empty; at least one HOST:PORT");
  for (; *peers != NULL; peers++)
    check_relay(check, *peers);
  check_relay_user(check);
  g_autoptr(GBytes) ca =
      check_relay_tls_demanded(check->config) ? read_file(check, "mail.relay-ca") : NULL;
  if (ca != NULL && !pem_has_certificate(ca))
    mistake(check, "mail.relay-ca", "has no certificate in PEM");
}

static void check_smime(Check *check) {
  g_autoptr(GError) error = NULL;
  gboolean certificate = config_given(check->config, "mail.smime-certificate");
  if (certificate != config_given(check->config, "mail.smime-key"))
    mistake(check, certificate ? "mail.smime-key" : "mail.smime-certificate",
            "given only one of certificate and key");
  g_autoptr(GBytes) chain = read_file(check, "mail.smime-certificate");
  g_autoptr(GBytes) key = read_file(check, "mail.smime-key");
  if (chain == NULL || key == NULL)
    return;
  g_autofree char *address =
      g_strconcat("acme-challenge@", config_text(check->config, "mail.domain"), NULL);
  g_autoptr(SmimeSigner) signer =
      smime_signer_new(chain, key, address, clock_now(&clock_system), &error);
  if (signer == NULL)
    mistake(check,
            g_error_matches(error, SMIME_ERROR, SMIME_ERROR_KEY) ? "mail.smime-key"
                                                                 : "mail.smime-certificate",
            "%s (it signs for %s)", error->message, address);
}

static void check_linter(Check *check) {
  const char *path = config_text(check->config, "ca.linter");
  if (config_given(check->config, "ca.linter") &&
      (!g_path_is_absolute(path) || !g_file_test(path, G_FILE_TEST_IS_EXECUTABLE)))
    mistake(check, "ca.linter", "%s is no program with its whole path", path);
}

/* A file of the operator's folder that is not there leaves the built-in one. */
static GBytes *read_text(gpointer user, const char *language, GError **error) {
  const Check *check = user;
  g_autofree char *path = mail_texts_path(check->config, language);
  char *content = NULL;
  gsize length = 0;
  if (path == NULL || !g_file_test(path, G_FILE_TEST_EXISTS))
    return NULL;
  return g_file_get_contents(path, &content, &length, error) ? g_bytes_new_take(content, length)
                                                             : NULL;
}

static void check_mail_texts(Check *check) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) texts = mail_texts_read(check->config, read_text, check, &error);
  if (config_given(check->config, "mail.texts") &&
      !g_file_test(config_text(check->config, "mail.texts"), G_FILE_TEST_IS_DIR))
    mistake(check, "mail.texts", "is no folder");
  else if (texts == NULL)
    mistake(check, "mail.language", "%s", error->message);
}

static Issuer *read_issuer_of_file(Check *check, const char *group, GBytes *certificate) {
  g_autoptr(GError) error = NULL;
  g_autofree char *key_name = ca_key_name(group, "key");
  g_autofree char *certificate_name = ca_key_name(group, "certificate");
  g_autofree char *passphrase_name = ca_key_name(group, "passphrase-file");
  g_autoptr(GBytes) key = read_file(check, key_name);
  g_autoptr(GBytes) file = read_file(check, passphrase_name);
  g_autofree char *passphrase = file != NULL ? pem_first_line(file) : NULL;
  Issuer *issuer =
      certificate != NULL && key != NULL ? issuer_new(certificate, key, passphrase, &error) : NULL;
  if (error != NULL)
    mistake(check, error->code == CA_ERROR_MISMATCH ? key_name : certificate_name, "%s",
            error->message);
  return issuer;
}

/* What the module needs beside itself; that it may read and write there shows when it is used. */
static gboolean check_module(Check *check, const char *group) {
  g_autofree char *key_name = ca_key_name(group, "key");
  const char *const *paths = config_list(check->config, "ca.pkcs11-paths");
  guint before = check->mistakes->len;
  if (!config_given(check->config, "ca.pkcs11-module"))
    mistake(check, key_name, "is in a token, and [ca] pkcs11-module is not given");
  for (; *paths != NULL; paths++)
    if (!g_file_test(*paths, G_FILE_TEST_EXISTS))
      mistake(check, "ca.pkcs11-paths", "%s is not there", *paths);
  return check->mistakes->len == before;
}

/* The key that is to blame for an error of check_token. */
static char *blamed(const char *group, const GError *error) {
  if (error->code == CA_ERROR_MODULE)
    return g_strdup("ca.pkcs11-module");
  return ca_key_name(group, error->code == CA_ERROR_PIN ? "passphrase-file" : "key");
}

static Issuer *read_issuer_of_token(Check *check, const char *group, GBytes *certificate) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = ca_key_name(group, "certificate");
  g_autoptr(Issuer) issuer =
      certificate != NULL ? issuer_new(certificate, NULL, NULL, &error) : NULL;
  if (error != NULL)
    mistake(check, name, "%s", error->message);
  if (issuer == NULL || check->pin_refused || !check_module(check, group))
    return g_steal_pointer(&issuer);
  if (!check_token(check->config, group, certificate, &error)) {
    g_autofree char *key = blamed(group, error);
    mistake(check, key, "%s", error->message);
    check->pin_refused = error->code == CA_ERROR_PIN;
  }
  return g_steal_pointer(&issuer);
}

static Issuer *read_issuer(Check *check, const char *group) {
  g_autofree char *name = ca_key_name(group, "certificate");
  g_autoptr(GBytes) certificate = read_file(check, name);
  return ca_key_in_token(check->config, group) ? read_issuer_of_token(check, group, certificate)
                                               : read_issuer_of_file(check, group, certificate);
}

static void check_issued_by(Check *check, const char *key, const Issuer *issuer,
                            const Issuer *root) {
  if (X509_check_issued(root->certificate, issuer->certificate) != X509_V_OK ||
      X509_verify(issuer->certificate, X509_get0_pubkey(root->certificate)) != 1)
    mistake(check, key, "did not issue the CA's certificate");
}

/* Near its end certificates end with it (acme/validity.c), and its lists must go on: a start is
   refused only afterwards. */
static void check_life(Check *check, const Issuer *issuer) {
  if (algorithm_ca_key_is_over(X509_get0_pubkey(issuer->certificate),
                               clock_now(&clock_system) / CLOCK_SECOND))
    mistake(check, "ca.certificate",
            "has an RSA key below %d bits, which issues nothing since 2027-09-15 (SMC017v2)",
            ALGORITHM_RSA_CA_LATER_BITS);
  if (issuer_not_after(issuer) < clock_now(&clock_system)) {
    g_autofree char *end = clock_rfc3339(issuer_not_after(issuer));
    mistake(check, "ca.certificate", "ended on %s; put another issuing CA in place", end);
  }
}

static void check_alternates(Check *check, const char *group, const Issuer *issuer) {
  g_autofree char *key = ca_key_name(group, "alternate-chains");
  const char *const *paths = config_list(check->config, key);
  for (; *paths != NULL; paths++) {
    g_autoptr(GError) error = NULL;
    char *content = NULL;
    gsize length = 0;
    if (!g_file_get_contents(*paths, &content, &length, &error)) {
      mistake(check, key, "%s", error->message);
      continue;
    }
    g_autoptr(GBytes) pem = g_bytes_new_take(content, length);
    g_autofree char *chain = alternate_chain_read(pem, issuer, clock_now(&clock_system), &error);
    if (chain == NULL)
      mistake(check, key, "%s: %s", *paths, error->message);
  }
}

static void check_weak_keys(Check *check) {
  const char *const *paths = config_list(check->config, "ca.weak-keys");
  if (*paths == NULL && config_is(check->config, "ca.operation", "public"))
    mistake(check, "ca.weak-keys",
            "not given; a public CA refuses the keys of Debian's weak random "
            "numbers ([ca] operation = public)");
  for (; *paths != NULL; paths++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    char *content = NULL;
    gsize length = 0;
    if (!g_file_get_contents(*paths, &content, &length, &error)) {
      mistake(check, "ca.weak-keys", "%s", error->message);
      continue;
    }
    g_ptr_array_add(files, g_bytes_new_take(content, length));
    g_autoptr(WeakKeys) keys = weak_keys_new(files, &error);
    if (keys == NULL)
      mistake(check, "ca.weak-keys", "%s: %s", *paths, error->message);
  }
}

static void check_root_crl(Check *check, const char *group, const Issuer *root) {
  g_autofree char *key = ca_key_name(group, "root-crl");
  g_autoptr(GBytes) file = read_file(check, key);
  if (file == NULL)
    return;
  const guint8 *data = g_bytes_get_data(file, NULL);
  X509_CRL *crl = d2i_X509_CRL(NULL, &data, (long)g_bytes_get_size(file));
  if (crl == NULL)
    mistake(check, key, "is no revocation list in DER");
  else if (X509_CRL_verify(crl, X509_get0_pubkey(root->certificate)) != 1)
    mistake(check, key, "is not signed by the root");
  else if (X509_cmp_current_time(X509_CRL_get0_nextUpdate(crl)) < 0)
    mistake(check, key, "is past its next update; make a new one with signetctl ca crl");
  X509_CRL_free(crl);
}

/* Whether the key is that of a CA's certificate; one that cannot be read is told elsewhere. */
static gboolean is_ca_key(Check *check, const char *group, GBytes *spki) {
  g_autofree char *name = ca_key_name(group, "certificate");
  char *content = NULL;
  gsize length = 0;
  if (!g_file_get_contents(config_text(check->config, name), &content, &length, NULL))
    return FALSE;
  g_autoptr(GBytes) pem = g_bytes_new_take(content, length);
  g_autoptr(Issuer) issuer = issuer_new(pem, NULL, NULL, NULL);
  return issuer != NULL && issuer_has_key(issuer, spki);
}

/* Checkpoints have a key of their own. */
static void check_audit_key_alone(Check *check, EVP_PKEY *key) {
  g_autoptr(GBytes) spki = audit_key_spki(key);
  const char *const *name = config_names(check->config, "issuer");
  gboolean shared = is_ca_key(check, "ca", spki);
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    shared = shared || is_ca_key(check, group, spki);
  }
  if (shared)
    mistake(check, "ca.audit-key", "is the key of a CA; make one with signetctl audit key");
}

/* The key that signs checkpoints of the audit log; what opens the CA's key opens it, unless that is
   a token's PIN. */
static void check_audit_key(Check *check) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) pem = read_file(check, "ca.audit-key");
  if (pem == NULL)
    return;
  g_autoptr(GBytes) file =
      ca_key_in_token(check->config, "ca") ? NULL : read_file(check, "ca.passphrase-file");
  g_autofree char *passphrase = file != NULL ? pem_first_line(file) : NULL;
  EVP_PKEY *key = audit_key_read(pem, passphrase, &error);
  if (key == NULL)
    mistake(check, "ca.audit-key", "%s", error->message);
  else
    check_audit_key_alone(check, key);
  EVP_PKEY_free(key);
}

static Issuer *read_root(Check *check, const char *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) pem = read_file(check, key);
  Issuer *root = pem != NULL ? issuer_new(pem, NULL, NULL, &error) : NULL;
  if (error != NULL)
    mistake(check, key, "%s", error->message);
  return root;
}

/* What is published for two roots under one name. */
static void check_root_name(Check *check, const char *key, const Issuer *issuer, const Issuer *root,
                            GHashTable *names) {
  char *name = issuer_crl_file(issuer, config_text(check->config, "publish.url"));
  g_autoptr(GBytes) der = issuer_der(root);
  GBytes *before = name != NULL ? g_hash_table_lookup(names, name) : NULL;
  if (before != NULL && !g_bytes_equal(before, der))
    mistake(check, key,
            "has the list of another root than that of another CA, which is published "
            "under the same name: %s",
            name);
  if (name != NULL)
    g_hash_table_replace(names, name, g_bytes_ref(der));
}

/* Two that have one subjectKeyIdentifier could not be told from each other. */
static void check_alone(Check *check, const char *group, const Issuer *issuer, GHashTable *seen) {
  g_autofree char *key = ca_key_name(group, "certificate");
  if (!g_hash_table_add(seen, issuer_identifier(issuer)))
    mistake(check, key, "has the key identifier of another configured CA");
}

/* ca-rules 18: a root signs certificates of CAs and its list, nothing else. */
static void check_no_root(Check *check, const char *group, const Issuer *issuer) {
  g_autofree char *key = ca_key_name(group, "certificate");
  if ((X509_get_extension_flags(issuer->certificate) & EXFLAG_SS) != 0)
    mistake(check, key, "is a root's, which issues no certificates to subscribers");
}

static void check_one_ca(Check *check, const char *group, const char *root_key, GHashTable *seen,
                         GHashTable *names) {
  g_autofree char *own_root = ca_key_name(group, "root");
  g_autoptr(Issuer) issuer = read_issuer(check, group);
  g_autoptr(Issuer) root = read_root(check, root_key);
  if (issuer != NULL) {
    check_alone(check, group, issuer, seen);
    check_no_root(check, group, issuer);
    check_alternates(check, group, issuer);
  }
  if (issuer != NULL && strcmp(group, "ca") == 0)
    check_life(check, issuer);
  if (issuer != NULL && root != NULL) {
    check_issued_by(check, root_key, issuer, root);
    check_root_name(check, root_key, issuer, root, names);
  }
  if (root != NULL && strcmp(own_root, root_key) == 0)
    check_root_crl(check, group, root);
}

static void check_ca(Check *check) {
  g_autoptr(GHashTable) seen =
      g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  g_autoptr(GHashTable) names =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  const char *const *name = config_names(check->config, "issuer");
  check_one_ca(check, "ca", "ca.root", seen, names);
  check_audit_key(check);
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    g_autofree char *root = ca_key_name(group, "root");
    check_one_ca(check, group, config_given(check->config, root) ? root : "ca.root", seen, names);
  }
}

static void check_caa(Check *check) {
  if (config_is(check->config, "ca.caa", "on") &&
      config_list(check->config, "ca.caa-identities")[0] == NULL)
    mistake(check, "ca.caa-identities",
            "no name that a CAA issuemail record could permit; give one, or caa = off");
}

static void check_times(Check *check) {
  if (config_number(check->config, "ca.crl-lifetime") <=
      config_number(check->config, "ca.crl-interval"))
    mistake(check, "ca.crl-lifetime",
            "must be longer than crl-interval, or a list ends before the next");
  if (config_number(check->config, "acme.order-lifetime") <
      config_number(check->config, "mail.challenge-lifetime"))
    mistake(check, "acme.order-lifetime", "must not be shorter than [mail] challenge-lifetime");
}

/* Names that would promise what Signet does not do. */
static void check_profile_names(Check *check) {
  static const char *const others[] = {"organization-validated", "organisation-validated",
                                       "sponsor-validated", "individual-validated"};
  for (const char *const *name = config_names(check->config, "profile"); *name != NULL; name++)
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
      g_autofree char *key = g_strdup_printf("profile %s.description", *name);
      if (g_str_has_prefix(*name, others[i]))
        mistake(check, key,
                "the profile's name says %s, but Signet proves control of mailboxes: its "
                "certificates are mailbox-validated",
                others[i]);
    }
}

static void check_default_profile(Check *check) {
  const char *name = config_text(check->config, "acme.default-profile");
  if (*name != '\0' && !profile_exists(check->config, name))
    mistake(check, "acme.default-profile",
            "there is no profile \"%s\": neither built in nor a group [profile %s]", name, name);
}

/* Shown to clients, and sent in a header field. */
static void check_link(Check *check, const char *key) {
  const char *url = config_text(check->config, key);
  if (*url != '\0' && !config_is_page(url))
    mistake(check, key, "is no http:// or https:// URL");
}

static void check_store(Check *check) {
  g_autofree char *control = control_path(config_text(check->config, "store.directory"));
  if (strlen(control) > SOCKETS_PATH_MAX)
    mistake(check, "store.directory",
            "is too long: the control socket %s would have a path of more than %d octets", control,
            SOCKETS_PATH_MAX);
}

static void check_dns(Check *check) {
  g_autoptr(GBytes) anchor = read_file(check, "dns.trust-anchor");
  g_autoptr(GBytes) data = read_file(check, "dns.local-data");
}

/* The URL in one spelling: hosts know no case, and 443 need not be said. */
static char *resolver_of(const Perspective *perspective) {
  g_autoptr(GUri) uri = g_uri_parse(perspective->url, G_URI_FLAGS_SCHEME_NORMALIZE, NULL);
  g_autofree char *host = g_ascii_strdown(g_uri_get_host(uri), -1);
  return g_uri_join(G_URI_FLAGS_SCHEME_NORMALIZE, "https", NULL, host, g_uri_get_port(uri),
                    g_uri_get_path(uri), g_uri_get_query(uri), NULL);
}

/* How many usable ones there are; names and resolvers count once. */
static guint check_perspective_list(Check *check) {
  const char *const *text = config_list(check->config, "dns.perspectives");
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint count = 0;
  for (; *text != NULL; text++) {
    const char *why = NULL;
    g_autoptr(Perspective) perspective = perspective_parse(*text, &why);
    if (perspective == NULL)
      mistake(check, "dns.perspectives", "\"%s\" %s", *text, why);
    else if (!g_hash_table_add(seen, g_strdup(perspective->name)) ||
             !g_hash_table_add(seen, resolver_of(perspective)))
      mistake(check, "dns.perspectives", "\"%s\" names a perspective twice", *text);
    else
      count++;
  }
  return count;
}

static void check_public_perspectives(Check *check, guint count) {
  gint64 minimum = config_number(check->config, "dns.perspectives-minimum");
  gint64 quorum = config_number(check->config, "dns.perspectives-quorum");
  if (count < minimum && !config_given(check->config, "dns.perspectives-missing-reason"))
    mistake(check, "dns.perspectives",
            "are %u, fewer than perspectives-minimum = %" G_GINT64_FORMAT
            "; a public CA states why in perspectives-missing-reason ([ca] operation = public)",
            count, minimum);
  if (quorum > 0 && quorum < perspective_least_quorum(count))
    mistake(check, "dns.perspectives-quorum",
            "is too low for %u perspectives: a public CA needs %u (TLS BR 3.2.2.9) ([ca] operation "
            "= public)",
            count, perspective_least_quorum(count));
}

static void check_perspectives(Check *check) {
  guint count = check_perspective_list(check);
  g_autoptr(GBytes) ca = count > 0 ? read_file(check, "dns.perspectives-ca") : NULL;
  if (count > PERSPECTIVE_MAX)
    mistake(check, "dns.perspectives", "are more than %d", PERSPECTIVE_MAX);
  if (config_number(check->config, "dns.perspectives-quorum") > count)
    mistake(check, "dns.perspectives-quorum", "is more than there are perspectives: %u", count);
  if (count > 0 && !config_given(check->config, "dns.perspectives-ca"))
    mistake(check, "dns.perspectives-ca", "is empty");
  else if (ca != NULL && !pem_has_certificate(ca))
    mistake(check, "dns.perspectives-ca", "has no certificate in PEM");
  if (config_is(check->config, "ca.operation", "public"))
    check_public_perspectives(check, count);
}

/* What may stand in the configuration of a private CA only. refused NULL: any value. */
static const struct {
  const char *key, *refused, *reason;
} private_only[] = {
    {"ca.caa", "off", "a public CA obeys CAA records"},
    {"ca.audit-key", "",
     "a public CA has the checkpoints of its audit log signed; make a key with signetctl audit "
     "key"},
    {"dns.trust-anchor", "", "a public CA validates DNS answers"},
    {"dns.insecure", NULL, "a public CA validates DNS answers"},
    {"dns.local-data", NULL, "a public CA asks the DNS"},
};

/* ca-rules 18. */
static void check_key_in_token(Check *check, const char *group) {
  g_autofree char *name = ca_key_name(group, "key");
  if (!ca_key_in_token(check->config, group))
    mistake(check, name,
            "a public CA's key is in a token: a pkcs11: URI, and no file "
            "([ca] operation = public)");
}

static void check_operation(Check *check) {
  if (!config_is(check->config, "ca.operation", "public"))
    return;
  if (config_test_mode(check->config))
    mistake(check, "ca.operation", "public, which has no test mode (--test-mode)");
  check_key_in_token(check, "ca");
  const char *const *name = config_names(check->config, "issuer");
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    check_key_in_token(check, group);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(private_only); i++) {
    const char *key = private_only[i].key, *refused = private_only[i].refused;
    if (refused != NULL ? config_is(check->config, key, refused) : config_given(check->config, key))
      mistake(check, key, "%s ([ca] operation = public)", private_only[i].reason);
  }
}

static void warn_of_root_list(const Config *config, const char *group, GPtrArray *warnings) {
  RootList list;
  g_autofree char *key = ca_key_name(group, "root-crl");
  Check check = {.config = config, .mistakes = warnings};
  g_autoptr(GBytes) crl = config_given(config, key) ? read_file(&check, key) : NULL;
  g_autofree char *warning = crl != NULL && root_list_read(crl, &list)
                                 ? root_list_warning(&list, clock_now(&clock_system),
                                                     config_number(config, "ca.root-crl-warning"))
                                 : NULL;
  if (warning != NULL)
    mistake(&check, key, "%s", warning);
}

GPtrArray *check_warnings(const Config *config) {
  GPtrArray *warnings = g_ptr_array_new_with_free_func(g_free);
  const char *const *name = config_names(config, "issuer");
  warn_of_root_list(config, "ca", warnings);
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    warn_of_root_list(config, group, warnings);
  }
  return warnings;
}

Config *check_configuration(const char *path, gboolean test_mode, GPtrArray *mistakes) {
  guint before = mistakes->len;
  g_autoptr(Config) config = config_load(path, test_mode, mistakes);
  if (config == NULL)
    return NULL;
  Check check = {config, mistakes, FALSE};
  check_tls(&check, "acme.tls-certificate", "acme.tls-key");
  check_tls(&check, "mail.tls-certificate", "mail.tls-key");
  check_dkim(&check);
  check_relays(&check);
  check_smime(&check);
  check_linter(&check);
  check_mail_texts(&check);
  check_ca(&check);
  check_weak_keys(&check);
  check_caa(&check);
  check_dns(&check);
  check_perspectives(&check);
  check_times(&check);
  check_default_profile(&check);
  check_profile_names(&check);
  check_operation(&check);
  check_store(&check);
  check_link(&check, "acme.terms-of-service");
  check_link(&check, "acme.website");
  return mistakes->len > before ? NULL : g_steal_pointer(&config);
}
