/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl health, status and metrics: what a running server says of itself. */
#include "acme/command.h"
#include "acme/measure.h"
#include "acme/standing.h"
#include "base/role.h"

/* --- the processes
 * ----------------------------------------------------------------------------------------- */

typedef struct {
  guint32 role, index, pid, restarts;
  gint64 since;
} Process;

static json_t *row_of(const Process *process) {
  json_t *row =
      json_pack("{s:s, s:i, s:i, s:i}", "role", role_names[process->role], "index",
                (int)process->index, "pid", (int)process->pid, "restarts", (int)process->restarts);
  command_set_time(row, "since", process->since);
  return row;
}

/* Every process, or those alone that do not run. */
static json_t *processes(const Acme *acme, gboolean missing_alone) {
  json_t *rows = json_array();
  Process process;
  GVariantIter iter;
  if (acme->roles == NULL)
    return rows;
  g_variant_iter_init(&iter, acme->roles);
  while (g_variant_iter_next(&iter, "(uuuxu)", &process.role, &process.index, &process.pid,
                             &process.since, &process.restarts))
    if (process.role < ROLE_COUNT && (!missing_alone || process.pid == 0))
      json_array_append_new(rows, row_of(&process));
  return rows;
}

/* --- health
 * ---------------------------------------------------------------------------------------------- */

/* The answer alone says that core turns, and that the store takes commits. */
gboolean command_health(Command *command, GError **error G_GNUC_UNUSED) {
  json_object_set_new(command->result, "missing", processes(command->acme, TRUE));
  return TRUE;
}

/* --- status
 * ---------------------------------------------------------------------------------------------- */

static void add_jobs(json_t *result, const Standing *standing) {
  json_t *rows = json_array();
  for (guint kind = 0; kind < JOB_KINDS; kind++) {
    if (standing->jobs[kind].count == 0)
      continue;
    json_t *row = json_pack("{s:s, s:I}", "kind", job_names[kind], "count",
                            (json_int_t)standing->jobs[kind].count);
    command_set_time(row, "oldest", standing->jobs[kind].oldest);
    json_array_append_new(rows, row);
  }
  json_object_set_new(result, "jobs", rows);
}

static void add_lists(json_t *result, const Standing *standing) {
  json_t *lists = json_pack("{s:I, s:I}", "count", (json_int_t)standing->lists.count, "overdue",
                            (json_int_t)standing->lists_overdue);
  command_set_time(lists, "oldest", standing->lists.oldest);
  command_set_time(lists, "first-end", standing->lists.first_end);
  json_object_set_new(result, "lists", lists);
}

static void add_issuance(json_t *result, const Standing *standing) {
  json_t *issuance =
      json_pack("{s:b, s:s*}", "held", standing->held != NULL, "why", standing->held);
  command_set_time(issuance, "last", standing->last_certificate);
  json_object_set_new(result, "issuance", issuance);
}

/* A database elsewhere; the size of files is seen by whoever asks. */
static gboolean add_store(Command *command, GError **error) {
  gint64 octets = 0;
  if (!store_octets(command->acme->store, &octets, error))
    return FALSE;
  if (octets > 0)
    json_object_set_new(command->result, "database",
                        json_pack("{s:I}", "octets", (json_int_t)octets));
  return TRUE;
}

gboolean command_status(Command *command, GError **error) {
  g_auto(Standing) standing = {0};
  if (!standing_read(command->acme, command->now, &standing, error))
    return FALSE;
  json_object_set_new(command->result, "version", json_string(SIGNET_VERSION));
  command_set_time(command->result, "now", command->now);
  json_object_set_new(command->result, "roles", processes(command->acme, FALSE));
  add_jobs(command->result, &standing);
  add_lists(command->result, &standing);
  add_issuance(command->result, &standing);
  return add_store(command, error);
}

/* --- metrics
 * --------------------------------------------------------------------------------------------- */

gboolean command_metrics(Command *command, GError **error) {
  Acme *acme = command->acme;
  if (!measure_standing(acme, command->now, error))
    return FALSE;
  const Metrics *const all[] = {acme->metrics, NULL};
  g_autofree char *text = metrics_text(all, (const char *const[]){measure_core(acme), NULL});
  json_object_set_new(command->result, "text", json_string(text));
  return TRUE;
}
