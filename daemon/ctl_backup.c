/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl backup: store, signer's log and configuration in one file, beside a server that goes
   on. Keys are not in it. */
#include "base/clock.h"
#include "daemon/backup_file.h"
#include "daemon/backup_place.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "store/audit.h"
#include "store/certificate.h"
#include "store/sqlite_copy.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_FOLDER "store.directory"

typedef struct {
  const Config *config;
  const char *config_path, *target;
  char *place; /* folder for work, beside target */
  BackupFacts facts;
  CtlReport report;
} Backup;

static void on_progress(gint64 done, gint64 of, gpointer user) {
  ctl_report_progress(user, done, of);
}

static char *in_place(const Backup *backup, const char *name) {
  return g_build_filename(backup->place, name, NULL);
}

static char *in_store(const Backup *backup, const char *name) {
  return g_build_filename(config_text(backup->config, STORE_FOLDER), name, NULL);
}

/* The copy is whole, of a schema that this program reads, and its audit log has an end. */
static gboolean check_copy(Backup *backup, const char *path, GError **error) {
  const StorePlace place = {.folder = backup->place};
  AuditCheckpoint head;
  g_autoptr(GBytes) key = NULL;
  if (!sqlite_copy_check(path, error))
    return FALSE;
  g_autoptr(Store) store = store_open_reader(&place, error);
  if (store == NULL || !audit_head(store, &head, &key, error) ||
      !certificate_count(store, &backup->facts.certificates, error))
    return FALSE;
  backup->facts.head = (AuditHead){.chain = {head.number > 0, head.chain}, .number = head.number};
  memcpy(backup->facts.head.hash, head.hash, AUDIT_HASH_OCTETS);
  return TRUE;
}

static gboolean copy_store(Backup *backup, GError **error) {
  g_autofree char *path = in_place(backup, BACKUP_STORE);
  ctl_report_part(&backup->report, "pages of the store copied");
  backup->facts.made = clock_now(&clock_system);
  return sqlite_copy(config_text(backup->config, STORE_FOLDER), path, on_progress, &backup->report,
                     error) &&
         check_copy(backup, path, error);
}

/* After the store, so that the log is not older: what the store has is there. The checkpoint file
   is written in place, so it is copied at once. */
static gboolean copy_files(const Backup *backup, GError **error) {
  g_autofree char *log = in_store(backup, BACKUP_LOG), *log_copy = in_place(backup, BACKUP_LOG);
  g_autofree char *last = in_store(backup, BACKUP_CHECKPOINT);
  g_autofree char *last_copy = in_place(backup, BACKUP_CHECKPOINT);
  g_autofree char *config_copy = in_place(backup, BACKUP_CONFIG);
  gint64 size = 0;
  return backup_log_size(log, &size, error) && backup_copy(log, log_copy, size, error) &&
         backup_copy(last, last_copy, -1, error) &&
         backup_copy(backup->config_path, config_copy, -1, error);
}

static gboolean write_file(Backup *backup, const char *path, GError **error) {
  static const char *const names[] = {BACKUP_STORE, BACKUP_LOG, BACKUP_CHECKPOINT, BACKUP_CONFIG};
  BackupMember members[G_N_ELEMENTS(names) + 1] = {{0}};
  char *paths[G_N_ELEMENTS(names)];
  gboolean good = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    struct stat status = {0};
    paths[i] = in_place(backup, names[i]);
    good = good && stat(paths[i], &status) == 0;
    members[i] = (BackupMember){names[i], paths[i], status.st_size};
  }
  ctl_report_part(&backup->report, "octets written");
  good = good && backup_write(path, &backup->facts, members, on_progress, &backup->report, error);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    g_free(paths[i]);
  return good;
}

/* What was written is read again before it gets its name. */
static gboolean make(Backup *backup, GError **error) {
  g_autofree char *path = in_place(backup, "backup.tar");
  BackupFacts read;
  if (!copy_store(backup, error) || !copy_files(backup, error) || !write_file(backup, path, error))
    return FALSE;
  ctl_report_part(&backup->report, "octets checked");
  return backup_read(path, NULL, &read, on_progress, &backup->report, error) &&
         backup_move(path, backup->target, error);
}

static int run(Backup *backup, gboolean quiet) {
  g_autoptr(GError) error = NULL;
  int lock = -1;
  gboolean good =
      backup_is_possible(backup->config, &error) && backup_may_replace(backup->target, &error);
  if (good)
    lock = backup_place_make(backup->place, &error);
  good = lock >= 0 && make(backup, &error);
  if (lock >= 0)
    backup_place_remove(backup->place);
  if (lock >= 0)
    close(lock);
  if (!good)
    return ctl_failed("no backup made", &error);
  g_autofree char *made = clock_rfc3339(backup->facts.made);
  ctl_report_part(&backup->report, "backup");
  if (!quiet)
    ctl_report_sum(&backup->report,
                   "%s: the store as it was at %s, %" G_GINT64_FORMAT
                   " certificates, audit log to record %" G_GINT64_FORMAT "; checked",
                   backup->target, made, backup->facts.certificates, backup->facts.head.number);
  return CTL_DONE;
}

int ctl_backup(int argc, char **argv) {
  g_autofree char *path = NULL;
  g_auto(GStrv) words = NULL;
  gboolean progress = FALSE, quiet = FALSE;
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"progress", 0, 0, G_OPTION_ARG_NONE, &progress,
       "Show progress also where standard error is no terminal", NULL},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Print nothing when all is well", NULL},
      CTL_WORDS(words, "FILE"),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("backup",
                   "Writes the store, the signer's log and the configuration, without any key, to "
                   "FILE, which is replaced; beside a server that goes on.",
                   options, argc, argv) ||
      !ctl_count_words(words, 1, "FILE"))
    return CTL_USAGE;
  g_autoptr(Config) config = ctl_audit_config(path);
  if (config == NULL)
    return CTL_USAGE;
  g_autofree char *place = g_strconcat(words[0], ".part", NULL);
  Backup backup = {.config = config,
                   .config_path = path != NULL ? path : CTL_DEFAULT_CONFIG,
                   .target = words[0],
                   .place = place};
  ctl_report_init(&backup.report, progress);
  int status = run(&backup, quiet);
  ctl_report_clear(&backup.report);
  return status;
}
