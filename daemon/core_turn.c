/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/record.h"
#include "base/log.h"
#include "daemon/core.h"

#define RETRY_MILLISECONDS 1000

/* What leaves when the turn is committed. */
typedef struct {
  Channel *channel;
  guint kind;
  guint64 id;
  GVariant *body, *fallback;
  Question *question; /* for a question of ours */
} CoreOutput;

static void question_free(Question *question) {
  if (question == NULL)
    return;
  question_clear(question);
  g_free(question);
}

void core_item_free(CoreItem *item) {
  g_clear_pointer(&item->body, g_variant_unref);
  question_free(item->question);
  g_free(item);
}

static void output_free(gpointer data) {
  CoreOutput *output = data;
  g_clear_pointer(&output->body, g_variant_unref);
  g_clear_pointer(&output->fallback, g_variant_unref);
  question_free(output->question);
  g_free(output);
}

void core_wake(Core *core) {
  static const struct timeval at_once = {0, 0};
  event_add(core->turn, &at_once);
}

void core_enqueue(Core *core, CoreItem *item) {
  g_queue_push_tail(&core->waiting, item);
  core_wake(core);
}

void core_drop_items(Core *core, const Channel *channel) {
  for (GList *link = core->waiting.head; link != NULL;) {
    GList *next = link->next;
    if (((CoreItem *)link->data)->channel == channel) {
      core_item_free(link->data);
      g_queue_delete_link(&core->waiting, link);
    }
    link = next;
  }
}

void core_answer(Core *core, Channel *channel, guint kind, guint64 id, GVariant *body,
                 GVariant *fallback) {
  CoreOutput *output = g_new0(CoreOutput, 1);
  *output =
      (CoreOutput){channel, kind, id, g_variant_ref_sink(body), g_variant_ref_sink(fallback), NULL};
  g_ptr_array_add(core->out, output);
}

void core_ask(Core *core, Channel *channel, guint kind, GVariant *body, Question *question) {
  CoreOutput *output = g_new0(CoreOutput, 1);
  *output = (CoreOutput){channel, kind, 0, g_variant_ref_sink(body), NULL, question};
  g_ptr_array_add(core->out, output);
}

/* One handler's work: kept, or undone without a trace. FALSE when the transaction itself is broken.
 */
static gboolean run_item(Core *core, CoreItem *item, GError **error) {
  g_autoptr(GError) failure = NULL;
  guint said = core->out->len, published = core->acme.publications->len;
  guint events = core->acme.events != NULL ? core->acme.events->len : 0;
  if (!store_handler_begin(core->acme.store, error))
    return FALSE;
  gboolean keep = item->run(core, item, &failure);
  if (!store_handler_end(core->acme.store, keep, error))
    return FALSE;
  if (!keep) {
    if (failure != NULL)
      log_error("handler failed", "message", message_catalogue.kinds[item->kind].name, "reason",
                failure->message, NULL);
    g_ptr_array_set_size(core->acme.publications, (gint)published);
    record_settle(&core->acme, events, FALSE);
    if (core->out->len == said)
      item->failed(core, item);
  }
  return TRUE;
}

typedef struct {
  Core *core;
  Question *question;
} Asked;

static void on_answered(GVariant *body, gpointer user) {
  g_autofree Asked *asked = user;
  core_enqueue(asked->core, core_answer_item(asked->question, body));
}

static void let_out(Core *core, CoreOutput *output, gboolean committed) {
  if (output->question == NULL) {
    channel_answer(output->channel, output->kind, output->id,
                   committed ? output->body : output->fallback);
    return;
  }
  if (!committed)
    return; /* the job was not taken either */
  Asked *asked = g_new0(Asked, 1);
  *asked = (Asked){core, g_steal_pointer(&output->question)};
  if (!channel_ask(output->channel, output->kind, output->body, on_answered, asked))
    on_answered(NULL, asked);
}

/* Files go out after the commit; one that cannot be written is tried again at the next turn. */
static void write_publications(Core *core) {
  GPtrArray *files = core->acme.publications;
  while (files->len > 0) {
    g_autoptr(GError) error = NULL;
    const char *name = g_bytes_get_data(files->pdata[0], NULL);
    if (!published_write(core->published, name, files->pdata[1], &error)) {
      log_error("file not published", "reason", error->message, NULL);
      return;
    }
    log_info("file published", "file", name, NULL);
    g_ptr_array_remove_range(files, 0, 2);
  }
}

/* Runs the items against one transaction. FALSE: nothing of the turn is there. */
static gboolean run_turn(Core *core, GPtrArray *items, GError **error) {
  if (!store_begin(core->acme.store, error))
    return FALSE;
  gboolean good = TRUE;
  for (guint i = 0; good && i < items->len; i++)
    good = run_item(core, items->pdata[i], error);
  good = good && (core->stopping || core_hand_out_jobs(core, error));
  if (good)
    return store_commit(core->acme.store, error);
  store_rollback(core->acme.store);
  return FALSE;
}

/* Everything that the failed turn would have said becomes the fallback, also for items that did not
 * run. */
static void fail_turn(Core *core, GPtrArray *items, guint published, const GError *error) {
  log_error("turn failed", "reason", error->message, NULL);
  g_ptr_array_set_size(core->out, 0);
  g_ptr_array_set_size(core->acme.publications, (gint)published);
  for (guint i = 0; i < items->len; i++) {
    CoreItem *item = items->pdata[i];
    if (item->channel != NULL)
      item->failed(core, item);
    else
      g_queue_push_tail(&core->waiting, g_steal_pointer(&items->pdata[i]));
  }
}

static void set_timer(Core *core, gint64 wait) {
  if (wait < 0)
    return;
  struct timeval tv = {(time_t)(wait / 1000), (suseconds_t)(wait % 1000 * 1000)};
  event_add(core->timer, &tv);
}

static void item_free_if_any(gpointer item) {
  if (item != NULL)
    core_item_free(item);
}

static void core_turn(Core *core) {
  g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(item_free_if_any);
  g_autoptr(GError) error = NULL;
  guint published = core->acme.publications->len;
  while (items->len < CORE_TURN_MAX && !g_queue_is_empty(&core->waiting))
    g_ptr_array_add(items, g_queue_pop_head(&core->waiting));
  gboolean committed = run_turn(core, items, &error);
  if (!committed)
    fail_turn(core, items, published, error);
  record_settle(&core->acme, 0, committed);
  for (guint i = 0; i < core->out->len; i++)
    let_out(core, core->out->pdata[i], committed);
  g_ptr_array_set_size(core->out, 0);
  if (committed)
    write_publications(core);
  if (core->stopping)
    core_stop_if_done(core);
  gboolean again = !committed || core->acme.publications->len > 0;
  if (committed && !g_queue_is_empty(&core->waiting))
    core_wake(core);
  set_timer(core, again ? RETRY_MILLISECONDS : core->stopping ? -1 : core_next_job(core));
}

static void on_turn(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  core_turn(user);
}

Core *core_new(RoleProcess *process) {
  Core *core = g_new0(Core, 1);
  core->process = process;
  core->channels = g_ptr_array_new();
  g_queue_init(&core->waiting);
  core->out = g_ptr_array_new_with_free_func(output_free);
  core->acme.publications = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  core->turn = event_new(process->base, -1, 0, on_turn, core);
  core->timer = event_new(process->base, -1, 0, on_turn, core);
  return core;
}
