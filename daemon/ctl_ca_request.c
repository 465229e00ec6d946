/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl ca csr, import: an issuing CA below a root that is elsewhere. */
#include "base/clock.h"
#include "ca/ceremony.h"
#include "ca/ceremony_request.h"
#include "ca/openssl_auto.h"
#include "ca/pem.h"
#include "ca/transcript.h"
#include "daemon/ca_key_place.h"
#include "daemon/ca_making.h"
#include "daemon/ctl.h"

#include <stdio.h>
#include <string.h>

static char *file_name(const char *base, const char *ending) {
  return g_strconcat(base, ending, NULL);
}

/* --- csr
 * -------------------------------------------------------------------------------------------- */

typedef struct {
  char *directory, *country, *organization, *name, *key_type, *output;
  CaKeyPlace key;
} RequestOptions;

static void request_options_clear(RequestOptions *options) {
  g_free(options->directory);
  g_free(options->country);
  g_free(options->organization);
  g_free(options->name);
  g_free(options->key_type);
  g_free(options->output);
  ca_key_place_clear(&options->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RequestOptions, request_options_clear)

/* A new key becomes a file. */
static gboolean open_key(const RequestOptions *options, const CaFolder *folder, const char *name,
                         CaOpenKey *open, GError **error) {
  char *passphrase = NULL;
  gboolean good =
      ca_key_place_open_or_make(&options->key, options->key_type, open, &passphrase, error);
  if (good && options->key.where == NULL) {
    char *pem = pem_write_private_key(open->key, passphrase);
    good = ca_folder_write(folder, name, pem, 0600, error);
    ca_key_place_forget(pem);
  }
  ca_key_place_forget(passphrase);
  return good;
}

static gboolean make_request(const RequestOptions *options, const CaFolder *folder,
                             const char *base, GError **error) {
  g_auto(CaOpenKey) open = {0};
  g_autofree char *name = file_name(base, ".csr"), *key = file_name(base, ".key");
  g_autofree char *certificate = file_name(base, ".pem");
  const char *const files[] = {name, certificate, options->key.where == NULL ? key : NULL, NULL};
  g_autoptr(GString) lines = g_string_new(NULL);
  g_autoptr(GBytes) subject =
      ceremony_name(options->country, options->organization, options->name, error);
  if (subject == NULL || !ca_folder_is_free(folder, files, error) ||
      !open_key(options, folder, key, &open, error))
    return FALSE;
  g_autofree char *pem = ceremony_request(subject, open.key, error);
  if (pem == NULL || !ca_folder_write(folder, name, pem, 0644, error))
    return FALSE;
  ca_folder_say_key(lines, open.key, options->key.where != NULL ? options->key.where : key);
  transcript_line(lines, "request", name);
  transcript_block(lines, "text", pem);
  if (!ca_folder_record(folder, "made", lines, error))
    return FALSE;
  printf("made %s/%s\n", folder->path, name);
  return TRUE;
}

int ctl_ca_csr(int argc, char **argv) {
  g_autofree char *command = ca_folder_command(argc, argv);
  g_auto(RequestOptions) given = {0};
  const GOptionEntry options[] = {
      {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &given.directory,
       "Folder for the files, made when missing (needed)", "DIR"},
      {"name", 'n', 0, G_OPTION_ARG_STRING, &given.name, "CN (needed)", "NAME"},
      {"organization", 'o', 0, G_OPTION_ARG_STRING, &given.organization, "O", "NAME"},
      {"country", 'c', 0, G_OPTION_ARG_STRING, &given.country,
       "C, two capital letters (ISO 3166-1)", "CC"},
      {"output", 0, 0, G_OPTION_ARG_STRING, &given.output,
       "What the files' names begin with (issuing)", "NAME"},
      {"key-type", 'k', 0, G_OPTION_ARG_STRING, &given.key_type,
       "Of a new key: P-256 (default), P-384 or RSA-4096", "TYPE"},
      {"key", 0, 0, G_OPTION_ARG_STRING, &given.key.where,
       "A key that is there already; a file, or a pkcs11: URI", "FILE|URI"},
      {"pkcs11-module", 0, 0, G_OPTION_ARG_FILENAME, &given.key.module, "The token's module (.so)",
       "FILE"},
      {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &given.key.passphrase_file,
       "First line: the key's passphrase, or the token's PIN", "FILE"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca csr", "Makes issuing.csr for another root and, without --key, issuing.key.",
                   options, argc, argv) ||
      !ca_making_needs(given.directory, "--directory") || !ca_making_needs(given.name, "--name"))
    return CTL_USAGE;
  const char *base = given.output != NULL ? given.output : "issuing";
  g_autoptr(CaFolder) folder =
      ca_making_check_base(base, &error) ? ca_folder_open(given.directory, command, &error) : NULL;
  if (folder == NULL || !make_request(&given, folder, base, &error))
    return ctl_failed("no request made", &error);
  return CTL_DONE;
}

/* --- import
 * ----------------------------------------------------------------------------------------- */

typedef struct {
  char *directory, *certificate, *root, *output;
} ImportOptions;

static void import_options_clear(ImportOptions *options) {
  g_free(options->directory);
  g_free(options->certificate);
  g_free(options->root);
  g_free(options->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImportOptions, import_options_clear)

static X509 *read_certificate(const char *path, GError **error) {
  g_autoptr(GBytes) octets = ca_folder_read(path, error);
  X509 *certificate = octets != NULL ? ceremony_read_certificate(octets, error) : NULL;
  if (octets != NULL && certificate == NULL)
    g_prefix_error(error, "%s: ", path);
  return certificate;
}

static X509_REQ *read_request(const CaFolder *folder, const char *base, GError **error) {
  g_autofree char *name = file_name(base, ".csr");
  g_autofree char *path = ca_folder_file(folder, name);
  g_autoptr(GBytes) pem = ca_folder_read(path, error);
  return pem != NULL ? ceremony_read_request(pem, error) : NULL;
}

/* All that is wrong, a line each. */
static gboolean is_good(X509 *answer, X509_REQ *request, X509 *root, const char *path,
                        GError **error) {
  g_autoptr(GPtrArray) faults =
      ceremony_answer_faults(answer, request, root, clock_now(&clock_system));
  for (guint i = 0; i < faults->len; i++)
    fprintf(stderr, "%s: %s: %s\n", g_get_prgname(), path, (char *)faults->pdata[i]);
  if (faults->len > 0)
    g_set_error(error, CA_ERROR, CA_ERROR_PROFILE, "%u fault%s in what the root's CA answered",
                faults->len, faults->len == 1 ? "" : "s");
  return faults->len == 0;
}

static gboolean keep(const CaFolder *folder, const char *name, X509 *certificate, GString *lines,
                     GError **error) {
  guint8 *octets = NULL;
  int length = i2d_X509(certificate, &octets);
  g_autoptr(GBytes) der = g_bytes_new(octets, (gsize)length);
  g_autofree char *pem = pem_certificate(der);
  OPENSSL_free(octets);
  ca_folder_say_certificate(lines, certificate, name);
  return ca_folder_write(folder, name, pem, 0644, error);
}

static gboolean import(const ImportOptions *options, const CaFolder *folder, const char *base,
                       GError **error) {
  g_autofree char *name = file_name(base, ".pem"), *root_name = file_name(base, "-root.pem");
  const char *const files[] = {name, root_name, NULL};
  g_autoptr(GString) lines = g_string_new(NULL);
  g_autoptr(X509_REQ) request =
      ca_folder_is_free(folder, files, error) ? read_request(folder, base, error) : NULL;
  g_autoptr(X509) answer = request != NULL ? read_certificate(options->certificate, error) : NULL;
  g_autoptr(X509) root = answer != NULL ? read_certificate(options->root, error) : NULL;
  if (root == NULL || !is_good(answer, request, root, options->certificate, error) ||
      !keep(folder, name, answer, lines, error) || !keep(folder, root_name, root, lines, error) ||
      !ca_folder_record(folder, "imported", lines, error))
    return FALSE;
  printf("made %s/%s and %s/%s\n", folder->path, name, folder->path, root_name);
  return TRUE;
}

int ctl_ca_import(int argc, char **argv) {
  g_autofree char *command = ca_folder_command(argc, argv);
  g_auto(ImportOptions) given = {0};
  const GOptionEntry options[] = {{"directory", 'd', 0, G_OPTION_ARG_FILENAME, &given.directory,
                                   "Folder of the request (needed)", "DIR"},
                                  {"certificate", 0, 0, G_OPTION_ARG_FILENAME, &given.certificate,
                                   "What the root's CA answered, PEM or DER (needed)", "FILE"},
                                  {"root", 0, 0, G_OPTION_ARG_FILENAME, &given.root,
                                   "The certificate of the CA that signed it, PEM or DER (needed)",
                                   "FILE"},
                                  {"output", 0, 0, G_OPTION_ARG_STRING, &given.output,
                                   "What the files' names begin with (issuing)", "NAME"},
                                  G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca import",
                   "Checks the answer to issuing.csr; makes issuing.pem and "
                   "issuing-root.pem.",
                   options, argc, argv) ||
      !ca_making_needs(given.directory, "--directory") ||
      !ca_making_needs(given.certificate, "--certificate") ||
      !ca_making_needs(given.root, "--root"))
    return CTL_USAGE;
  const char *base = given.output != NULL ? given.output : "issuing";
  g_autoptr(CaFolder) folder =
      ca_making_check_base(base, &error) ? ca_folder_open(given.directory, command, &error) : NULL;
  if (folder == NULL || !import(&given, folder, base, &error))
    return ctl_failed("nothing imported", &error);
  return CTL_DONE;
}
