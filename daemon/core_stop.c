/* SPDX-License-Identifier: Apache-2.0 */
/* The last turns of core: the stop is recorded, and the end of the audit log signed. */
#include "acme/record.h"
#include "base/log.h"
#include "daemon/core.h"
#include "store/audit.h"

#define PATIENCE_SECONDS 5 /* less than the parent has */
#define ASKED_MAX 3        /* an answer may come too late for a record that was made meanwhile */

static void G_GNUC_NORETURN end(Core *core) {
  store_close(core->acme.store);
  role_stopped();
}

static void on_end(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  end(user);
}

/* When the answers of this turn have left. */
static void end_soon(Core *core) {
  static const struct timeval at_once = {0, 0};
  event_base_once(core->process->base, -1, EV_TIMEOUT, on_end, core, &at_once);
}

static void on_patience_over(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED,
                             void *user) {
  log_warning("no checkpoint over the stop", "reason", "the signer does not answer", NULL);
  end(user);
}

static gboolean run_stop(Core *core, CoreItem *item G_GNUC_UNUSED, GError **error) {
  return record(&core->acme, clock_now(core->acme.clock), AUDIT_STOPPED, (About){NULL}, error,
                NULL) &&
         core_ask_checkpoint(core, error);
}

static gboolean run_again(Core *core, CoreItem *item G_GNUC_UNUSED, GError **error) {
  return core_ask_checkpoint(core, error);
}

static void stop_failed(Core *core, CoreItem *item G_GNUC_UNUSED) {
  core->stop_asked = ASKED_MAX;
}

static void enqueue(Core *core, gboolean (*run)(Core *, CoreItem *, GError **)) {
  CoreItem *item = g_new0(CoreItem, 1);
  item->run = run;
  item->failed = stop_failed;
  core->stop_asked++;
  core_enqueue(core, item);
}

void core_stop(Core *core) {
  static const struct timeval patience = {PATIENCE_SECONDS, 0};
  event_base_once(core->process->base, -1, EV_TIMEOUT, on_patience_over, core, &patience);
  core->stopping = TRUE;
  enqueue(core, run_stop);
}

void core_stop_if_done(Core *core) {
  if (!g_queue_is_empty(&core->waiting) || core->stop_open)
    return;
  if (core->stop_asked >= ASKED_MAX || core->stop_covered)
    end_soon(core);
  else
    enqueue(core, run_again);
}
