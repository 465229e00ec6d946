/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl health and status: what a running server says of itself. */
#include "acme/command.h"
#include "acme/crl_job.h"
#include "acme/issuance.h"
#include "base/role.h"
#include "store/certificate.h"
#include "store/crl_shard.h"
#include "store/job.h"

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

static gboolean add_jobs(Command *command, GError **error) {
  json_t *rows = json_array();
  json_object_set_new(command->result, "jobs", rows);
  for (guint kind = 0; kind < JOB_KINDS; kind++) {
    gint64 count = 0, oldest = 0;
    if (!job_count(command->acme->store, (JobKind)kind, &count, &oldest, error))
      return FALSE;
    if (count == 0)
      continue;
    json_t *row = json_pack("{s:s, s:I}", "kind", job_names[kind], "count", (json_int_t)count);
    command_set_time(row, "oldest", oldest);
    json_array_append_new(rows, row);
  }
  return TRUE;
}

static gboolean add_lists(Command *command, GError **error) {
  CrlSpan span;
  g_autoptr(GPtrArray) overdue = crl_overdue(command->acme, command->now, error);
  if (overdue == NULL || !crl_shard_span(command->acme->store, command->now, &span, error))
    return FALSE;
  json_t *lists =
      json_pack("{s:I, s:I}", "count", (json_int_t)span.count, "overdue", (json_int_t)overdue->len);
  command_set_time(lists, "oldest", span.oldest);
  command_set_time(lists, "first-end", span.first_end);
  json_object_set_new(command->result, "lists", lists);
  return TRUE;
}

static gboolean add_issuance(Command *command, GError **error) {
  gint64 last = 0;
  g_autofree char *why = NULL;
  if (!issuance_held(command->acme, command->now, &why, error) ||
      !certificate_last_issued(command->acme->store, &last, error))
    return FALSE;
  json_t *issuance = json_pack("{s:b, s:s*}", "held", why != NULL, "why", why);
  command_set_time(issuance, "last", last);
  json_object_set_new(command->result, "issuance", issuance);
  return TRUE;
}

gboolean command_status(Command *command, GError **error) {
  json_object_set_new(command->result, "version", json_string(SIGNET_VERSION));
  command_set_time(command->result, "now", command->now);
  json_object_set_new(command->result, "roles", processes(command->acme, FALSE));
  return add_jobs(command, error) && add_lists(command, error) && add_issuance(command, error);
}
