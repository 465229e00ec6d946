/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl check: what is stored, checked anew; and the sample for self-audits. They ask no
   server: they read the store and files, beside a server that goes on. */
#include "daemon/ctl_check.h"
#include "base/clock.h"
#include "ca/certificate_read.h"
#include "daemon/ca_key.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "daemon/store_place.h"

#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

/* Options of all these commands. */
typedef struct {
  char *config, *report;
  char **keys, **issuers, **logs;
  gboolean progress;
} Options;

static void options_clear(Options *options) {
  g_free(options->config);
  g_free(options->report);
  g_strfreev(options->keys);
  g_strfreev(options->issuers);
  g_strfreev(options->logs);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* --- what is read
 * -------------------------------------------------------------------------------------------- */

static Issuer *read_issuer(const char *path, GError **error) {
  char *content = NULL;
  gsize length = 0;
  if (!g_file_get_contents(path, &content, &length, error))
    return NULL;
  g_autoptr(GBytes) pem = g_bytes_new_take(content, length);
  Issuer *issuer = issuer_new(pem, NULL, NULL, error);
  if (issuer == NULL)
    g_prefix_error(error, "%s: ", path);
  return issuer;
}

static gboolean add_issuer(GPtrArray *issuers, const char *path, GError **error) {
  Issuer *issuer = read_issuer(path, error);
  if (issuer != NULL)
    g_ptr_array_add(issuers, issuer);
  return issuer != NULL;
}

GPtrArray *ctl_check_read_issuers(const char *const *paths, GError **error) {
  g_autoptr(GPtrArray) issuers = g_ptr_array_new_with_free_func((GDestroyNotify)issuer_free);
  for (const char *const *path = paths; path != NULL && *path != NULL; path++)
    if (!add_issuer(issuers, *path, error))
      return NULL;
  return g_steal_pointer(&issuers);
}

static void root_list_free(CtlRootList *list) {
  g_free(list->file);
  issuer_free(list->root);
  g_free(list);
}

/* The CA of a group ("ca", "issuer NAME"), and its root when the group names one. fallback: where
   the root's list is published when the CA's certificate names no place here; NULL: nowhere. */
static gboolean add_configured(CtlCheck *check, const char *group, const char *fallback,
                               GError **error) {
  g_autofree char *certificate = ca_key_name(group, "certificate");
  g_autofree char *root = ca_key_name(group, "root");
  if (!add_issuer(check->issuers, config_text(check->config, certificate), error))
    return FALSE;
  g_autofree char *named = issuer_crl_file(check->issuers->pdata[check->issuers->len - 1],
                                           config_text(check->config, "publish.url"));
  if (!config_given(check->config, root) || (named == NULL && fallback == NULL))
    return TRUE;
  Issuer *issuer = read_issuer(config_text(check->config, root), error);
  if (issuer == NULL)
    return FALSE;
  CtlRootList *list = g_new0(CtlRootList, 1);
  list->file = g_strdup(named != NULL ? named : fallback);
  list->root = issuer;
  g_ptr_array_add(check->roots, list);
  return TRUE;
}

static gboolean add_all_configured(CtlCheck *check, GError **error) {
  const char *const *name = config_names(check->config, "issuer");
  if (!add_configured(check, "ca", "root.crl", error))
    return FALSE;
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    if (!add_configured(check, group, NULL, error))
      return FALSE;
  }
  return TRUE;
}

gboolean ctl_check_open_issuers(CtlCheck *check, const char *const *issuers, GError **error) {
  check->issuers = g_ptr_array_new_with_free_func((GDestroyNotify)issuer_free);
  check->roots = g_ptr_array_new_with_free_func((GDestroyNotify)root_list_free);
  if (!add_all_configured(check, error))
    return FALSE;
  for (const char *const *path = issuers; path != NULL && *path != NULL; path++)
    if (!add_issuer(check->issuers, *path, error))
      return FALSE;
  return TRUE;
}

gboolean ctl_check_open(CtlCheck *check, const char *const *issuers, GError **error) {
  if (!ctl_check_open_issuers(check, issuers, error))
    return FALSE;
  StorePlace place = store_place_read(check->config);
  check->store = store_open_reader(&place, error);
  return check->store != NULL;
}

void ctl_check_clear(CtlCheck *check) {
  g_clear_pointer(&check->config, config_free);
  g_clear_pointer(&check->store, store_close);
  g_clear_pointer(&check->issuers, g_ptr_array_unref);
  g_clear_pointer(&check->roots, g_ptr_array_unref);
  ctl_report_clear(&check->report);
}

/* --- certs, crl, audit, all
 * -------------------------------------------------------------------------------------- */

typedef gboolean (*Part)(CtlCheck *check, const Options *options, GError **error);

static gboolean part_certificates(CtlCheck *check, const Options *options, GError **error) {
  check->logs = (const char *const *)options->logs;
  return ctl_check_certificates(check, error);
}

static gboolean part_lists(CtlCheck *check, const Options *options G_GNUC_UNUSED, GError **error) {
  return ctl_check_lists(check, error);
}

static gboolean part_audit(CtlCheck *check, const Options *options, GError **error) {
  g_autoptr(GPtrArray) keys =
      ctl_audit_keys(check->config, (const char *const *)options->keys, error);
  if (keys == NULL)
    return FALSE;
  ctl_report_part(&check->report, "audit");
  StorePlace place = store_place_read(check->config);
  return ctl_audit_check_store(&check->report, &place, keys, error);
}

static int run_parts(CtlCheck *check, const Options *options, const Part *parts) {
  g_autoptr(GError) error = NULL;
  ctl_report_init(&check->report, options->progress);
  gboolean good = ctl_check_open(check, (const char *const *)options->issuers, &error);
  for (const Part *part = parts; good && *part != NULL; part++)
    good = (*part)(check, options, &error);
  if (good && options->report != NULL)
    good = ctl_report_write(&check->report, options->report, &error);
  if (!good) {
    ctl_failed("not checked", &error);
    return CTL_USAGE;
  }
  printf("%s\n", check->report.faults == 0 ? "everything is as it should be"
                                           : "there are faults, see above");
  return check->report.faults == 0 ? CTL_DONE : CTL_FAILED;
}

static int run(int argc, char **argv, const char *command, const char *summary, const Part *parts) {
  g_auto(Options) given = {NULL, NULL, NULL, NULL, NULL, FALSE};
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &given.config,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &given.keys,
       "Public audit key; may be given again for earlier ones (the one beside [ca] audit-key)",
       "FILE"},
      {"issuer", 'i', 0, G_OPTION_ARG_FILENAME_ARRAY, &given.issuers,
       "Certificate of an issuing CA that the configuration has no more; may be given again",
       "FILE"},
      {"log", 'l', 0, G_OPTION_ARG_FILENAME_ARRAY, &given.logs,
       "Signer's log of another node; may be given again. With those of all of them no certificate "
       "is taken for another node's",
       "FILE"},
      {"report", 'r', 0, G_OPTION_ARG_FILENAME, &given.report,
       "File for the whole result as JSON; replaced", "FILE"},
      {"progress", 0, 0, G_OPTION_ARG_NONE, &given.progress,
       "Show progress also where standard error is no terminal", NULL},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options(command, summary, options, argc, argv))
    return CTL_USAGE;
  g_auto(CtlCheck) check = {.config = ctl_audit_config(given.config)};
  return check.config != NULL ? run_parts(&check, &given, parts) : CTL_USAGE;
}

int ctl_check_certs(int argc, char **argv) {
  static const Part parts[] = {part_certificates, NULL};
  return run(argc, argv, "check certs",
             "Checks every stored certificate against its octets, the lint, the signer's log and "
             "the audit log.",
             parts);
}

int ctl_check_crl(int argc, char **argv) {
  static const Part parts[] = {part_lists, NULL};
  return run(argc, argv, "check crl", "Checks every published revocation list against the store.",
             parts);
}

int ctl_check_audit(int argc, char **argv) {
  static const Part parts[] = {part_audit, NULL};
  return run(argc, argv, "check audit", "Verifies the audit log of the store.", parts);
}

int ctl_check_all(int argc, char **argv) {
  static const Part parts[] = {part_certificates, part_lists, part_audit, NULL};
  return run(argc, argv, "check all", "Checks certificates, revocation lists and audit log.",
             parts);
}
