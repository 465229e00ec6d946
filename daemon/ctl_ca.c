/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl ca init, root, crl: the root, and what its key signs about itself. */
#include "base/clock.h"
#include "base/hex.h"
#include "ca/ceremony.h"
#include "ca/revoked_list.h"
#include "ca/root_list.h"
#include "ca/transcript.h"
#include "daemon/ca_agreement.h"
#include "daemon/ca_key_place.h"
#include "daemon/ca_making.h"
#include "daemon/ctl.h"
#include "daemon/ctl_making.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- init
 * ------------------------------------------------------------------------------------------- */

static gboolean write_result(const CaFolder *folder, const CeremonyResult *result, GError **error) {
  return ca_folder_write(folder, "root.key", result->root_key, 0600, error) &&
         ca_folder_write(folder, "issuing.key", result->issuing_key, 0600, error) &&
         ca_folder_write(folder, "audit.key", result->audit_key, 0600, error) &&
         ca_folder_write(folder, "audit.pub", result->audit_public, 0644, error) &&
         ca_folder_write(folder, CA_FOLDER_ROOT, result->root_certificate, 0644, error) &&
         ca_folder_write(folder, "issuing.pem", result->issuing_certificate, 0644, error) &&
         ca_folder_replace(folder, CA_FOLDER_ROOT_CRL, result->root_crl, error);
}

static void say_ca(GString *lines, const char *pem, const char *key, const char *name) {
  g_autoptr(GBytes) octets = g_bytes_new_static(pem, strlen(pem));
  g_autoptr(Issuer) issuer = issuer_new(octets, NULL, NULL, NULL);
  ca_folder_say_key(lines, X509_get0_pubkey(issuer->certificate), key);
  ca_folder_say_certificate(lines, issuer->certificate, name);
}

static gboolean record_result(const CaFolder *folder, const CeremonyResult *result,
                              GError **error) {
  g_autoptr(GString) lines = g_string_new(NULL);
  say_ca(lines, result->root_certificate, "root.key", CA_FOLDER_ROOT);
  say_ca(lines, result->issuing_certificate, "issuing.key", "issuing.pem");
  transcript_block(lines, "audit.pub", result->audit_public);
  ca_folder_say_list(lines, result->root_crl, CA_FOLDER_ROOT_CRL);
  return ca_folder_record(folder, "made", lines, error);
}

/* Nothing is begun in a folder that holds a CA. */
gboolean ctl_ca_make(const char *path, const char *command, const CeremonyPlan *plan,
                     GError **error) {
  static const char *const names[] = {
      "root.key",  "issuing.key", CA_FOLDER_ROOT,       "issuing.pem",     CA_FOLDER_ROOT_CRL,
      "audit.key", "audit.pub",   CA_FOLDER_TRANSCRIPT, CA_FOLDER_REVOKED, NULL};
  const CaFolder probe = {.path = (char *)path};
  if (!ca_folder_is_free(&probe, names, error))
    return FALSE;
  g_autoptr(CaFolder) folder = ca_folder_open(path, command, error);
  if (folder == NULL ||
      !ca_agreement(folder, "a root and an issuing CA shall be made", plan->root_name, NULL, error))
    return FALSE;
  GError *failure = NULL;
  g_autoptr(CeremonyResult) result = ceremony_run(plan, &failure);
  return (result != NULL && write_result(folder, result, &failure) &&
          record_result(folder, result, &failure)) ||
         ca_making_failed(folder, failure, error);
}

int ctl_ca_init(int argc, char **argv) {
  g_autofree char *command = ca_folder_command(argc, argv);
  g_autofree char *folder = NULL, *url = NULL, *organization = NULL, *name = NULL, *key_type = NULL,
                  *passphrase_file = NULL, *country = NULL;
  const GOptionEntry options[] = {
      {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &folder,
       "Folder for the files, made when missing (needed)", "DIR"},
      {"url", 'u', 0, G_OPTION_ARG_STRING, &url, "[publish] url: http://HOST/, ends in / (needed)",
       "URL"},
      {"organization", 'o', 0, G_OPTION_ARG_STRING, &organization, "O of both names", "NAME"},
      {"country", 'c', 0, G_OPTION_ARG_STRING, &country,
       "C of both names, two capital letters (ISO 3166-1)", "CC"},
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
          options, argc, argv) ||
      !ca_making_needs(folder, "--directory") || !ca_making_needs(url, "--url"))
    return CTL_USAGE;
  char *passphrase = ctl_passphrase(passphrase_file, &error);
  g_autofree char *root_name = g_strdup_printf("%s Root CA", name != NULL ? name : "Signet");
  g_autofree char *issuing_name = g_strdup_printf("%s Issuing CA", name != NULL ? name : "Signet");
  if (error != NULL)
    return ctl_failed("passphrase", &error);
  const CeremonyPlan plan = {.country = country,
                             .organization = organization,
                             .root_name = root_name,
                             .issuing_name = issuing_name,
                             .key_type = key_type,
                             .passphrase = passphrase,
                             .url = url,
                             .now = clock_now(&clock_system)};
  gboolean done = ctl_ca_make(folder, command, &plan, &error);
  ca_key_place_forget(passphrase);
  if (!done)
    return ctl_failed("no CA made", &error);
  printf("made %s/root.pem and %s/issuing.pem\n", folder, folder);
  printf("Keep %s/root.key away from the server; it is needed again for signetctl ca crl.\n",
         folder);
  return CTL_DONE;
}

/* --- root
 * ------------------------------------------------------------------------------------------- */

typedef struct {
  char *directory, *country, *organization, *name, *key_type, *group, *wait;
  int years;
  gboolean public_ca;
  CaKeyPlace key;
} RootOptions;

static void root_options_clear(RootOptions *options) {
  g_free(options->directory);
  g_free(options->country);
  g_free(options->organization);
  g_free(options->name);
  g_free(options->key_type);
  g_free(options->group);
  g_free(options->wait);
  ca_key_place_clear(&options->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RootOptions, root_options_clear)

/* Those who confirm come through the folder. */
static gboolean let_group_in(const CaFolder *folder, const char *name, GError **error) {
  const struct group *group = name != NULL ? getgrnam(name) : NULL;
  if (name == NULL)
    return TRUE;
  if (group != NULL && chown(folder->path, (uid_t)-1, group->gr_gid) == 0 &&
      chmod(folder->path, 0710) == 0)
    return TRUE;
  g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s cannot be given to the group %s: %s",
              folder->path, name, group != NULL ? g_strerror(errno) : "there is no such group");
  return FALSE;
}

static gboolean make_root(const RootOptions *options, CaFolder *folder, GError **error) {
  g_auto(CaOpenKey) open = {0};
  g_autoptr(GBytes) subject =
      ceremony_name(options->country, options->organization, options->name, error);
  folder->public_ca = folder->public_ca || options->public_ca;
  if (subject == NULL || !let_group_in(folder, options->group, error) ||
      !ca_key_place_check(folder, &options->key, "--key", error))
    return FALSE;
  char *passphrase = NULL;
  gboolean good =
      ca_key_place_open_or_make(&options->key, options->key_type, &open, &passphrase, error);
  const CaMaking making = {
      .certificate = {.kind = CEREMONY_ROOT,
                      .subject = subject,
                      .key = open.key,
                      .now = clock_now(&clock_system),
                      .years = (guint)options->years,
                      .public_ca = folder->public_ca},
      .base = "root",
      .key_where = options->key.where != NULL ? options->key.where : "root.key",
      .keep_key = options->key.where == NULL,
      .passphrase = passphrase,
      .wait = options->wait,
  };
  good = good && ca_making_run(folder, &making, TRUE, error);
  ca_key_place_forget(passphrase);
  return good;
}

static gboolean begin_root(const RootOptions *options, const char *command, GError **error) {
  static const char *const names[] = {CA_FOLDER_ROOT, "root.key", CA_FOLDER_ROOT_CRL,
                                      CA_FOLDER_REVOKED, NULL};
  const CaFolder probe = {.path = options->directory};
  g_autoptr(CaFolder) folder = ca_folder_is_free(&probe, names, error)
                                   ? ca_folder_open(options->directory, command, error)
                                   : NULL;
  return folder != NULL && make_root(options, folder, error);
}

int ctl_ca_root(int argc, char **argv) {
  g_autofree char *command = ca_folder_command(argc, argv);
  g_auto(RootOptions) given = {0};
  const GOptionEntry options[] = {
      {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &given.directory,
       "Folder for the files, made when missing (needed)", "DIR"},
      {"name", 'n', 0, G_OPTION_ARG_STRING, &given.name, "CN (needed)", "NAME"},
      {"organization", 'o', 0, G_OPTION_ARG_STRING, &given.organization, "O", "NAME"},
      {"country", 'c', 0, G_OPTION_ARG_STRING, &given.country,
       "C, two capital letters (ISO 3166-1)", "CC"},
      {"years", 'y', 0, G_OPTION_ARG_INT, &given.years, "How long it is valid (20)", "N"},
      {"key-type", 'k', 0, G_OPTION_ARG_STRING, &given.key_type,
       "Of a new key: P-256 (default), P-384 or RSA-4096", "TYPE"},
      {"key", 0, 0, G_OPTION_ARG_STRING, &given.key.where,
       "A key that is there already; a file, or a pkcs11: URI", "FILE|URI"},
      {"pkcs11-module", 0, 0, G_OPTION_ARG_FILENAME, &given.key.module, "The token's module (.so)",
       "FILE"},
      {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &given.key.passphrase_file,
       "First line: the key's passphrase, or the token's PIN", "FILE"},
      {"public", 0, 0, G_OPTION_ARG_NONE, &given.public_ca,
       "Of a public CA: for good, another system user has to confirm what its key signs", NULL},
      {"group", 'g', 0, G_OPTION_ARG_STRING, &given.group,
       "Lets this group's members come and confirm", "GROUP"},
      {"wait", 'w', 0, G_OPTION_ARG_STRING, &given.wait, "How long to wait for them (1h)", "TIME"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca root", "Makes root.pem, root.crl and, without --key, root.key.", options,
                   argc, argv) ||
      !ca_making_needs(given.directory, "--directory") || !ca_making_needs(given.name, "--name"))
    return CTL_USAGE;
  if (!begin_root(&given, command, &error))
    return ctl_failed("no root made", &error);
  return CTL_DONE;
}

/* --- crl
 * -------------------------------------------------------------------------------------------- */

typedef struct {
  char *directory, *reason, *wait;
  char **serials;
  int days;
  CaKeyPlace key;
} ListOptions;

static void list_options_clear(ListOptions *options) {
  g_free(options->directory);
  g_free(options->reason);
  g_free(options->wait);
  g_strfreev(options->serials);
  ca_key_place_clear(&options->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ListOptions, list_options_clear)

/* previous: cRLNumber of the list that is there. */
static GPtrArray *read_revoked(const CaFolder *folder, gint64 *previous, GError **error) {
  RootList before = {0};
  g_autofree char *path = ca_folder_file(folder, CA_FOLDER_REVOKED);
  g_autofree char *crl_path = ca_folder_file(folder, CA_FOLDER_ROOT_CRL);
  g_autofree char *text = NULL;
  g_autoptr(GBytes) crl = g_file_test(crl_path, G_FILE_TEST_EXISTS)
                              ? ca_folder_read(crl_path, error)
                              : g_bytes_new_static("", 0);
  if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_get_contents(path, &text, NULL, error))
    return NULL;
  if (crl != NULL && root_list_read(crl, &before))
    *previous = before.number;
  return crl != NULL ? revoked_list_read(text != NULL ? text : "", crl, error) : NULL;
}

/* Only what this root issued can be revoked by it. */
static gboolean add_revoked(const CaFolder *folder, const ListOptions *options, gint64 now,
                            GPtrArray *entries, GError **error) {
  guint count = 0;
  g_autofree char *head = NULL;
  g_autofree char *transcript = ca_folder_transcript(folder->path, &count, &head, error);
  for (char **serial = options->serials; transcript != NULL && serial != NULL && *serial != NULL;
       serial++) {
    g_autoptr(GBytes) octets = hex_decode(*serial, 20);
    g_autofree char *digits = octets != NULL ? hex_encode(octets) : NULL;
    if (digits == NULL || !transcript_has(transcript, "serial", digits)) {
      g_set_error(error, CA_ERROR, CA_ERROR_PROFILE,
                  "the transcript has no certificate with the serial number %s", *serial);
      return FALSE;
    }
    if (!revoked_list_add(entries, octets, now, options->reason, error))
      return FALSE;
  }
  return transcript != NULL;
}

static char *describe(const CeremonyList *list) {
  g_autofree char *from = clock_rfc3339(list->now);
  g_autofree char *to = clock_rfc3339(list->now + list->days * CLOCK_DAY);
  g_autofree char *entries = revoked_list_write(list->entries);
  return g_strdup_printf("thisUpdate %s\nnextUpdate %s\n%u revoked\n%s", from, to,
                         list->entries->len, entries);
}

static gboolean make_list(const CaFolder *folder, const Issuer *root, const CeremonyList *list,
                          GError **error) {
  g_autoptr(GString) lines = g_string_new(NULL);
  char *text = revoked_list_write(list->entries);
  g_autoptr(GBytes) octets = g_bytes_new_take(text, strlen(text));
  g_autoptr(GBytes) crl = ceremony_root_crl(root, list, error);
  if (crl == NULL || !ca_folder_replace(folder, CA_FOLDER_REVOKED, octets, error) ||
      !ca_folder_replace(folder, CA_FOLDER_ROOT_CRL, crl, error))
    return FALSE;
  ca_folder_say_list(lines, crl, CA_FOLDER_ROOT_CRL);
  return ca_folder_record(folder, "made", lines, error);
}

static gboolean run_list(const ListOptions *options, const char *command, GError **error) {
  CeremonyList list = {.now = clock_now(&clock_system) / CLOCK_SECOND * CLOCK_SECOND,
                       .days = (guint)options->days};
  GError *failure = NULL;
  g_auto(CaOpenKey) open = {0};
  g_autoptr(CaFolder) folder = ca_folder_open(options->directory, command, error);
  g_autoptr(GPtrArray) entries =
      folder != NULL ? read_revoked(folder, &list.previous, error) : NULL;
  if (entries == NULL || !add_revoked(folder, options, list.now, entries, error))
    return FALSE;
  list.entries = entries;
  g_autoptr(Issuer) root = ca_key_place_root(folder, &options->key, &open, error);
  g_autofree char *shown = describe(&list);
  if (root == NULL || !ca_agreement(folder, "the root's key shall sign the root's revocation list",
                                    shown, options->wait, error))
    return FALSE;
  return make_list(folder, root, &list, &failure) || ca_making_failed(folder, failure, error);
}

static gboolean check_list_options(const ListOptions *options) {
  if (!ca_making_needs(options->directory, "--directory"))
    return FALSE;
  if ((options->serials == NULL) != (options->reason == NULL)) {
    ctl_misused("--revoke and --reason go together");
    return FALSE;
  }
  if (options->days >= 1 && options->days <= CRL_MAX_CA_DAYS)
    return TRUE;
  ctl_misused("--days is 1 to %d (S/MIME BR 4.9.7: twelve months)", CRL_MAX_CA_DAYS);
  return FALSE;
}

int ctl_ca_crl(int argc, char **argv) {
  g_autofree char *command = ca_folder_command(argc, argv);
  g_auto(ListOptions) given = {.days = CEREMONY_ROOT_CRL_DAYS};
  const GOptionEntry options[] = {
      {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &given.directory,
       "Folder of the root, with its transcript (needed)", "DIR"},
      {"revoke", 'r', 0, G_OPTION_ARG_STRING_ARRAY, &given.serials,
       "A certificate that the root issued, by its serial number; may be given again", "SERIAL"},
      {"reason", 0, 0, G_OPTION_ARG_STRING, &given.reason,
       "keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation or "
       "privilegeWithdrawn (needed with --revoke)",
       "REASON"},
      {"days", 0, 0, G_OPTION_ARG_INT, &given.days, "Until the next list (364)", "N"},
      {"root-key", 0, 0, G_OPTION_ARG_STRING, &given.key.where,
       "The root's key (DIR/root.key); a file, or a pkcs11: URI", "FILE|URI"},
      {"pkcs11-module", 0, 0, G_OPTION_ARG_FILENAME, &given.key.module, "The token's module (.so)",
       "FILE"},
      {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &given.key.passphrase_file,
       "First line opens the key, or the token", "FILE"},
      {"wait", 'w', 0, G_OPTION_ARG_STRING, &given.wait,
       "Public CA: how long to wait for a second person (1h)", "TIME"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca crl", "Makes a new root.crl; then send signetd a SIGHUP.", options, argc,
                   argv) ||
      !check_list_options(&given))
    return CTL_USAGE;
  if (!run_list(&given, command, &error))
    return ctl_failed("no list made", &error);
  printf("made %s/" CA_FOLDER_ROOT_CRL "\n", given.directory);
  return CTL_DONE;
}
