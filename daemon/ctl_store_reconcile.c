/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl store reconcile: hands a server over a restored store what the signer's log has and the
   store does not. signetctl store restored: marks a store that other tools put back. */
#include "base/base64url.h"
#include "base/clock.h"
#include "ca/certificate_check.h"
#include "ca/certificate_read.h"
#include "ca/signer_log.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "daemon/ctl_check.h"
#include "daemon/restore_mark.h"
#include "daemon/store_place.h"

#include <stdio.h>
#include <string.h>

#define BATCH_MAX 100
#define BATCH_OCTETS (300 * 1024)

/* What the answers of "store enter" and "store settle" count. */
static const char *const counts[] = {"known", "completed", "attached", "alone",
                                     "over",  "ended",     "revoked"};
enum { KNOWN, COMPLETED, ATTACHED, ALONE, OVER, ENDED, REVOKED };

typedef struct {
  const CtlServer *server;
  const Config *config;
  char **logs; /* further ones, NULL: none */
  Store *store;
  gboolean open; /* there is something to reconcile */
  json_t *certificates, *times;
  gsize octets; /* of certificates */
  gint64 logged, read, size, counted[G_N_ELEMENTS(counts)], unknown, strange, left;
  gboolean failed; /* it was printed why */
  GError *error;
  CtlReport report;
} Reconcile;

/* --- the server is told
 * --------------------------------------------------------------------------------------- */

static void add_counts(Reconcile *reconcile, const json_t *answer) {
  for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
    reconcile->counted[i] += json_integer_value(json_object_get(answer, counts[i]));
}

static void print_strange(Reconcile *reconcile, const json_t *answer) {
  const json_t *list = json_object_get(answer, "strange"), *row = NULL;
  size_t i = 0;
  json_array_foreach(list, i, row) {
    g_autofree char *sentence =
        g_strdup_printf("certificate %s: %s", ctl_member(row, "serial"), ctl_member(row, "why"));
    ctl_report_fault(&reconcile->report, sentence);
    reconcile->strange++;
  }
}

static void begin_batch(Reconcile *reconcile) {
  reconcile->certificates = json_array();
  reconcile->times = json_array();
  reconcile->octets = 0;
}

static void send_batch(Reconcile *reconcile) {
  size_t count = json_array_size(reconcile->certificates);
  json_t *arguments =
      json_pack("{s:o, s:o}", "certificates", reconcile->certificates, "times", reconcile->times);
  begin_batch(reconcile);
  if (!reconcile->open || count == 0) {
    json_decref(arguments);
    return;
  }
  json_t *answer = ctl_ask(reconcile->server, "store enter", arguments);
  reconcile->failed = answer == NULL;
  if (answer == NULL)
    return;
  add_counts(reconcile, answer);
  print_strange(reconcile, answer);
  json_decref(answer);
}

/* Revocations of lists, open orders where the log is lost; the last page ends it. */
static gboolean settle(Reconcile *reconcile) {
  gboolean more = TRUE;
  while (more) {
    json_t *answer = ctl_ask(reconcile->server, "store settle", json_object());
    if (answer == NULL)
      return FALSE;
    add_counts(reconcile, answer);
    reconcile->left = json_integer_value(json_object_get(answer, "unknown"));
    more = json_is_true(json_object_get(answer, "more"));
    json_decref(answer);
  }
  return TRUE;
}

/* --- the log is read
 * ------------------------------------------------------------------------------------------ */

static void add_to_batch(Reconcile *reconcile, const SignerRecord *record) {
  g_autofree char *text = base64url_encode(record->certificate, record->length);
  g_autofree char *time = g_strdup_printf("%" G_GINT64_FORMAT, record->time);
  json_array_append_new(reconcile->certificates, json_string(text));
  json_array_append_new(reconcile->times, json_string(time));
  reconcile->octets += strlen(text);
  if (json_array_size(reconcile->certificates) >= BATCH_MAX || reconcile->octets > BATCH_OCTETS)
    send_batch(reconcile);
}

/* What was removed when its time was over is not missed. */
static gboolean may_be_purged(const Reconcile *reconcile, GBytes *der) {
  gint64 end = certificate_end_of(der);
  return end != 0 &&
         end + config_number(reconcile->config, "ca.retention") < clock_now(&clock_system);
}

static void on_logged(const SignerRecord *record, gpointer user) {
  Reconcile *reconcile = user;
  g_autoptr(Certificate) row = NULL;
  if (reconcile->failed || reconcile->error != NULL)
    return;
  reconcile->logged++;
  reconcile->read += (gint64)record->length + SIGNER_RECORD_HEADER;
  g_autoptr(GBytes) der = g_bytes_new(record->certificate, record->length);
  g_autoptr(GBytes) serial = certificate_serial_of(der);
  StoreFind found = STORE_MISSING;
  if (serial != NULL)
    found = certificate_find_by_serial(reconcile->store, serial, &row, &reconcile->error);
  ctl_report_progress(&reconcile->report, reconcile->read, MAX(reconcile->read, reconcile->size));
  if (found == STORE_LOOKUP_FAILED || (found == STORE_FOUND && row->der != NULL) ||
      (found == STORE_MISSING && may_be_purged(reconcile, der)))
    return;
  reconcile->unknown += found == STORE_MISSING;
  add_to_batch(reconcile, record);
}

/* *torn: it ends within a record, as a copy may, and one's own log while the signer writes. */
static gboolean read_log(Reconcile *reconcile, const char *path, gboolean *torn, GError **error) {
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, error);
  if (file == NULL)
    return FALSE;
  reconcile->size = (gint64)g_mapped_file_get_length(file);
  reconcile->read = 0;
  if (!signer_log_scan((const guint8 *)g_mapped_file_get_contents(file),
                       g_mapped_file_get_length(file), on_logged, reconcile, torn, error)) {
    g_prefix_error(error, "%s: ", path);
    return FALSE;
  }
  if (!reconcile->failed && reconcile->error == NULL)
    send_batch(reconcile);
  if (reconcile->error == NULL)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&reconcile->error));
  return FALSE;
}

static gboolean read_logs(Reconcile *reconcile, GError **error) {
  gboolean torn = FALSE;
  g_autofree char *path =
      g_build_filename(config_text(reconcile->config, "store.directory"), "signer.log", NULL);
  ctl_report_part(&reconcile->report, "octets of the signer's log");
  if (!read_log(reconcile, path, &torn, error))
    return FALSE;
  for (char **more = reconcile->logs; more != NULL && *more != NULL; more++) {
    if (!read_log(reconcile, *more, &torn, error))
      return FALSE;
    if (torn)
      fprintf(stderr,
              "%s: %s ends within a record: what is whole was taken; is there a longer copy?\n",
              g_get_prgname(), *more);
  }
  return TRUE;
}

/* --- the commands
 * ----------------------------------------------------------------------------------------- */

static void print_sum(Reconcile *reconcile) {
  const gint64 *counted = reconcile->counted;
  if (reconcile->server->json) {
    json_t *sum = json_object();
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
      json_object_set_new(sum, counts[i], json_integer(counted[i]));
    json_object_set_new(sum, "logged", json_integer(reconcile->logged));
    json_object_set_new(sum, "revoked-unknown", json_integer(reconcile->left));
    ctl_print_json(sum);
    json_decref(sum);
    return;
  }
  ctl_report_part(&reconcile->report, "reconciled");
  ctl_report_sum(&reconcile->report,
                 "%" G_GINT64_FORMAT " certificates in the signer's log, %" G_GINT64_FORMAT
                 " entered: %" G_GINT64_FORMAT " completed their order, %" G_GINT64_FORMAT
                 " were given to theirs, %" G_GINT64_FORMAT " have none here; %" G_GINT64_FORMAT
                 " revocations entered; %" G_GINT64_FORMAT " open orders ended",
                 reconcile->logged, counted[COMPLETED] + counted[ATTACHED] + counted[ALONE],
                 counted[COMPLETED], counted[ATTACHED], counted[ALONE], counted[REVOKED],
                 counted[ENDED]);
  if (reconcile->left > 0)
    printf("%" G_GINT64_FORMAT
           " serial numbers on revocation lists are of certificates that nobody "
           "here knows; they stay on the lists.\n",
           reconcile->left);
  printf("Look at it with signetctl check all; then signetctl issuance start.\n");
}

/* Nothing is open: it is told whether all is known. */
static int print_nothing(const Reconcile *reconcile) {
  if (reconcile->unknown == 0) {
    printf("nothing to reconcile: the store knows all %" G_GINT64_FORMAT
           " certificates of the signer's log\n",
           reconcile->logged);
    return CTL_DONE;
  }
  fprintf(stderr,
          "%s: the store does not know %" G_GINT64_FORMAT " certificates of the signer's log, and "
          "was not put back by signetctl restore: if other tools did, stop signetd and run "
          "signetctl store restored first\n",
          g_get_prgname(), reconcile->unknown);
  return CTL_FAILED;
}

/* Why is told by then. */
static int print_unfinished(void) {
  fprintf(stderr, "%s: not finished; what was entered stays: run it again\n", g_get_prgname());
  return CTL_FAILED;
}

static int work(Reconcile *reconcile) {
  g_autoptr(GError) error = NULL;
  StorePlace place = store_place_read(reconcile->config);
  json_t *state = ctl_ask(reconcile->server, "store show", json_object());
  if (state == NULL)
    return CTL_FAILED;
  reconcile->open = json_is_true(json_object_get(state, "open"));
  json_decref(state);
  reconcile->store = store_open_reader(&place, &error);
  if (reconcile->store == NULL || !read_logs(reconcile, &error))
    return ctl_failed("not reconciled", &error);
  if (reconcile->failed)
    return print_unfinished();
  if (!reconcile->open)
    return print_nothing(reconcile);
  if (reconcile->strange > 0) {
    fprintf(stderr, "%s: not reconciled, see above; mend that and run it again\n", g_get_prgname());
    return CTL_FAILED;
  }
  if (!settle(reconcile))
    return print_unfinished();
  print_sum(reconcile);
  return CTL_DONE;
}

int ctl_store_reconcile(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) logs = NULL;
  gboolean progress = FALSE;
  const GOptionEntry options[] = {
      CTL_SERVER_OPTIONS(server),
      {"log", 'l', 0, G_OPTION_ARG_FILENAME_ARRAY, &logs,
       "Signer's log of another node, beside this one's; may be given again", "FILE"},
      {"progress", 0, 0, G_OPTION_ARG_NONE, &progress,
       "Show progress also where standard error is no terminal", NULL},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("store reconcile",
                   "Enters into a restored store what the signer's log and the revocation lists "
                   "that were out have and the store does not; only then may issuance be started.",
                   options, argc, argv))
    return CTL_USAGE;
  g_autoptr(Config) config = ctl_audit_config(server.config);
  if (config == NULL)
    return CTL_USAGE;
  Reconcile reconcile = {.server = &server, .config = config, .logs = logs};
  ctl_report_init(&reconcile.report, progress);
  begin_batch(&reconcile);
  int status = work(&reconcile);
  json_decref(reconcile.certificates);
  json_decref(reconcile.times);
  g_clear_pointer(&reconcile.store, store_close);
  ctl_report_clear(&reconcile.report);
  return status;
}

typedef struct {
  char *config, *note;
  char **lists;
  gboolean lost;
} Given;

static void given_clear(Given *given) {
  g_free(given->config);
  g_free(given->note);
  g_strfreev(given->lists);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Given, given_clear)

static gboolean mark_store(CtlCheck *check, const Given *given, RestoreMarked *marked,
                           GError **error) {
  StorePlace place = store_place_read(check->config);
  g_autofree char *owner = store_place_owner(check->config, 0);
  g_autofree char *stop =
      g_strdup_printf("restored (%s); run signetctl store reconcile", given->note);
  RestoreMark mark = {
      .restored = {.at = clock_now(&clock_system), .source = given->note, .log_lost = given->lost},
      .stop = stop,
      .issuers = check->issuers,
      .folder = config_text(check->config, "store.directory"),
      .more = (const char *const *)given->lists};
  place.owner = owner;
  g_autoptr(Store) store = store_open(&place, error);
  return store != NULL && restore_mark(store, &mark, marked, error);
}

static int run_restored(CtlCheck *check, const Given *given) {
  g_autoptr(GError) error = NULL;
  g_auto(RestoreMarked) marked = {.gap = NULL};
  if (!ctl_check_open_issuers(check, NULL, &error) || !mark_store(check, given, &marked, &error))
    return ctl_failed("not marked", &error);
  printf("Audit log: %s.\nRevocation lists: %" G_GINT64_FORMAT
         " that were out are newer than the store's, with %" G_GINT64_FORMAT
         " revocations that it does not have.\n%s",
         marked.gap, marked.lists, marked.listed, marked.not_taken);
  printf("Issuance is stopped. Start signetd, then run signetctl store reconcile.\n");
  return CTL_DONE;
}

int ctl_store_restored(int argc, char **argv) {
  g_auto(Given) given = {NULL, NULL, NULL, FALSE};
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &given.config,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"note", 0, 0, G_OPTION_ARG_STRING, &given.note,
       "What was put back, for the audit log (needed)", "TEXT"},
      {"list", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &given.lists,
       "Revocation list that was out, crl-N.crl, beside those in the folder published; may be "
       "given again",
       "FILE"},
      {"accept-lost-log", 0, 0, G_OPTION_ARG_NONE, &given.lost,
       "What the signer logged since that state is lost too", NULL},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("store restored",
                   "Says that the database was put back by other means than signetctl restore, as "
                   "PostgreSQL's own tools; while every signetd on it is stopped.",
                   options, argc, argv))
    return CTL_USAGE;
  if (given.note == NULL || *given.note == '\0')
    return ctl_misused("--note is needed");
  g_auto(CtlCheck) check = {.config = ctl_audit_config(given.config)};
  if (check.config == NULL)
    return CTL_USAGE;
  ctl_report_init(&check.report, FALSE);
  return run_restored(&check, &given);
}
