/* SPDX-License-Identifier: Apache-2.0 */
#include "store/job.h"
#include "store/sql.h"

const char *const job_names[JOB_KINDS] = {
    [JOB_MAIL] = "mail",     [JOB_JUDGE] = "judge",   [JOB_BOUNCE] = "bounce",
    [JOB_ISSUE] = "issue",   [JOB_CRL] = "crl",       [JOB_SWEEP] = "sweep",
    [JOB_CLOSE] = "close",   [JOB_REVOKE] = "revoke", [JOB_PURGE] = "purge",
    [JOB_NOTICE] = "notice", [JOB_SORT] = "sort",     [JOB_CHECKPOINT] = "checkpoint",
    [JOB_IODEF] = "iodef",
};

const char *const job_asks[JOB_KINDS] = {
    [JOB_MAIL] = "the relay", [JOB_JUDGE] = "DKIM keys (DNS)", [JOB_ISSUE] = "CAA records (DNS)"};

static gboolean add(Store *store, JobKind kind, const Id *subject, gint64 due_at,
                    const char *only_for, GError **error) {
  gint64 *added = store_jobs_added(store);
  *added = MIN(*added, due_at);
  return sql_run(store, error,
                 "INSERT INTO job (kind, subject, due_at, attempts, taken_until, version, only_for)"
                 " VALUES (?1, ?2, ?3, 0, 0, 1, ?4) ON CONFLICT (kind, subject) DO UPDATE SET"
                 " due_at = CASE WHEN job.due_at < excluded.due_at THEN job.due_at"
                 " ELSE excluded.due_at END, version = job.version + 1",
                 "tdit", job_names[kind], subject, due_at, only_for);
}

gboolean job_add(Store *store, JobKind kind, const Id *subject, gint64 due_at, GError **error) {
  return add(store, kind, subject, due_at, NULL, error);
}

gboolean job_add_own(Store *store, JobKind kind, const Id *subject, gint64 due_at, GError **error) {
  return add(store, kind, subject, due_at, store_owner(store), error);
}

gint64 job_added(Store *store) {
  gint64 *added = store_jobs_added(store), first = *added;
  *added = G_MAXINT64;
  return first;
}

/* No other taking has its lease, also none of which nobody knows whether it was committed. */
static gboolean find_due(Store *store, JobKind kind, gint64 now, gint64 until, guint most,
                         GArray *jobs, GError **error) {
  SqlQuery query = sql_query(
      store,
      "SELECT subject, due_at, attempts, version, lease, waits_for FROM job WHERE kind = ?1"
      " AND due_at <= ?2 AND taken_until <= ?2 AND (only_for IS NULL OR only_for = ?3)"
      " ORDER BY due_at LIMIT ?4 @skip-locked",
      "titi", job_names[kind], now, store_owner(store), (gint64)most);
  while (sql_row(&query)) {
    Job job = {.kind = kind,
               .due_at = sql_int(&query, 1),
               .attempts = sql_int(&query, 2) + 1,
               .version = sql_int(&query, 3),
               .lease = MAX(until, sql_int(&query, 4) + 1),
               .said = sql_value(&query, 5).type != SQL_NULL};
    sql_id(&query, 0, &job.subject);
    g_array_append_val(jobs, job);
  }
  return sql_end(&query, error);
}

gboolean job_take(Store *store, JobKind kind, gint64 now, gint64 until, guint most, GArray *jobs,
                  GError **error) {
  guint before = jobs->len;
  gboolean good = find_due(store, kind, now, until, most, jobs, error);
  for (guint i = before; good && i < jobs->len; i++) {
    const Job *job = &g_array_index(jobs, Job, i);
    good = sql_run(store, error,
                   "UPDATE job SET taken_until = ?3, attempts = ?4, owner = ?5, lease = ?6"
                   " WHERE kind = ?1 AND subject = ?2",
                   "tdiiti", job_names[kind], &job->subject, until, job->attempts,
                   store_owner(store), job->lease);
  }
  return good;
}

gboolean job_renew(Store *store, gint64 until, GError **error) {
  return sql_run(store, error,
                 "UPDATE job SET taken_until = ?2 WHERE owner = ?1 AND taken_until > 0", "ti",
                 store_owner(store), until);
}

StoreFind job_held(Store *store, const Job *job, GError **error) {
  return sql_exists(
      sql_query(store,
                "SELECT 1 FROM job WHERE kind = ?1 AND subject = ?2 AND lease = ?3 AND owner = ?4"
                " AND taken_until > 0 @lock",
                "tdit", job_names[job->kind], &job->subject, job->lease, store_owner(store)),
      error);
}

/* Unchanged: it was not to be removed, or a shared store was not waited for. */
static StoreChange remove_done(Store *store, const Job *job, GError **error) {
  static const char sql[] = "DELETE FROM job WHERE kind = ?1 AND subject = ?2 AND version = ?3"
                            " AND lease = ?4";
  const char *kind = job_names[job->kind];
  if (!store_is_shared(store))
    return sql_change(store, error, sql, "tdii", kind, &job->subject, job->version, job->lease);
  return sql_run(store, error, sql, "tdii", kind, &job->subject, job->version, job->lease)
             ? STORE_UNCHANGED
             : STORE_FAILED;
}

gboolean job_done(Store *store, const Job *job, GError **error) {
  StoreChange removed = remove_done(store, job, error);
  return removed != STORE_UNCHANGED
             ? removed == STORE_CHANGED
             : sql_run(store, error,
                       "UPDATE job SET taken_until = 0, attempts = 0 WHERE kind = ?1"
                       " AND subject = ?2 AND lease = ?3",
                       "tdi", job_names[job->kind], &job->subject, job->lease);
}

gboolean job_again(Store *store, const Job *job, gint64 due_at, gboolean counted, GError **error) {
  gint64 *added = store_jobs_added(store);
  *added = MIN(*added, due_at);
  return sql_run(store, error,
                 "UPDATE job SET taken_until = 0, attempts = attempts - ?4,"
                 " due_at = CASE WHEN version = ?5 THEN ?3 ELSE due_at END"
                 " WHERE kind = ?1 AND subject = ?2 AND lease = ?6",
                 "tdiiii", job_names[job->kind], &job->subject, due_at, (gint64)(counted ? 0 : 1),
                 job->version, job->lease);
}

gboolean job_release_all(Store *store, GError **error) {
  return sql_run(store, error,
                 "UPDATE job SET taken_until = 0, lease = lease + 1 WHERE taken_until > 0"
                 " AND (?1 IS NULL OR owner = ?1)",
                 "t", store_is_shared(store) ? store_owner(store) : NULL);
}

gboolean job_count(Store *store, JobKind kind, gint64 *count, gint64 *oldest, GError **error) {
  SqlQuery query =
      sql_query(store, "SELECT count(*), coalesce(min(due_at), 0) FROM job WHERE kind = ?1", "t",
                job_names[kind]);
  *count = *oldest = 0;
  if (sql_row(&query)) {
    *count = sql_int(&query, 0);
    *oldest = sql_int(&query, 1);
  }
  return sql_end(&query, error);
}

gboolean job_is_taken(Store *store, JobKind kind, gint64 now, gboolean *taken, GError **error) {
  SqlQuery query =
      sql_query(store, "SELECT 1 FROM job WHERE kind = ?1 AND taken_until > ?2 LIMIT 1", "ti",
                job_names[kind], now);
  *taken = sql_row(&query);
  return sql_end(&query, error);
}

gboolean job_next(Store *store, JobKind kind, gint64 *due_at, GError **error) {
  SqlQuery query =
      sql_query(store,
                "SELECT min(CASE WHEN taken_until > due_at THEN taken_until ELSE due_at END)"
                " FROM job WHERE kind = ?1",
                "t", job_names[kind]);
  *due_at = G_MAXINT64;
  if (sql_row(&query)) {
    gint64 first = sql_int(&query, 0);
    *due_at = first == 0 ? G_MAXINT64 : first;
  }
  return sql_end(&query, error);
}

static int find_kind(const char *name) {
  for (guint kind = 0; kind < JOB_KINDS; kind++)
    if (g_strcmp0(job_names[kind], name) == 0)
      return (int)kind;
  return -1;
}

gboolean job_next_all(Store *store, gint64 now, gint64 due[JOB_KINDS], GError **error) {
  static const char sql[] =
      "SELECT k.column1, (SELECT j.due_at FROM job j WHERE j.kind = k.column1"
      " AND j.taken_until <= ?1 AND (j.only_for IS NULL OR j.only_for = ?2)"
      " ORDER BY j.due_at LIMIT 1) FROM (VALUES ('mail'), ('judge'), ('bounce'), ('issue'), "
      "('crl'),"
      " ('sweep'), ('close'), ('revoke'), ('purge'), ('notice'), ('sort'), ('checkpoint'),"
      " ('iodef')) AS k";
  SqlQuery query = sql_query(store, sql, "it", now, store_owner(store));
  for (guint kind = 0; kind < JOB_KINDS; kind++)
    due[kind] = G_MAXINT64;
  while (sql_row(&query)) {
    g_autofree char *name = sql_text(&query, 0);
    int kind = find_kind(name);
    g_assert(kind >= 0);
    if (sql_value(&query, 1).type != SQL_NULL)
      due[kind] = sql_int(&query, 1);
  }
  return sql_end(&query, error);
}

#define EXPLAIN                                                                                    \
  "UPDATE job SET waits_for = ?3 WHERE kind = ?1 AND subject = ?2"                                 \
  " AND waits_for IS DISTINCT FROM ?3"

StoreChange job_explain(Store *store, JobKind kind, const Id *subject, const char *waits_for,
                        GError **error) {
  return sql_change(store, error, EXPLAIN, "tdt", job_names[kind], subject, waits_for);
}

gboolean job_say(Store *store, JobKind kind, const Id *subject, const char *waits_for,
                 GError **error) {
  return sql_run(store, error, EXPLAIN, "tdt", job_names[kind], subject, waits_for);
}

StoreFind job_find(Store *store, JobKind kind, const Id *subject, Job *job, char **waits_for,
                   GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT due_at, attempts, version, waits_for, lease FROM job WHERE "
                             "kind = ?1 AND subject = ?2",
                             "td", job_names[kind], subject);
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    *job = (Job){.kind = kind,
                 .subject = *subject,
                 .due_at = sql_int(&query, 0),
                 .attempts = sql_int(&query, 1),
                 .version = sql_int(&query, 2),
                 .lease = sql_int(&query, 4)};
    *waits_for = sql_text(&query, 3);
    job->said = *waits_for != NULL;
    if (!job->said && job->lease > 0)
      *waits_for = g_strdup(job_asks[kind]);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}
