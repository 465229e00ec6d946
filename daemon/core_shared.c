/* SPDX-License-Identifier: Apache-2.0 */
/* What a core does because others write to its store too: it looks for jobs that they added, renews
   the leases of its own, says that its node is alive, and, as the first core of a node, writes the
   revocation lists that others made. */
#include "acme/crl_job.h"
#include "base/log.h"
#include "daemon/core.h"
#include "store/node.h"

#define LOOK_INTERVAL CLOCK_SECOND /* for jobs of others, at the latest */
#define BEAT_SECONDS 15            /* several times within a lease */
#define LISTS_SECONDS 2

struct Shared {
  gint64 look_at;                  /* for jobs */
  gboolean had_jobs;               /* in the last turn: the next one is a message's */
  gboolean beat_waits, lists_wait; /* to have their turn */
  GHashTable *lists, *found; /* shard -> when its list was made: written; found in this turn */
  struct event *beat, *look;
};

/* --- jobs
 * ---------------------------------------------------------------------------------------------- */

/* A clock that was put back must not hide them. */
static gboolean is_time(const Core *core) {
  gint64 now = clock_now(core->acme.clock);
  return core->shared->look_at <= now || core->shared->look_at > now + LOOK_INTERVAL;
}

gboolean core_shared_looks(Core *core) {
  gboolean message = !g_queue_is_empty(&core->waiting);
  gboolean looks = !core->stopping && is_time(core) && (!message || !core->shared->had_jobs);
  core->shared->had_jobs = looks;
  return looks;
}

void core_shared_hurry(Core *core) {
  core->shared->look_at = 0;
}

gint64 core_shared_wait(const Core *core) {
  return CLAMP(core->shared->look_at - clock_now(core->acme.clock), 0, LOOK_INTERVAL);
}

/* --- what comes again and again
 * ------------------------------------------------------------------------ */

static GHashTable *new_lists(void) {
  return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

/* They are committed, so their files will be written. */
static void keep_lists(Shared *shared) {
  if (shared->found == NULL)
    return;
  g_hash_table_unref(shared->lists);
  shared->lists = g_steal_pointer(&shared->found);
}

static void nothing_to_say(Core *core G_GNUC_UNUSED, CoreItem *item G_GNUC_UNUSED) {
}

static void enqueue(Core *core, gboolean *waits,
                    gboolean (*run)(Core *core, CoreItem *item, GError **error)) {
  if (*waits || core->stopping)
    return;
  CoreItem *item = g_new0(CoreItem, 1);
  item->run = run;
  item->failed = nothing_to_say;
  *waits = TRUE;
  core_enqueue(core, item);
}

static gboolean run_beat(Core *core, CoreItem *item G_GNUC_UNUSED, GError **error) {
  gint64 now = clock_now(core->acme.clock);
  core->shared->beat_waits = FALSE;
  return job_renew(core->acme.store, now + CORE_SHARED_LEASE, error) &&
         node_seen(core->acme.store, core->acme.node, now, error);
}

/* Before its jobs are free: others would take its signer for lost. */
gboolean core_shared_start(Core *core, GError **error) {
  return core->shared == NULL ||
         node_seen(core->acme.store, core->acme.node, clock_now(core->acme.clock), error);
}

static gboolean run_lists(Core *core, CoreItem *item G_GNUC_UNUSED, GError **error) {
  Shared *shared = core->shared;
  shared->lists_wait = FALSE;
  g_clear_pointer(&shared->found, g_hash_table_unref);
  shared->found = new_lists();
  return crl_publish_newer(&core->acme, shared->lists, shared->found, error);
}

static void on_beat(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Core *core = user;
  enqueue(core, &core->shared->beat_waits, run_beat);
}

static void on_lists(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Core *core = user;
  enqueue(core, &core->shared->lists_wait, run_lists);
}

static struct event *every(Core *core, long seconds, event_callback_fn callback) {
  const struct timeval interval = {seconds, 0};
  struct event *event = event_new(core->process->base, -1, EV_PERSIST, callback, core);
  event_add(event, &interval);
  return event;
}

void core_shared_plan(Core *core, gboolean looked, gint64 next) {
  Shared *shared = core->shared;
  gint64 added = job_added(core->acme.store);
  if (looked)
    shared->look_at = MIN(next, clock_now(core->acme.clock) + LOOK_INTERVAL);
  shared->look_at = MIN(shared->look_at, added);
  keep_lists(shared);
}

Shared *core_shared_new(Core *core) {
  Shared *shared = g_new0(Shared, 1);
  shared->lists = new_lists();
  shared->beat = every(core, BEAT_SECONDS, on_beat);
  if (core->process->index == 0)
    shared->look = every(core, LISTS_SECONDS, on_lists);
  return shared;
}
