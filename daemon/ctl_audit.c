/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl audit: the key, verifying and exporting the audit log. They ask no server: they read
   the store or a file, beside a server that goes on. */
#include "daemon/ctl_audit.h"
#include "base/clock.h"
#include "ca/audit_key.h"
#include "ca/key.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit_file.h"
#include "daemon/ctl_making.h"
#include "daemon/store_place.h"

#include <errno.h>
#include <gio/gio.h>
#include <openssl/crypto.h>
#include <string.h>

#define UNSIGNED_MAX (10 * CLOCK_MINUTE) /* one is signed each minute */

/* --- the key
 * -----------------------------------------------------------------------------------------------
 */

char *ctl_audit_public_path(const char *path) {
  gsize length = strlen(path);
  gboolean named = g_str_has_suffix(path, ".key");
  return g_strdup_printf("%.*s.pub", (int)(named ? length - strlen(".key") : length), path);
}

gboolean ctl_audit_key_make(const char *path, const char *passphrase, char **public_path,
                            GError **error) {
  g_autofree char *public_pem = NULL;
  char *pem = audit_key_make(passphrase, &public_pem);
  *public_path = ctl_audit_public_path(path);
  gboolean written = ctl_write_new(path, pem, strlen(pem), 0600, error) &&
                     ctl_write_new(*public_path, public_pem, strlen(public_pem), 0644, error);
  OPENSSL_cleanse(pem, strlen(pem));
  g_free(pem);
  return written;
}

int ctl_audit_key(int argc, char **argv) {
  g_autofree char *path = NULL, *passphrase_file = NULL, *public_path = NULL;
  const GOptionEntry options[] = {{"key", 'k', 0, G_OPTION_ARG_FILENAME, &path,
                                   "[ca] audit-key: file to be made (needed)", "FILE"},
                                  {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &passphrase_file,
                                   "First line encrypts the key; the same as [ca] passphrase-file",
                                   "FILE"},
                                  G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("audit key",
                   "Makes the key that signs checkpoints of the audit log, and its public half "
                   "beside it, .pub, for verifiers.",
                   options, argc, argv))
    return CTL_USAGE;
  if (path == NULL)
    return ctl_misused("--key is needed");
  g_autofree char *passphrase = ctl_passphrase(passphrase_file, &error);
  if (error != NULL)
    return ctl_failed("passphrase", &error);
  if (!ctl_audit_key_make(path, passphrase, &public_path, &error))
    return ctl_failed("no key made", &error);
  printf("made %s and %s\n", path, public_path);
  printf("Name it in [ca] audit-key, restart signetd, and give %s to whoever verifies the log.\n",
         public_path);
  return CTL_DONE;
}

static EVP_PKEY *read_public(const char *path, GError **error) {
  char *content = NULL;
  gsize length = 0;
  if (!g_file_get_contents(path, &content, &length, error))
    return NULL;
  g_autoptr(GBytes) pem = g_bytes_new_take(content, length);
  EVP_PKEY *key = audit_key_read_public(pem, error);
  if (key == NULL)
    g_prefix_error(error, "%s: ", path);
  return key;
}

GPtrArray *ctl_audit_keys(const Config *config, const char *const *paths, GError **error) {
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func((GDestroyNotify)EVP_PKEY_free);
  g_autofree char *beside = config != NULL && config_given(config, "ca.audit-key")
                                ? ctl_audit_public_path(config_text(config, "ca.audit-key"))
                                : NULL;
  const char *const configured[] = {beside, NULL};
  for (const char *const *path = paths != NULL ? paths : configured; *path != NULL; path++) {
    EVP_PKEY *key = read_public(*path, error);
    if (key == NULL)
      return NULL;
    g_ptr_array_add(keys, key);
  }
  return g_steal_pointer(&keys);
}

/* --- verifying
 * ---------------------------------------------------------------------------------------------- */

typedef struct {
  CtlReport *report;
  GPtrArray *keys;
} Verifier;

static void on_fault(const char *sentence, gpointer user) {
  ctl_report_fault(((Verifier *)user)->report, sentence);
}

static const char *check_signature(GBytes *octets, GBytes *digest, GBytes *signature,
                                   gpointer user) {
  const Verifier *verifier = user;
  for (guint i = 0; i < verifier->keys->len; i++) {
    g_autoptr(GBytes) spki = audit_key_spki(verifier->keys->pdata[i]);
    g_autoptr(GBytes) found = key_digest(spki);
    if (g_bytes_equal(found, digest))
      return audit_key_verify(verifier->keys->pdata[i], octets, signature)
                 ? NULL
                 : "its signature does not verify: it was changed";
  }
  return "it names an audit key that was not given (--key)";
}

static void on_progress(gint64 done, gint64 of, gpointer user) {
  ctl_report_progress(((Verifier *)user)->report, done, of);
}

static gboolean verify_file(const char *path, AuditWalk *walk, GError **error) {
  FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
  if (in == NULL) {
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", path, g_strerror(errno));
    return FALSE;
  }
  gboolean good = ctl_audit_import(in, walk, error);
  if (in != stdin)
    fclose(in);
  return good;
}

static gboolean verify_store(Store *store, AuditWalk *walk, Verifier *verifier, GError **error) {
  if (!audit_verify_store(store, walk, on_progress, verifier, error))
    return FALSE;
  if (verifier->keys->len > 0 && audit_walk_sums(walk)->span > UNSIGNED_MAX)
    audit_walk_fault(walk, "no checkpoint was signed for more than ten minutes of records at the "
                           "end: checkpoints are missing, or the signer refused them");
  return TRUE;
}

static void sum_up(CtlReport *report, const AuditWalk *walk, const char *name) {
  const AuditSums *sums = audit_walk_sums(walk);
  g_autofree char *uncovered = g_strdup_printf(
      "%" G_GINT64_FORMAT " records stand after the last checkpoint, vouched for by no signature",
      sums->uncovered);
  if (sums->uncovered > 0)
    ctl_report_note(report, uncovered);
  ctl_report_sum(report,
                 "%s: %" G_GINT64_FORMAT " records in %" G_GINT64_FORMAT
                 " chains, %" G_GINT64_FORMAT " checkpoints, %" G_GINT64_FORMAT " faults",
                 name, sums->records, sums->chains, sums->checkpoints, sums->faults);
}

gboolean ctl_audit_check_open(CtlReport *report, Store *store, const char *name, GPtrArray *keys,
                              GError **error) {
  Verifier verifier = {report, keys};
  const AuditWalkHooks hooks = {on_fault, check_signature, &verifier};
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  if (!verify_store(store, walk, &verifier, error))
    return FALSE;
  sum_up(report, walk, name);
  return TRUE;
}

gboolean ctl_audit_check_store(CtlReport *report, const StorePlace *place, GPtrArray *keys,
                               GError **error) {
  g_autoptr(Store) store = store_open_reader(place, error);
  return store != NULL && ctl_audit_check_open(report, store, store_place_name(place), keys, error);
}

/* An export, or a folder with SQLite's files. */
static gboolean check_named(CtlReport *report, const char *path, GPtrArray *keys, GError **error) {
  Verifier verifier = {report, keys};
  const AuditWalkHooks hooks = {on_fault, check_signature, &verifier};
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    return ctl_audit_check_store(report, &(StorePlace){.folder = path}, keys, error);
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  if (!verify_file(path, walk, error))
    return FALSE;
  sum_up(report, walk, path);
  return TRUE;
}

Config *ctl_audit_config(const char *path) {
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  Config *config = config_load(path != NULL ? path : CTL_DEFAULT_CONFIG, TRUE, mistakes);
  for (guint i = 0; i < mistakes->len; i++)
    fprintf(stderr, "%s\n", (const char *)mistakes->pdata[i]);
  return config;
}

int ctl_audit_verify(int argc, char **argv) {
  g_autofree char *config_path = NULL;
  g_auto(GStrv) key_paths = NULL, paths = NULL;
  gboolean progress = FALSE;
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &key_paths,
       "Public audit key; may be given again for earlier ones (the one beside [ca] audit-key)",
       "FILE"},
      {"progress", 0, 0, G_OPTION_ARG_NONE, &progress,
       "Show progress also where standard error is no terminal", NULL},
      CTL_WORDS(paths, "[EXPORT|FOLDER...]"),
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("audit verify",
                   "Verifies the audit log of the server's store, or of exports and store folders "
                   "that are named.",
                   options, argc, argv))
    return CTL_USAGE;
  gboolean needs_config = paths == NULL || key_paths == NULL;
  g_autoptr(Config) config = needs_config ? ctl_audit_config(config_path) : NULL;
  if (needs_config && config == NULL)
    return CTL_USAGE;
  g_autoptr(GPtrArray) keys = ctl_audit_keys(config, (const char *const *)key_paths, &error);
  g_auto(CtlReport) report;
  ctl_report_init(&report, progress);
  ctl_report_part(&report, "audit");
  gboolean good = keys != NULL;
  if (good && paths == NULL) {
    StorePlace own = store_place_read(config);
    good = ctl_audit_check_store(&report, &own, keys, &error);
  }
  for (char **path = paths; good && path != NULL && *path != NULL; path++)
    good = check_named(&report, *path, keys, &error);
  if (!good) {
    ctl_failed("not verified", &error);
    return CTL_USAGE;
  }
  return report.faults == 0 ? CTL_DONE : CTL_FAILED;
}

/* --- exporting
 * ---------------------------------------------------------------------------------------------- */

static gboolean read_time(const char *text, const char *option, gint64 *at) {
  if (text == NULL || clock_read_rfc3339(text, at))
    return TRUE;
  ctl_misused("--%s is no time like 2026-01-31T00:00:00Z", option);
  return FALSE;
}

static int export_to(const Config *config, const AuditRange *range, const char *output) {
  g_autoptr(GError) error = NULL;
  StorePlace place = store_place_read(config);
  g_autoptr(Store) store = store_open_reader(&place, &error);
  gint64 records = 0;
  if (store == NULL)
    return ctl_failed("nothing exported", &error);
  FILE *out = output != NULL ? fopen(output, "wxe") : stdout;
  if (out == NULL) {
    error =
        g_error_new(G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", output, g_strerror(errno));
    return ctl_failed("nothing exported", &error);
  }
  gboolean good = ctl_audit_export(store, range, out, &records, &error);
  if (out != stdout && fclose(out) != 0 && good) {
    good = FALSE;
    error =
        g_error_new(G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", output, g_strerror(errno));
  }
  if (!good)
    return ctl_failed("not all exported", &error);
  fprintf(stderr, "%" G_GINT64_FORMAT " records exported\n", records);
  return CTL_DONE;
}

int ctl_audit_export_command(int argc, char **argv) {
  g_autofree char *config_path = NULL, *output = NULL, *since = NULL, *until = NULL;
  AuditRange range = {0, 0, 0, 0};
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "File to be made (standard output)",
       "FILE"},
      {"from", 0, 0, G_OPTION_ARG_INT64, &range.from, "First record", "NUMBER"},
      {"to", 0, 0, G_OPTION_ARG_INT64, &range.to, "Last record", "NUMBER"},
      {"since", 0, 0, G_OPTION_ARG_STRING, &since, "From the first record of that time or later",
       "TIME"},
      {"until", 0, 0, G_OPTION_ARG_STRING, &until, "To the last record of that time or before",
       "TIME"},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("audit export",
                   "Writes the audit log with its checkpoints as JSON lines, which signetctl audit "
                   "verify reads.",
                   options, argc, argv) ||
      !read_time(since, "since", &range.since) || !read_time(until, "until", &range.until))
    return CTL_USAGE;
  g_autoptr(Config) config = ctl_audit_config(config_path);
  return config != NULL ? export_to(config, &range, output) : CTL_USAGE;
}
