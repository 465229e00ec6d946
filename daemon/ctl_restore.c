/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl restore: puts a backup in place of the store of a server that is stopped. Everything is
   made and checked in a folder beside it first. From the moment that the store is moved aside to
   the end a file says that it is not finished, and no server starts over it (store/sqlite.c). */
#include "base/clock.h"
#include "daemon/backup_file.h"
#include "daemon/backup_place.h"
#include "daemon/control.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "daemon/ctl_check.h"
#include "daemon/restore_mark.h"
#include "store/sqlite_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  char *config, *log;
  char **lists, **words;
  gboolean accept_lost_log, progress;
} Options;

static void options_clear(Options *options) {
  g_free(options->config);
  g_free(options->log);
  g_strfreev(options->lists);
  g_strfreev(options->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

typedef struct {
  const Options *options;
  CtlCheck check;     /* configuration and CAs */
  const char *folder; /* of the store */
  char *place;        /* folder for work, in it */
  char *aside;        /* where the store was moved; NULL: there was none */
  BackupFacts facts;
  RestoreMarked marked;
  gint64 now;
  gboolean log_lost, replace_log;
} Restore;

static char *in_place(const Restore *restore, const char *name) {
  return g_build_filename(restore->place, name, NULL);
}

static char *in_store(const Restore *restore, const char *name) {
  return g_build_filename(restore->folder, name, NULL);
}

static void on_progress(gint64 done, gint64 of, gpointer user) {
  ctl_report_progress(user, done, of);
}

/* --- before anything is changed
 * ------------------------------------------------------------------------------- */

/* The lock of a store's writer, held to the end; -1: a server has it. */
static int take_store(const Restore *restore, GError **error) {
  static const char running[] = "a server works on %s: stop it first";
  g_autofree char *path = in_store(restore, "signet.lock");
  g_autofree char *control = control_path(restore->folder);
  if (g_mkdir_with_parents(restore->folder, 0700) != 0)
    return ctl_fail(error, "%s: %s", restore->folder, g_strerror(errno)), -1;
  int answered = control_connect(control, NULL);
  if (answered >= 0) {
    close(answered);
    return ctl_fail(error, running, restore->folder), -1;
  }
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return ctl_fail(error, "%s: %s", path, g_strerror(errno)), -1;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  close(fd);
  return ctl_fail(error, running, restore->folder), -1;
}

/* One of the logs that there are: of the backup, on the disk, given. */
typedef struct {
  char *path;
  gint64 size; /* -1: it is not there */
} Log;

static gboolean look_at_log(Log *log, GError **error) {
  log->size = -1;
  return log->path == NULL || !g_file_test(log->path, G_FILE_TEST_EXISTS) ||
         backup_log_size(log->path, &log->size, error);
}

/* The longest, which must be the others gone on: a log is only added to. */
static gboolean compare_logs(const Log *logs, gsize count, const Log **longest, GError **error) {
  *longest = &logs[0];
  for (gsize i = 1; i < count; i++)
    if (logs[i].size >= (*longest)->size)
      *longest = &logs[i];
  for (gsize i = 0; i < count; i++) {
    gboolean goes_on = TRUE;
    if (logs[i].size >= 0 &&
        !backup_log_goes_on((*longest)->path, logs[i].path, logs[i].size, &goes_on, error))
      return FALSE;
    if (!goes_on)
      return ctl_fail(
          error,
          "%s does not begin with what is in %s: they are logs of different servers, or "
          "one was changed; move the wrong one away",
          (*longest)->path, logs[i].path);
  }
  return TRUE;
}

static gboolean take_log(Restore *restore, const Log *longest, const char *staged, GError **error) {
  restore->replace_log = TRUE;
  return strcmp(longest->path, staged) == 0 ||
         (g_unlink(staged) == 0 && backup_copy(longest->path, staged, longest->size, error));
}

/* The signer must find every signature in its log, also those that the backup does not know. */
static gboolean choose_log(Restore *restore, GError **error) {
  g_autofree char *staged = in_place(restore, BACKUP_LOG);
  g_autofree char *present = in_store(restore, BACKUP_LOG);
  Log logs[] = {{staged, 0}, {present, 0}, {restore->options->log, 0}};
  const Log *longest = NULL;
  if (logs[2].path != NULL && !g_file_test(logs[2].path, G_FILE_TEST_EXISTS))
    return ctl_fail(error, "%s: there is no such file", logs[2].path);
  for (gsize i = 0; i < G_N_ELEMENTS(logs); i++)
    if (!look_at_log(&logs[i], error))
      return FALSE;
  if (!compare_logs(logs, G_N_ELEMENTS(logs), &longest, error))
    return FALSE;
  restore->log_lost = MAX(logs[1].size, logs[2].size) < logs[0].size;
  if (restore->log_lost && !restore->options->accept_lost_log)
    return ctl_fail(
        error, "there is no signer's log but the one in the backup, so that nobody would know of "
               "certificates signed since: give a newer copy with --log FILE, or, if it is lost, "
               "--accept-lost-log");
  return longest == &logs[1] || take_log(restore, longest, staged, error);
}

static gboolean mark_store(Restore *restore, GError **error) {
  const StorePlace place = {.folder = restore->place};
  g_autofree char *made = clock_rfc3339(restore->facts.made);
  g_autofree char *source = g_strdup_printf("a backup of %s", made);
  g_autofree char *stop =
      g_strdup_printf("restored from %s; run signetctl store reconcile", source);
  RestoreMark mark = {.restored = {.at = restore->now,
                                   .taken_at = restore->facts.made,
                                   .source = source,
                                   .log_lost = restore->log_lost},
                      .stop = stop,
                      .issuers = restore->check.issuers,
                      .folder = restore->folder,
                      .more = (const char *const *)restore->options->lists};
  g_autofree char *log = in_place(restore, BACKUP_STORE "-wal");
  Store *store = store_open(&place, error);
  gboolean marked = store != NULL && restore_mark(store, &mark, &restore->marked, error);
  store_close(store);
  /* It has no file beside it once nobody has it open. */
  return marked && (!g_file_test(log, G_FILE_TEST_EXISTS) ||
                    ctl_fail(error, "%s: it is not written back into the store", log));
}

/* The files to be: the store with its marks, and the log if it is replaced. */
static gboolean make(Restore *restore, GError **error) {
  g_autofree char *store = in_place(restore, BACKUP_STORE);
  ctl_report_part(&restore->check.report, "octets read");
  return backup_read(restore->options->words[0], restore->place, &restore->facts, on_progress,
                     &restore->check.report, error) &&
         sqlite_copy_check(store, error) && choose_log(restore, error) &&
         mark_store(restore, error);
}

/* --- putting it in place
 * ------------------------------------------------------------------------------------------ */

/* As root: for whoever the folder belongs to. */
static gboolean give(const Restore *restore, const char *path, GError **error) {
  struct stat folder;
  if (geteuid() != 0)
    return TRUE;
  return (stat(restore->folder, &folder) == 0 && chown(path, folder.st_uid, folder.st_gid) == 0) ||
         ctl_fail(error, "%s: %s", path, g_strerror(errno));
}

static gboolean put(const Restore *restore, const char *name, GError **error) {
  g_autofree char *from = in_place(restore, name), *to = in_store(restore, name);
  return give(restore, from, error) && backup_move(from, to, error);
}

/* A folder of this moment; several tries may have the same. */
static char *make_aside(const Restore *restore, GError **error) {
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(restore->now / CLOCK_SECOND);
  g_autofree char *name = g_date_time_format(time, "before-restore-%Y%m%dT%H%M%SZ");
  for (guint i = 1;; i++) {
    g_autofree char *numbered = i > 1 ? g_strdup_printf("%s-%u", name, i) : g_strdup(name);
    char *folder = in_store(restore, numbered);
    if (g_mkdir(folder, 0700) == 0)
      return folder;
    gboolean taken = errno == EEXIST;
    if (!taken)
      ctl_fail(error, "%s: %s", folder, g_strerror(errno));
    g_free(folder);
    if (!taken)
      return NULL;
  }
}

static gboolean move_aside(Restore *restore, GError **error) {
  static const char *const files[] = {BACKUP_STORE, BACKUP_STORE "-wal", BACKUP_STORE "-shm"};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *from = in_store(restore, files[i]);
    if (!g_file_test(from, G_FILE_TEST_EXISTS))
      continue;
    if (restore->aside == NULL)
      restore->aside = make_aside(restore, error);
    if (restore->aside == NULL || !give(restore, restore->aside, error))
      return FALSE;
    g_autofree char *to = g_build_filename(restore->aside, files[i], NULL);
    if (!backup_move(from, to, error))
      return FALSE;
  }
  return backup_sync_folder(restore->folder, error);
}

static gboolean begin_change(const char *path, GError **error) {
  static const char text[] = "signetctl restore was begun here and not finished: run it again.\n";
  g_autofree char *folder = g_path_get_dirname(path);
  g_unlink(path);
  return ctl_write_new(path, text, strlen(text), 0600, error) && backup_sync_folder(folder, error);
}

static gboolean change(Restore *restore, GError **error) {
  g_autofree char *unfinished = in_store(restore, STORE_UNFINISHED);
  g_autofree char *last = in_store(restore, BACKUP_CHECKPOINT);
  g_autofree char *last_read = in_place(restore, BACKUP_CHECKPOINT);
  gboolean put_last =
      !g_file_test(last, G_FILE_TEST_EXISTS) && g_file_test(last_read, G_FILE_TEST_EXISTS);
  return begin_change(unfinished, error) && move_aside(restore, error) &&
         (!restore->replace_log || put(restore, BACKUP_LOG, error)) &&
         (!put_last || put(restore, BACKUP_CHECKPOINT, error)) &&
         put(restore, BACKUP_STORE, error) &&
         (g_unlink(unfinished) == 0 || ctl_fail(error, "%s: %s", unfinished, g_strerror(errno))) &&
         backup_sync_folder(restore->folder, error);
}

/* --- the command
 * -------------------------------------------------------------------------------------------- */

static void print_done(const Restore *restore) {
  g_autofree char *made = clock_rfc3339(restore->facts.made);
  printf("%s has the store as it was at %s, with %" G_GINT64_FORMAT " certificates.\n",
         restore->folder, made, restore->facts.certificates);
  if (restore->aside != NULL)
    printf("The one before is in %s.\n", restore->aside);
  printf("Audit log: %s.\n", restore->marked.gap);
  printf("Signer's log: %s.\n", restore->log_lost      ? "that of the backup; a later one is lost"
                                : restore->replace_log ? "the one that was given"
                                                       : "left as it was");
  printf("Revocation lists: %" G_GINT64_FORMAT " that were out are newer than those of the backup, "
         "with %" G_GINT64_FORMAT " revocations that it does not have.\n",
         restore->marked.lists, restore->marked.listed);
  if (*restore->marked.not_taken != '\0')
    printf("Not taken:\n%s", restore->marked.not_taken);
  printf("The configuration is as it was; that of the backup is in its member " BACKUP_CONFIG
         ".\nIssuance is stopped. Start signetd, then run signetctl store reconcile.\n");
}

static gboolean work(Restore *restore, GError **error) {
  restore->place = in_store(restore, "restore.part");
  int lock = backup_place_make(restore->place, error);
  gboolean good = lock >= 0 && make(restore, error) && change(restore, error);
  if (lock >= 0)
    backup_place_remove(restore->place);
  if (lock >= 0)
    close(lock);
  return good;
}

static int run(Restore *restore) {
  g_autoptr(GError) error = NULL;
  int store = -1;
  gboolean good = backup_is_possible(restore->check.config, &error) &&
                  ctl_check_open_issuers(&restore->check, NULL, &error);
  if (good)
    store = take_store(restore, &error);
  good = store >= 0 && work(restore, &error);
  if (store >= 0)
    close(store);
  if (!good)
    return ctl_failed("not restored", &error);
  print_done(restore);
  return CTL_DONE;
}

int ctl_restore(int argc, char **argv) {
  g_auto(Options) given = {NULL, NULL, NULL, NULL, FALSE, FALSE};
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &given.config,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"log", 'l', 0, G_OPTION_ARG_FILENAME, &given.log,
       "Copy of the signer's log that is newer than the one beside the store", "FILE"},
      {"list", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &given.lists,
       "Revocation list that was out, crl-N.crl, beside those in the folder published; may be "
       "given again",
       "FILE"},
      {"accept-lost-log", 0, 0, G_OPTION_ARG_NONE, &given.accept_lost_log,
       "There is no signer's log but the one in the backup", NULL},
      {"progress", 0, 0, G_OPTION_ARG_NONE, &given.progress,
       "Show progress also where standard error is no terminal", NULL},
      CTL_WORDS(given.words, "FILE"),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("restore",
                   "Puts the store back from the backup FILE, while signetd is stopped; the one "
                   "that is there is moved aside. Issuance stays stopped until store reconcile.",
                   options, argc, argv) ||
      !ctl_count_words(given.words, 1, "FILE"))
    return CTL_USAGE;
  Restore restore = {.options = &given,
                     .check = {.config = ctl_audit_config(given.config)},
                     .now = clock_now(&clock_system)};
  if (restore.check.config == NULL)
    return CTL_USAGE;
  restore.folder = config_text(restore.check.config, "store.directory");
  ctl_report_init(&restore.check.report, given.progress);
  int status = run(&restore);
  ctl_check_clear(&restore.check);
  restore_marked_clear(&restore.marked);
  g_free(restore.place);
  g_free(restore.aside);
  return status;
}
