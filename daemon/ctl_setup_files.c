/* SPDX-License-Identifier: Apache-2.0 */
/* The files of signetctl setup. Nothing that is there is replaced but a configuration in which no
   key is set yet. A run that was interrupted is continued by the next one. */
#include "base/clock.h"
#include "base/config_template.h"
#include "ca/pkcs11.h"
#include "daemon/ctl.h"
#include "daemon/ctl_making.h"
#include "daemon/ctl_setup.h"
#include "daemon/pem_key.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CA_NEW "ca.new" /* a CA in the making */
#define TLS_DAYS 365

static char *file_of(const Setup *setup, const char *name) {
  return g_build_filename(setup->directory, name, NULL);
}

static gboolean exists(const char *path) {
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean cannot(Setup *setup, const char *what, GError **error) {
  g_autofree char *text = g_strdup_printf("%s: %s", what, (*error)->message);
  gboolean right = g_error_matches(*error, G_FILE_ERROR, G_FILE_ERROR_ACCES) ||
                   g_error_matches(*error, G_FILE_ERROR, G_FILE_ERROR_PERM);
  if (right && geteuid() != 0)
    setup_problem(setup, text,
                  "Run signetctl setup as root (sudo), or name a folder of yours by --directory.");
  else
    setup_problem(setup, text,
                  "Make its folder writable, on a disk with room, and run signetctl setup again.");
  g_clear_error(error);
  return FALSE;
}

static gboolean cannot_errno(Setup *setup, const char *what) {
  g_autoptr(GError) error =
      g_error_new_literal(G_FILE_ERROR, (gint)g_file_error_from_errno(errno), g_strerror(errno));
  return cannot(setup, what, &error);
}

/* --- who may read it
 * ------------------------------------------------------------------------------------------- */

/* Gives to the user of signetd what belongs to root: whole, for it alone, or for reading by its
   group. What the operator gave to somebody else stays as it is. */
static gboolean give(Setup *setup, const char *path, gboolean whole) {
  struct stat status;
  if (!setup->served || stat(path, &status) != 0 || status.st_uid != 0)
    return TRUE;
  mode_t mode = status.st_mode & 07777;
  mode_t wanted = whole ? mode : mode | (S_ISDIR(status.st_mode) ? 0050 : 0040);
  if (whole ? chown(path, setup->uid, setup->gid) != 0
            : status.st_gid != setup->gid && chown(path, (uid_t)-1, setup->gid) != 0)
    return cannot_errno(setup, path);
  return mode == wanted || chmod(path, wanted) == 0 || cannot_errno(setup, path);
}

/* --- folders
 * ---------------------------------------------------------------------------------------------------
 */

/* Of two that run at once one makes it. */
static gboolean make_folder(Setup *setup, const char *path, int mode) {
  g_autofree char *above = g_path_get_dirname(path);
  if (g_mkdir_with_parents(above, 0755) == 0 && mkdir(path, (mode_t)mode) == 0) {
    setup_say("made", "%s/", path);
    return TRUE;
  }
  int failure = errno;
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    return TRUE;
  errno = failure;
  return cannot_errno(setup, path);
}

gboolean setup_folder(Setup *setup) {
  if (!make_folder(setup, setup->directory, 0750))
    return FALSE;
  if (!setup->told && access(setup->directory, W_OK) != 0)
    return cannot_errno(setup, setup->directory);
  return TRUE;
}

/* --- the CA
 * ---------------------------------------------------------------------------------------------------
 */

/* What an interrupted run left: keys that never signed for anybody. */
static void remove_folder(const char *path) {
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *name = NULL;
  while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
    g_autofree char *file = g_build_filename(path, name, NULL);
    unlink(file);
  }
  rmdir(path);
}

static gboolean make_ca(Setup *setup, const char *path) {
  g_autoptr(GError) error = NULL;
  g_autofree char *aside = file_of(setup, CA_NEW);
  const char *name = setup->name != NULL ? setup->name : setup->domain;
  g_autofree char *root = g_strdup_printf("%s Root CA", name);
  g_autofree char *issuing = g_strdup_printf("%s Issuing CA", name);
  const CeremonyPlan plan = {.country = setup->country,
                             .organization = setup->organization,
                             .root_name = root,
                             .issuing_name = issuing,
                             .url = setup->publish,
                             .now = clock_now(&clock_system)};
  remove_folder(aside);
  if (!ctl_ca_make(aside, setup->command, &plan, &error)) {
    if (error->domain == G_FILE_ERROR || g_error_matches(error, CA_ERROR, CA_ERROR_LOG))
      return cannot(setup, "no CA made", &error);
    setup_problem(setup, error->message,
                  "Correct --name, --organization, --country or --publish, and run signetctl setup "
                  "again.");
    return FALSE;
  }
  if (rename(aside, path) != 0)
    return cannot_errno(setup, path);
  setup_say("made", "%s/: root and issuing CA, audit key", path);
  return TRUE;
}

/* A CA that was made by hand, as below somebody else's root, may have no audit key. */
static gboolean complete_ca(Setup *setup, const char *path) {
  g_autoptr(GError) error = NULL;
  g_autofree char *certificate = g_build_filename(path, "issuing.pem", NULL);
  g_autofree char *audit = g_build_filename(path, "audit.key", NULL), *public = NULL;
  if (!exists(certificate)) {
    setup_problem(setup, "the folder of the CA has no issuing.pem",
                  "Finish the CA in %s (signetctl ca import, or ca issuing), or move that folder "
                  "away, and run signetctl setup again.",
                  path);
    return FALSE;
  }
  setup_say("kept", "%s/", path);
  if (exists(audit))
    return TRUE;
  if (!ctl_audit_key_make(audit, NULL, &public, &error))
    return cannot(setup, "no audit key made", &error);
  setup_say("made", "%s", audit);
  return TRUE;
}

gboolean setup_ca(Setup *setup) {
  g_autofree char *path = file_of(setup, "ca");
  return exists(path) ? complete_ca(setup, path) : make_ca(setup, path);
}

/* --- DKIM
 * ------------------------------------------------------------------------------------------------
 */

gboolean setup_dkim(Setup *setup) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = file_of(setup, "dkim.key");
  if (exists(path)) {
    setup_say("kept", "%s", path);
    return TRUE;
  }
  g_autofree char *record = ctl_dkim_make("rsa", path, &error);
  if (record == NULL)
    return cannot(setup, "no DKIM key made", &error);
  setup_say("made", "%s", path);
  return TRUE;
}

/* --- TLS
 * -------------------------------------------------------------------------------------------------
 */

static gboolean write_pem(int (*write)(BIO *file, const void *what), const void *what,
                          const char *path, int mode, GError **error) {
  BIO *memory = BIO_new(BIO_s_mem());
  char *pem = NULL;
  write(memory, what);
  long length = BIO_get_mem_data(memory, &pem);
  gboolean written = ctl_write_new(path, pem, (gsize)length, mode, error);
  BIO_free(memory);
  return written;
}

static int write_key(BIO *file, const void *key) {
  return PEM_write_bio_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
}

static int write_certificate(BIO *file, const void *certificate) {
  return PEM_write_bio_X509(file, certificate);
}

static void add_extension(X509 *certificate, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/* For the name in the ACME server's URL, and for the mail domain, whose MX leads here. */
static X509 *self_signed(EVP_PKEY *key, const char *host, const char *domain) {
  guint8 serial[16];
  X509 *certificate = X509_new();
  X509_NAME *name = X509_get_subject_name(certificate);
  g_autofree char *names =
      g_strdup_printf("%s:%s,DNS:%s", g_hostname_is_ip_address(host) ? "IP" : "DNS", host, domain);
  RAND_bytes(serial, sizeof(serial));
  serial[0] = (serial[0] & 0x7f) | 1;
  BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  X509_set_version(certificate, X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_time_adj_ex(X509_getm_notAfter(certificate), TLS_DAYS, 0, NULL);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const guchar *)"Signet", -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  add_extension(certificate, NID_subject_alt_name, names);
  add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE");
  X509_sign(certificate, key, EVP_sha256());
  return certificate;
}

static EVP_PKEY *read_key(const char *path) {
  char *content = NULL;
  gsize length = 0;
  if (!g_file_get_contents(path, &content, &length, NULL))
    return NULL;
  g_autoptr(GBytes) pem = g_bytes_new_take(content, length);
  return pem_private_key(pem, NULL);
}

/* A key without certificate is of a run that was interrupted. */
static gboolean make_tls(Setup *setup, const char *certificate_path, const char *key_path) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GUri) url = g_uri_parse(setup->url, G_URI_FLAGS_NONE, NULL);
  EVP_PKEY *key = exists(key_path) ? read_key(key_path) : EVP_EC_gen("P-256");
  if (key == NULL) {
    setup_problem(setup, "no TLS key in PEM",
                  "Remove %s, which has no certificate either, and run signetctl setup again.",
                  key_path);
    return FALSE;
  }
  X509 *certificate = self_signed(key, g_uri_get_host(url), setup->domain);
  gboolean made = (exists(key_path) || write_pem(write_key, key, key_path, 0600, &error)) &&
                  write_pem(write_certificate, certificate, certificate_path, 0644, &error);
  X509_free(certificate);
  EVP_PKEY_free(key);
  if (!made)
    return cannot(setup, "no TLS certificate made", &error);
  setup_say("made", "%s, self-signed, and %s", certificate_path, key_path);
  return TRUE;
}

static gboolean is_given(Setup *setup, const char *path) {
  if (access(path, R_OK) == 0)
    return TRUE;
  g_autofree char *text = g_strdup_printf("%s: %s", path, g_strerror(errno));
  setup_problem(
      setup, text,
      "Put the file there, or leave --tls-certificate and --tls-key out for a self-signed "
      "certificate, and run signetctl setup again.");
  return FALSE;
}

gboolean setup_tls(Setup *setup) {
  g_autofree char *certificate = file_of(setup, "tls.pem"), *key = file_of(setup, "tls.key");
  if (setup->tls_certificate != NULL)
    return is_given(setup, setup->tls_certificate) && is_given(setup, setup->tls_key);
  if (exists(certificate) && exists(key)) {
    setup_say("kept", "%s and %s", certificate, key);
    return TRUE;
  }
  if (!exists(certificate))
    return make_tls(setup, certificate, key);
  setup_problem(
      setup, "a TLS certificate without its key",
      "Put the key of %s to %s, or remove the certificate, and run signetctl setup again, "
      "which makes both.",
      certificate, key);
  return FALSE;
}

/* --- the configuration
 * ------------------------------------------------------------------------------------------ */

/* "group.name", value, ... in the order in which they were added; a later one counts. */
static void set(GPtrArray *values, const char *name, const char *value) {
  for (guint i = 0; i < values->len; i += 2)
    if (strcmp(values->pdata[i], name) == 0) {
      g_free(values->pdata[i + 1]);
      values->pdata[i + 1] = g_strdup(value);
      return;
    }
  g_ptr_array_add(values, g_strdup(name));
  g_ptr_array_add(values, g_strdup(value));
}

static void set_tls(const Setup *setup, GPtrArray *values) {
  static const char *const groups[] = {"acme", "mail"};
  g_autofree char *certificate = setup->tls_certificate != NULL
                                     ? g_canonicalize_filename(setup->tls_certificate, NULL)
                                     : file_of(setup, "tls.pem");
  g_autofree char *key = setup->tls_key != NULL ? g_canonicalize_filename(setup->tls_key, NULL)
                                                : file_of(setup, "tls.key");
  for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
    g_autofree char *first = g_strconcat(groups[i], ".tls-certificate", NULL);
    g_autofree char *second = g_strconcat(groups[i], ".tls-key", NULL);
    set(values, first, certificate);
    set(values, second, key);
  }
}

static void set_ca(const Setup *setup, GPtrArray *values) {
  static const char *const files[][2] = {{"ca.certificate", "ca/issuing.pem"},
                                         {"ca.key", "ca/issuing.key"},
                                         {"ca.root", "ca/root.pem"},
                                         {"ca.root-crl", "ca/root.crl"},
                                         {"ca.audit-key", "ca/audit.key"}};
  g_autofree char *imported = file_of(setup, "ca/issuing-root.pem");
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = file_of(setup, files[i][1]);
    set(values, files[i][0], path);
  }
  if (exists(imported))
    set(values, "ca.root", imported);
}

static GPtrArray *values_of(const Setup *setup) {
  GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *dkim = file_of(setup, "dkim.key");
  set(values, "acme.url", setup->url);
  set(values, "publish.url", setup->publish);
  set(values, "mail.domain", setup->domain);
  set(values, "mail.relay", setup->relay);
  set(values, "mail.dkim-key", dkim);
  set_tls(setup, values);
  set_ca(setup, values);
  set(values, "ca.caa-identities", setup->domain);
  for (char **setting = setup->settings; setting != NULL && *setting != NULL; setting++) {
    g_auto(GStrv) parts = g_strsplit(*setting, "=", 2);
    set(values, g_strstrip(parts[0]), g_strstrip(parts[1]));
  }
  return values;
}

/* In the file that is there, so that comments stay. */
gboolean setup_config(Setup *setup) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) values = values_of(setup);
  char *text = NULL;
  if (!g_file_get_contents(setup->path, &text, NULL, NULL))
    text = config_template();
  for (guint i = 0; i < values->len; i += 2) {
    g_auto(GStrv) names = g_strsplit(values->pdata[i], ".", 2);
    char *next = config_template_set(text, names[0], names[1], values->pdata[i + 1]);
    g_free(text);
    text = next;
  }
  gboolean written = g_file_set_contents_full(
      setup->path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0640,
      &error);
  g_free(text);
  if (!written)
    return cannot(setup, "no configuration written", &error);
  setup_say("made", "%s", setup->path);
  return TRUE;
}

/* --- what the configuration names
 * ------------------------------------------------------------------------------- */

static const struct {
  const char *key;
  gboolean whole; /* a secret: for the user of signetd alone */
  const char *todo;
} named[] = {
    {"mail.dkim-key", TRUE,
     "Put it back from a backup. Without one make another (signetctl dkim init, to that path) and "
     "publish its record."},
    {"acme.tls-certificate", FALSE, "Put it back, or name another pair of certificate and key."},
    {"acme.tls-key", TRUE, "Put it back, or name another pair of certificate and key."},
    {"mail.tls-certificate", FALSE, "Put it back, or name another pair of certificate and key."},
    {"mail.tls-key", TRUE, "Put it back, or name another pair of certificate and key."},
    {"mail.relay-password-file", TRUE, "Write the relay's password to it."},
    {"ca.certificate", FALSE, "Put it back from a backup of the CA."},
    {"ca.key", TRUE,
     "Put it back from a backup of the CA. Without one this CA has ended: make another and roll "
     "over to it, as docs/operating.md says."},
    {"ca.root", FALSE, "Put it back from a backup of the CA."},
    {"ca.root-crl", FALSE, "Make it anew where the root's key is: signetctl ca crl."},
    {"ca.audit-key", TRUE,
     "Put it back from a backup of the CA. Without one make another: signetctl audit key."},
};

static gboolean check_named(Setup *setup, const Config *config, const char *key, const char *todo,
                            gboolean whole) {
  const char *path = config_text(config, key);
  if (*path == '\0' || pkcs11_is_uri(path))
    return TRUE;
  if (access(path, F_OK) == 0 || errno == EACCES)
    return !g_str_has_prefix(path, setup->directory) || give(setup, path, whole);
  g_autofree char *what = g_strdup_printf("%s is missing, which %s names", path, setup->path);
  setup_problem(setup, what, "%s Then run signetctl setup again.", todo);
  return FALSE;
}

gboolean setup_named(Setup *setup, const Config *config) {
  const char *store = config_text(config, "store.directory");
  g_autofree char *ca = file_of(setup, "ca");
  gboolean good = make_folder(setup, store, 0700) && give(setup, store, TRUE) &&
                  give(setup, setup->directory, FALSE) && give(setup, setup->path, FALSE) &&
                  give(setup, ca, FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS(named); i++)
    good = check_named(setup, config, named[i].key, named[i].todo, named[i].whole) && good;
  return good;
}
