/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl ca: making the CA. */
#include "base/clock.h"
#include "ca/ceremony.h"
#include "daemon/ctl.h"

#include <stdio.h>
#include <string.h>

static gboolean write_pem(const char *folder, const char *name, const char *pem, int mode,
                          GError **error) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  return ctl_write_new(path, pem, strlen(pem), mode, error);
}

static gboolean write_result(const char *folder, const CeremonyResult *result, GError **error) {
  g_autofree char *crl = g_build_filename(folder, "root.crl", NULL);
  return write_pem(folder, "root.key", result->root_key, 0600, error) &&
         write_pem(folder, "issuing.key", result->issuing_key, 0600, error) &&
         write_pem(folder, "audit.key", result->audit_key, 0600, error) &&
         write_pem(folder, "audit.pub", result->audit_public, 0644, error) &&
         write_pem(folder, "root.pem", result->root_certificate, 0644, error) &&
         write_pem(folder, "issuing.pem", result->issuing_certificate, 0644, error) &&
         ctl_write_new(crl, g_bytes_get_data(result->root_crl, NULL),
                       g_bytes_get_size(result->root_crl), 0644, error);
}

/* Nothing is begun in a folder that holds a CA. */
static gboolean folder_is_free(const char *folder) {
  static const char *const names[] = {"root.key", "issuing.key", "root.pem", "issuing.pem",
                                      "root.crl", "audit.key",   "audit.pub"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(folder, names[i], NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
      fprintf(stderr, "%s: %s exists already and is not replaced\n", g_get_prgname(), path);
      return FALSE;
    }
  }
  return TRUE;
}

int ctl_ca_init(int argc, char **argv) {
  g_autofree char *folder = NULL, *url = NULL, *organization = NULL, *name = NULL, *key_type = NULL,
                  *passphrase_file = NULL, *country = NULL;
  gboolean public_ca = FALSE;
  const GOptionEntry options[] = {
      {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &folder,
       "Folder for the files (made when missing)", "DIR"},
      {"url", 'u', 0, G_OPTION_ARG_STRING, &url, "[publish] url: http://HOST/, ends in /", "URL"},
      {"organization", 'o', 0, G_OPTION_ARG_STRING, &organization, "O of both names", "NAME"},
      {"country", 'c', 0, G_OPTION_ARG_STRING, &country,
       "C of both names, two capital letters (ISO 3166-1)", "CC"},
      {"public", 0, 0, G_OPTION_ARG_NONE, &public_ca,
       "For public operation: --organization and --country are needed", NULL},
      {"name", 'n', 0, G_OPTION_ARG_STRING, &name, "What the CN of both begins with (Signet)",
       "NAME"},
      {"key-type", 'k', 0, G_OPTION_ARG_STRING, &key_type, "P-256 (default), P-384 or RSA-4096",
       "TYPE"},
      {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &passphrase_file,
       "First line encrypts the keys", "FILE"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options(
          "ca init",
          "Makes root.pem, root.key, root.crl, issuing.pem, issuing.key, audit.key and audit.pub.",
          options, argc, argv))
    return CTL_USAGE;
  if (folder == NULL || url == NULL) {
    fprintf(stderr, "%s: --directory and --url are needed\n", g_get_prgname());
    return CTL_USAGE;
  }
  g_autofree char *passphrase = ctl_passphrase(passphrase_file, &error);
  g_autofree char *root_name = g_strdup_printf("%s Root CA", name != NULL ? name : "Signet");
  g_autofree char *issuing_name = g_strdup_printf("%s Issuing CA", name != NULL ? name : "Signet");
  if (error != NULL)
    return ctl_failed("passphrase", &error);
  if (g_mkdir_with_parents(folder, 0700) != 0 || !folder_is_free(folder))
    return ctl_failed("no CA made", NULL);
  CeremonyPlan plan = {.country = country,
                       .organization = organization,
                       .public_ca = public_ca,
                       .root_name = root_name,
                       .issuing_name = issuing_name,
                       .key_type = key_type,
                       .passphrase = passphrase,
                       .url = url,
                       .now = clock_now(&clock_system)};
  g_autoptr(CeremonyResult) result = ceremony_run(&plan, &error);
  if (result == NULL || !write_result(folder, result, &error))
    return ctl_failed("no CA made", &error);
  printf("made %s/root.pem and %s/issuing.pem\n", folder, folder);
  printf("Keep %s/root.key away from the server; it is needed again for signetctl ca crl.\n",
         folder);
  return CTL_DONE;
}

static Issuer *read_root(const char *folder, const char *passphrase, GError **error) {
  g_autofree char *certificate_path = g_build_filename(folder, "root.pem", NULL);
  g_autofree char *key_path = g_build_filename(folder, "root.key", NULL);
  char *certificate = NULL, *key = NULL;
  gsize certificate_length = 0, key_length = 0;
  if (!g_file_get_contents(certificate_path, &certificate, &certificate_length, error))
    return NULL;
  g_autoptr(GBytes) certificate_pem = g_bytes_new_take(certificate, certificate_length);
  if (!g_file_get_contents(key_path, &key, &key_length, error))
    return NULL;
  g_autoptr(GBytes) key_pem = g_bytes_new_take(key, key_length);
  return issuer_new(certificate_pem, key_pem, passphrase, error);
}

int ctl_ca_crl(int argc, char **argv) {
  g_autofree char *folder = NULL, *passphrase_file = NULL;
  const GOptionEntry options[] = {{"directory", 'd', 0, G_OPTION_ARG_FILENAME, &folder,
                                   "Folder with root.pem and root.key", "DIR"},
                                  {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &passphrase_file,
                                   "First line opens the key", "FILE"},
                                  G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca crl", "Makes a new root.crl; then send signetd a SIGHUP.", options, argc,
                   argv))
    return CTL_USAGE;
  if (folder == NULL) {
    fprintf(stderr, "%s: --directory is needed\n", g_get_prgname());
    return CTL_USAGE;
  }
  g_autofree char *passphrase = ctl_passphrase(passphrase_file, &error);
  g_autoptr(Issuer) root = error == NULL ? read_root(folder, passphrase, &error) : NULL;
  g_autoptr(GBytes) crl =
      root != NULL ? ceremony_root_crl(root, clock_now(&clock_system), NULL, &error) : NULL;
  g_autofree char *path = g_build_filename(folder, "root.crl", NULL);
  if (crl == NULL ||
      !g_file_set_contents_full(path, g_bytes_get_data(crl, NULL), (gssize)g_bytes_get_size(crl),
                                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644,
                                &error))
    return ctl_failed("no list made", &error);
  printf("made %s\n", path);
  return CTL_DONE;
}
