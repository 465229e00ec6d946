/* SPDX-License-Identifier: Apache-2.0 */
/* "signet renew": the certificates of a folder or list whose time has come. */
#include "base/clock.h"
#include "base/log.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/folder_lock.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/renew_options.h"
#include "client/renewal_run.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_SECONDS 3600 /* after which no further renewal is begun: the next run has them */
#define ASK_SECONDS 60   /* for all questions to one server */

/* One run. */
typedef struct {
  RenewOptions *options;
  int lock;
  GPtrArray *renewals; /* of Renewal */
  GHashTable *servers; /* directory and roots -> AcmeClient, NULL when it did not answer */
  gint64 now;          /* seconds since 1970, at the start */
  guint done, failed;
  int status; /* of the first that failed */
} Renew;

static void free_client(gpointer client) {
  acme_client_free(client);
}

static void renew_free(Renew *renew) {
  g_clear_pointer(&renew->servers, g_hash_table_unref);
  g_clear_pointer(&renew->renewals, g_ptr_array_unref);
  folder_lock_release(&renew->lock);
  renew_options_free(renew->options);
  g_free(renew);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Renew, renew_free)

static void report(Renew *renew, const Renewal *renewal, const GError *reason) {
  g_autoptr(GError) shown = g_error_copy(reason);
  g_prefix_error(&shown, "%s: ", renewal->name);
  output_error(shown);
  if (renew->failed++ == 0)
    renew->status = client_exit_status(reason);
}

static char *time_text(gint64 seconds) {
  return clock_rfc3339(seconds * 1000);
}

/* --- what is there ------------------------------------------------------------------------------
 */

static gboolean open_folder(Renew *renew, GError **error) {
  const RenewOptions *o = renew->options;
  if (!o->dry_run && o->list != NULL && !local_file_make_folder(o->folder, error))
    return FALSE;
  if (!o->dry_run && !folder_lock_take(o->folder, FOLDER_LOCK_ALL, &renew->lock, error))
    return FALSE;
  renew->renewals = o->list != NULL ? renewal_plan_list(o->list, o->folder, o->request, error)
                                    : renewal_plan_folder(o->folder, o->request, error);
  return renew->renewals != NULL;
}

/* --- when ---------------------------------------------------------------------------------------
 */

/* NULL, said once, when it does not answer. */
static AcmeClient *server_of(Renew *renew, const ProveOptions *o) {
  g_autofree char *key = g_strjoin("\n", o->directory, o->ca_file != NULL ? o->ca_file : "", NULL);
  gpointer found = NULL;
  if (g_hash_table_lookup_extended(renew->servers, key, NULL, &found))
    return found;
  const AcmeClientOptions where = {o->directory, o->ca_file,
                                   g_get_monotonic_time() + ASK_SECONDS * G_USEC_PER_SEC};
  g_autoptr(GError) reason = NULL;
  AcmeClient *client = acme_client_new(&where, NULL, &reason);
  if (client == NULL)
    output_step("note", "no renewal information: %s", reason->message);
  g_hash_table_insert(renew->servers, g_steal_pointer(&key), client);
  return client;
}

/* Without an answer the last window holds, or the lifetime: nothing to end a timer's run for. */
static void ask(Renew *renew, Renewal *renewal) {
  if (!renewal_plan_asks(renewal, renew->now))
    return;
  AcmeClient *server = server_of(renew, &renewal->record->options->prove);
  g_autoptr(GError) reason = NULL;
  g_autoptr(GError) trouble = NULL;
  if (server == NULL)
    renewal_time_no_answer(&renewal->record->state, renew->now);
  else if (!renewal_plan_ask(renewal->record, renewal->identifier, server, renew->now, &reason))
    output_step("note", "%s: %s", renewal->name, reason->message);
  if (!renew->options->dry_run && !renewal_record_save(renewal->record, &trouble))
    report(renew, renewal, trouble);
}

static void show(const Renew *renew, const Renewal *renewal) {
  g_autofree char *when = time_text(renewal->due);
  const char *page = renewal->record->explanation;
  g_autofree char *shown = page != NULL ? log_escape(page, 300) : g_strdup("");
  g_autofree char *line = g_strdup_printf(
      "%s: %s%s (%s%s%s)", renewal->name, renewal->due <= renew->now ? "now" : "at ",
      renewal->due <= renew->now ? "" : when, renewal->why, page != NULL ? ", see " : "", shown);
  if (renew->options->dry_run)
    output_text("%s\n", line);
  else
    output_step("due", "%s", line);
}

static void plan(Renew *renew) {
  for (guint i = 0; i < renew->renewals->len; i++) {
    Renewal *renewal = g_ptr_array_index(renew->renewals, i);
    g_autoptr(GError) reason = NULL;
    if (renewal->fault == NULL)
      renewal_time_mind_clock(&renewal->record->state, renew->now);
    if (renewal->fault == NULL && !renew->options->dry_run && !renewal_run_rest(renewal, &reason))
      report(renew, renewal, reason);
    ask(renew, renewal);
    if (renewal->fault != NULL) {
      report(renew, renewal, renewal->fault);
      continue;
    }
    renewal_plan_decide(renewal, renew->now, renew->options->interval);
    if (renew->options->force) {
      renewal->due = MIN(renewal->due, renew->now);
      renewal->why = "--force";
    }
    show(renew, renewal);
  }
}

/* --- renewing -----------------------------------------------------------------------------------
 */

/* By hand it takes a person, who is not there when a timer runs. */
static gboolean can_prove(const Renewal *renewal, GError **error) {
  if (renewal->record->options->prove.mail != PROVE_MAIL_PRINT || isatty(STDIN_FILENO))
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE,
              "its mail is answered by hand (--mail print): run \"signet renew\" at a terminal, or "
              "give it another --mail");
  return FALSE;
}

/* *refused: the seconds that the server asked to wait when it failed. */
static gboolean renew_with(const Renew *renew, Renewal *renewal, gint64 *refused, GError **error) {
  const RequestOptions *o = renewal->record->options;
  if (!can_prove(renewal, error))
    return FALSE;
  Prover *prover = prover_new(&o->prove, (const char *const *)o->addresses, error);
  gboolean done = prover != NULL && prover_open_account(prover, error) &&
                  renewal_run(renewal, prover, renew->options->keep_key, error);
  if (!done && prover != NULL && prover->session->acme != NULL)
    *refused = acme_client_refused_for(prover->session->acme);
  prover_free(prover);
  return done;
}

static void renew_one(Renew *renew, Renewal *renewal) {
  g_autoptr(GError) reason = NULL;
  gint64 refused = 0;
  if (!renew_with(renew, renewal, &refused, &reason)) {
    renewal_run_failed(renewal, reason, refused);
    report(renew, renewal, reason);
    return;
  }
  g_autofree char *expiry = certificate_chain_expiry(renewal->chain);
  g_autofree char *serial = certificate_chain_serial(renewal->chain);
  output_text("renewed %s until %s, serial number %s\n", renewal->name, expiry, serial);
  renew->done++;
  if (!renewal_run_hook(renewal, &reason))
    report(renew, renewal, reason);
}

/* --- several at a time ---------------------------------------------------------------------------
 */

/* One account of many children: it is there before them. What hinders it each of them says itself.
 */
static void settle_accounts(const GPtrArray *due) {
  g_autoptr(GHashTable) settled = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < due->len; i++) {
    const Renewal *renewal = g_ptr_array_index(due, i);
    const ProveOptions *o = &renewal->record->options->prove;
    char *key = g_strjoin("\n", o->directory, o->account_key != NULL ? o->account_key : "", NULL);
    if (g_hash_table_add(settled, key))
      prover_settle_account(o, NULL);
  }
}

/* In a process of its own: each waits for its mail. It reports itself; its exit status counts. */
static gboolean begin_one(Renew *renew, Renewal *renewal) {
  pid_t child = fork();
  if (child == 0) {
    renew->failed = 0;
    renew_one(renew, renewal);
    _exit(renew->failed > 0 ? renew->status : 0);
  }
  if (child > 0)
    return TRUE;
  g_autoptr(GError) reason =
      g_error_new(CLIENT_ERROR, CLIENT_LOCAL, "no process for it: %s", g_strerror(errno));
  report(renew, renewal, reason);
  return FALSE;
}

static void await_one(Renew *renew) {
  int status = 0;
  while (waitpid(-1, &status, 0) < 0 && errno == EINTR)
    ;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : CLIENT_LOCAL;
  if (code != 0 && renew->failed++ == 0)
    renew->status = code;
}

static void renew_at_once(Renew *renew, const GPtrArray *due, gint64 until) {
  guint running = 0;
  settle_accounts(due);
  for (guint i = 0; i < due->len && g_get_monotonic_time() < until; i++) {
    if (running == renew->options->parallel) {
      await_one(renew);
      running--;
    }
    if (begin_one(renew, g_ptr_array_index(due, i)))
      running++;
  }
  for (; running > 0; running--)
    await_one(renew);
}

static void renew_due(Renew *renew) {
  guint most =
      renew->options->most > 0 ? renew->options->most : renewal_time_most(renew->renewals->len);
  gint64 until = g_get_monotonic_time() + (gint64)RUN_SECONDS * G_USEC_PER_SEC;
  g_autoptr(GPtrArray) due = renewal_plan_choose(renew->renewals, renew->now, most);
  if (renew->options->parallel > 1 && due->len > 1) {
    renew_at_once(renew, due, until);
    return;
  }
  for (guint i = 0; i < due->len && g_get_monotonic_time() < until; i++)
    renew_one(renew, g_ptr_array_index(due, i));
}

gboolean command_renew(char **arguments, GError **error) {
  RenewOptions *options = renew_options_parse(arguments, error);
  if (options == NULL)
    return FALSE;
  g_autoptr(Renew) renew = g_new0(Renew, 1);
  renew->options = options;
  renew->lock = -1;
  renew->now = clock_now(&clock_system) / CLOCK_SECOND;
  renew->servers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_client);
  output_set_quiet(!options->verbose);
  if (!open_folder(renew, error))
    return FALSE;
  plan(renew);
  if (!options->dry_run)
    renew_due(renew);
  if (renew->failed == 0)
    return TRUE;
  g_set_error(error, CLIENT_ERROR, renew->status, "%u of %u certificates need attention, see above",
              renew->failed, renew->renewals->len);
  return FALSE;
}
