/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl store copy: an installation moves from SQLite to PostgreSQL, while its server is
   stopped. All of it is one transaction there: it is moved whole or not at all. */
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "daemon/store_place.h"
#include "store/copy.h"

#include <stdio.h>

/* No node has a name with a blank. */
#define OWNER "store copy"

typedef struct {
  const char *folder, *node;
  StorePlace to;
  GPtrArray *keys; /* of the audit log */
  CtlReport report;
  StoreCopied copied;
} Move;

static void on_progress(gint64 done, gint64 of, gpointer user) {
  ctl_report_progress(&((Move *)user)->report, done, of);
}

/* It would be made. */
static Store *open_old(const char *folder, GError **error) {
  const StorePlace place = {.folder = folder};
  g_autofree char *path = g_build_filename(folder, "signet.db", NULL);
  if (g_file_test(path, G_FILE_TEST_EXISTS))
    return store_open(&place, error);
  g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN, "there is no %s", path);
  return NULL;
}

/* One that has faults is copied as it is: they are no reason to stay. */
static gboolean check_audit(Move *move, Store *old, Store *new, GError **error) {
  gint64 before = move->report.faults;
  ctl_report_part(&move->report, "audit log there");
  if (!ctl_audit_check_open(&move->report, new, "PostgreSQL", move->keys, error))
    return FALSE;
  gint64 found = move->report.faults - before;
  if (found == 0)
    return TRUE;
  ctl_report_part(&move->report, "audit log here");
  if (!ctl_audit_check_open(&move->report, old, move->folder, move->keys, error))
    return FALSE;
  if (move->report.faults - before == 2 * found)
    return TRUE;
  g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED,
              "the audit log has faults there that it has not here");
  return FALSE;
}

static gboolean copy_open(Move *move, Store *old, Store *new, GError **error) {
  ctl_report_part(&move->report, "rows");
  if (!store_begin(new, error))
    return FALSE;
  if (store_copy(old, new, move->node, on_progress, move, &move->copied, error)) {
    ctl_report_sum(&move->report, "%" G_GINT64_FORMAT " in %" G_GINT64_FORMAT " tables",
                   move->copied.rows, move->copied.tables);
    if (check_audit(move, old, new, error))
      return store_commit(new, error);
  }
  store_rollback(new);
  return FALSE;
}

static gboolean copy_store(Move *move, GError **error) {
  g_autoptr(Store) old = open_old(move->folder, error);
  g_autoptr(Store) new = old != NULL ? store_open(&move->to, error) : NULL;
  return new != NULL &&copy_open(move, old, new, error);
}

static void print_next(const Move *move, const char *config) {
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_key_file_set_string(file, "store", "postgresql", move->to.postgresql);
  if (move->to.password_file != NULL)
    g_key_file_set_string(file, "store", "password-file", move->to.password_file);
  g_key_file_set_string(file, "store", "node", move->node);
  g_autofree char *text = g_key_file_to_data(file, NULL, NULL);
  if (move->copied.changed > 0)
    printf("%" G_GINT64_FORMAT
           " texts of peers were no UTF-8, which PostgreSQL does not take: what "
           "is none of it stands there as U+FFFD.\n",
           move->copied.changed);
  printf(
      "\nThe store is copied. Now change %s, and start signetd:\n\n%s\n"
      "[store] directory stays: the signer's log and what is published are there. Its files "
      "signet.db* are as they were and are kept.\n"
      "Do not start signetd on them again: it would not know what is issued and revoked from now "
      "on.\n",
      config, text);
}

static int run(Move *move, const Config *config, const char *const *key_paths,
               const char *config_path) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) keys = ctl_audit_keys(config, key_paths, &error);
  move->keys = keys;
  move->folder = config_text(config, "store.directory");
  move->node = store_place_node(config);
  if (keys == NULL || !copy_store(move, &error))
    return ctl_failed("nothing copied", &error);
  print_next(move, config_path != NULL ? config_path : CTL_DEFAULT_CONFIG);
  return CTL_DONE;
}

int ctl_store_copy(int argc, char **argv) {
  g_autofree char *config_path = NULL, *to = NULL, *password_file = NULL;
  g_auto(GStrv) key_paths = NULL;
  gboolean progress = FALSE;
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"to", 't', 0, G_OPTION_ARG_STRING, &to,
       "Connection string of the database, as in [store] postgresql; needed", "CONNINFO"},
      {"password-file", 'p', 0, G_OPTION_ARG_FILENAME, &password_file,
       "Its password, as in [store] password-file", "FILE"},
      {"key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &key_paths,
       "Public audit key; may be given again for earlier ones (the one beside [ca] audit-key)",
       "FILE"},
      {"progress", 0, 0, G_OPTION_ARG_NONE, &progress,
       "Show progress also where standard error is no terminal", NULL},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("store copy",
                   "Copies the store on SQLite, whose server is stopped, to an empty database of "
                   "PostgreSQL.",
                   options, argc, argv))
    return CTL_USAGE;
  if (to == NULL)
    return ctl_misused("--to is needed");
  g_autoptr(Config) config = ctl_audit_config(config_path);
  g_autofree char *password_path =
      password_file != NULL ? g_canonicalize_filename(password_file, NULL) : NULL;
  Move move = {.to = {.postgresql = to, .password_file = password_path, .owner = OWNER}};
  if (config == NULL)
    return CTL_USAGE;
  ctl_report_init(&move.report, progress);
  int status = run(&move, config, (const char *const *)key_paths, config_path);
  ctl_report_clear(&move.report);
  return status;
}
