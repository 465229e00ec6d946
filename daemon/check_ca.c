/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check.h"
#include "daemon/check_parts.h"

#include "base/clock.h"
#include "ca/algorithm.h"
#include "ca/alternate_chain.h"
#include "ca/audit_key.h"
#include "ca/certificate_read.h"
#include "ca/issuer.h"
#include "ca/root_list.h"
#include "ca/weak_keys.h"
#include "daemon/ca_key.h"
#include "daemon/check_token.h"
#include "daemon/pem_key.h"

#include <openssl/x509v3.h>
#include <string.h>

static Issuer *read_issuer_of_file(Check *check, const char *group, GBytes *certificate) {
  g_autoptr(GError) error = NULL;
  g_autofree char *key_name = ca_key_name(group, "key");
  g_autofree char *certificate_name = ca_key_name(group, "certificate");
  g_autofree char *passphrase_name = ca_key_name(group, "passphrase-file");
  g_autoptr(GBytes) key = check_file(check, key_name);
  g_autoptr(GBytes) file = check_file(check, passphrase_name);
  g_autofree char *passphrase = file != NULL ? pem_first_line(file) : NULL;
  Issuer *issuer =
      certificate != NULL && key != NULL ? issuer_new(certificate, key, passphrase, &error) : NULL;
  if (error != NULL)
    check_mistake(check, error->code == CA_ERROR_MISMATCH ? key_name : certificate_name, "%s",
                  error->message);
  return issuer;
}

/* What the module needs beside itself; that it may read and write there shows when it is used. */
static gboolean check_module(Check *check, const char *group) {
  g_autofree char *key_name = ca_key_name(group, "key");
  const char *const *paths = config_list(check->config, "ca.pkcs11-paths");
  guint before = check->mistakes->len;
  if (!config_given(check->config, "ca.pkcs11-module"))
    check_mistake(check, key_name, "is in a token, and [ca] pkcs11-module is not given");
  for (; *paths != NULL; paths++)
    if (!g_file_test(*paths, G_FILE_TEST_EXISTS))
      check_mistake(check, "ca.pkcs11-paths", "%s is not there", *paths);
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
    check_mistake(check, name, "%s", error->message);
  if (issuer == NULL || check->pin_refused || !check_module(check, group))
    return g_steal_pointer(&issuer);
  if (!check_token(check->config, group, certificate, &error)) {
    g_autofree char *key = blamed(group, error);
    check_mistake(check, key, "%s", error->message);
    check->pin_refused = error->code == CA_ERROR_PIN;
  }
  return g_steal_pointer(&issuer);
}

static Issuer *read_issuer(Check *check, const char *group) {
  g_autofree char *name = ca_key_name(group, "certificate");
  g_autoptr(GBytes) certificate = check_file(check, name);
  return ca_key_in_token(check->config, group) ? read_issuer_of_token(check, group, certificate)
                                               : read_issuer_of_file(check, group, certificate);
}

static void check_issued_by(Check *check, const char *key, const Issuer *issuer,
                            const Issuer *root) {
  if (X509_check_issued(root->certificate, issuer->certificate) != X509_V_OK ||
      X509_verify(issuer->certificate, X509_get0_pubkey(root->certificate)) != 1)
    check_mistake(check, key, "did not issue the CA's certificate");
}

/* Near its end certificates end with it (acme/validity.c), and its lists must go on: a start is
   refused only afterwards. */
static void check_life(Check *check, const Issuer *issuer) {
  if (algorithm_ca_key_is_over(X509_get0_pubkey(issuer->certificate),
                               clock_now(&clock_system) / CLOCK_SECOND))
    check_mistake(check, "ca.certificate",
                  "has an RSA key below %d bits, which issues nothing since 2027-09-15 (SMC017v2)",
                  ALGORITHM_RSA_CA_LATER_BITS);
  if (issuer_not_after(issuer) < clock_now(&clock_system)) {
    g_autofree char *end = clock_rfc3339(issuer_not_after(issuer));
    check_mistake(check, "ca.certificate", "ended on %s; put another issuing CA in place", end);
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
      check_mistake(check, key, "%s", error->message);
      continue;
    }
    g_autoptr(GBytes) pem = g_bytes_new_take(content, length);
    g_autofree char *chain = alternate_chain_read(pem, issuer, clock_now(&clock_system), &error);
    if (chain == NULL)
      check_mistake(check, key, "%s: %s", *paths, error->message);
  }
}

static void check_weak_keys(Check *check) {
  const char *const *paths = config_list(check->config, "ca.weak-keys");
  if (*paths == NULL && config_is(check->config, "ca.operation", "public"))
    check_mistake(check, "ca.weak-keys",
                  "not given; a public CA refuses the keys of Debian's weak random "
                  "numbers ([ca] operation = public)");
  for (; *paths != NULL; paths++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    char *content = NULL;
    gsize length = 0;
    if (!g_file_get_contents(*paths, &content, &length, &error)) {
      check_mistake(check, "ca.weak-keys", "%s", error->message);
      continue;
    }
    g_ptr_array_add(files, g_bytes_new_take(content, length));
    g_autoptr(WeakKeys) keys = weak_keys_new(files, &error);
    if (keys == NULL)
      check_mistake(check, "ca.weak-keys", "%s: %s", *paths, error->message);
  }
}

static void check_root_crl(Check *check, const char *group, const Issuer *root) {
  g_autofree char *key = ca_key_name(group, "root-crl");
  g_autoptr(GBytes) file = check_file(check, key);
  if (file == NULL)
    return;
  const guint8 *data = g_bytes_get_data(file, NULL);
  X509_CRL *crl = d2i_X509_CRL(NULL, &data, (long)g_bytes_get_size(file));
  if (crl == NULL)
    check_mistake(check, key, "is no revocation list in DER");
  else if (X509_CRL_verify(crl, X509_get0_pubkey(root->certificate)) != 1)
    check_mistake(check, key, "is not signed by the root");
  else if (X509_cmp_current_time(X509_CRL_get0_nextUpdate(crl)) < 0)
    check_mistake(check, key, "is past its next update; make a new one with signetctl ca crl");
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
    check_mistake(check, "ca.audit-key", "is the key of a CA; make one with signetctl audit key");
}

/* The key that signs checkpoints of the audit log; what opens the CA's key opens it, unless that is
   a token's PIN. */
static void check_audit_key(Check *check) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) pem = check_file(check, "ca.audit-key");
  if (pem == NULL)
    return;
  g_autoptr(GBytes) file =
      ca_key_in_token(check->config, "ca") ? NULL : check_file(check, "ca.passphrase-file");
  g_autofree char *passphrase = file != NULL ? pem_first_line(file) : NULL;
  EVP_PKEY *key = audit_key_read(pem, passphrase, &error);
  if (key == NULL)
    check_mistake(check, "ca.audit-key", "%s", error->message);
  else
    check_audit_key_alone(check, key);
  EVP_PKEY_free(key);
}

static Issuer *read_root(Check *check, const char *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) pem = check_file(check, key);
  Issuer *root = pem != NULL ? issuer_new(pem, NULL, NULL, &error) : NULL;
  if (error != NULL)
    check_mistake(check, key, "%s", error->message);
  return root;
}

/* What is published for two roots under one name. */
static void check_root_name(Check *check, const char *key, const Issuer *issuer, const Issuer *root,
                            GHashTable *names) {
  char *name = issuer_crl_file(issuer, config_text(check->config, "publish.url"));
  g_autoptr(GBytes) der = issuer_der(root);
  GBytes *before = name != NULL ? g_hash_table_lookup(names, name) : NULL;
  if (before != NULL && !g_bytes_equal(before, der))
    check_mistake(check, key,
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
    check_mistake(check, key, "has the key identifier of another configured CA");
}

/* ca-rules 18: a root signs certificates of CAs and its list, nothing else. */
static void check_no_root(Check *check, const char *group, const Issuer *issuer) {
  g_autofree char *key = ca_key_name(group, "certificate");
  if ((X509_get_extension_flags(issuer->certificate) & EXFLAG_SS) != 0)
    check_mistake(check, key, "is a root's, which issues no certificates to subscribers");
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

static void check_cas(Check *check) {
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

static void check_linter(Check *check) {
  const char *path = config_text(check->config, "ca.linter");
  if (config_given(check->config, "ca.linter") &&
      (!g_path_is_absolute(path) || !g_file_test(path, G_FILE_TEST_IS_EXECUTABLE)))
    check_mistake(check, "ca.linter", "%s is no program with its whole path", path);
}

void check_ca(Check *check) {
  check_cas(check);
  check_weak_keys(check);
  check_linter(check);
}

static void warn_of_root_list(const Config *config, const char *group, GPtrArray *warnings) {
  RootList list;
  g_autofree char *key = ca_key_name(group, "root-crl");
  Check check = {.config = config, .mistakes = warnings};
  g_autoptr(GBytes) crl = config_given(config, key) ? check_file(&check, key) : NULL;
  g_autofree char *warning = crl != NULL && root_list_read(crl, &list)
                                 ? root_list_warning(&list, clock_now(&clock_system),
                                                     config_number(config, "ca.root-crl-warning"))
                                 : NULL;
  if (warning != NULL)
    check_mistake(&check, key, "%s", warning);
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
