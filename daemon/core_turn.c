/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/record.h"
#include "base/log.h"
#include "daemon/core.h"

#include <stdlib.h>
#include <unistd.h>

#define RETRY_MILLISECONDS 1000
#define UNAWAITED_MILLISECONDS 50
#define UNAWAITED_MAX 32         /* that wait for another turn */
#define AWAY_MILLISECONDS 500    /* between looks for a store that cannot be reached */
#define RUNS_MAX 20              /* of one transaction, when others are in its way */
#define UNDOING_TRANSACTIONS 256 /* after a handler was undone: it costs no other turn soon */

/* What leaves when the turn is committed. */
typedef struct {
  Channel *channel;
  guint kind;
  guint64 id;
  GVariant *body, *fallback;
  Question *question;      /* for a question of ours */
  Channel *beside_channel; /* NULL: nothing is asked beside it */
  guint beside_kind;
  GVariant *beside;
} CoreOutput;

static void question_free(Question *question) {
  if (question == NULL)
    return;
  question_clear(question);
  g_free(question);
}

void core_item_free(CoreItem *item) {
  g_clear_pointer(&item->body, g_variant_unref);
  g_clear_pointer(&item->beside, g_variant_unref);
  question_free(item->question);
  g_free(item);
}

static void output_free(gpointer data) {
  CoreOutput *output = data;
  g_clear_pointer(&output->body, g_variant_unref);
  g_clear_pointer(&output->fallback, g_variant_unref);
  g_clear_pointer(&output->beside, g_variant_unref);
  question_free(output->question);
  g_free(output);
}

void core_wake(Core *core) {
  static const struct timeval at_once = {0, 0};
  core->woken = TRUE;
  event_add(core->turn, &at_once);
}

void core_enqueue(Core *core, CoreItem *item) {
  g_queue_push_tail(&core->waiting, item);
  core_wake(core);
}

/* What nobody waits for is done with the next thing that somebody does, and so costs no commit of
   its own; soon by itself, where nothing else comes. */
static void enqueue_unawaited(Core *core, CoreItem *item) {
  static const struct timeval soon = {0, UNAWAITED_MILLISECONDS * 1000};
  g_queue_push_tail(&core->waiting, item);
  if (core->waiting.length >= UNAWAITED_MAX)
    core_wake(core);
  else if (!event_pending(core->turn, EV_TIMEOUT, NULL))
    event_add(core->turn, &soon);
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
  *output = (CoreOutput){.channel = channel,
                         .kind = kind,
                         .id = id,
                         .body = g_variant_ref_sink(body),
                         .fallback = g_variant_ref_sink(fallback)};
  g_ptr_array_add(core->out, output);
}

void core_ask(Core *core, Channel *channel, guint kind, GVariant *body, Question *question) {
  CoreOutput *output = g_new0(CoreOutput, 1);
  *output = (CoreOutput){
      .channel = channel, .kind = kind, .body = g_variant_ref_sink(body), .question = question};
  g_ptr_array_add(core->out, output);
}

void core_ask_beside(Core *core, Channel *channel, guint kind, GVariant *body) {
  CoreOutput *output = core->out->pdata[core->out->len - 1];
  output->beside_channel = channel;
  output->beside_kind = kind;
  output->beside = g_variant_ref_sink(body);
}

gboolean core_must_run_again(const GError *failure, GError **error) {
  if (!g_error_matches(failure, STORE_ERROR, STORE_ERROR_AGAIN))
    return FALSE;
  g_propagate_error(error, g_error_copy(failure));
  return TRUE;
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
  if (core_must_run_again(failure, error))
    return FALSE;
  if (!store_handler_end(core->acme.store, keep, error))
    return FALSE;
  if (!keep) {
    if (failure != NULL)
      log_error("handler failed", "message", message_catalogue.kinds[item->kind].name, "reason",
                failure->message, NULL);
    g_ptr_array_set_size(core->acme.publications, (gint)published);
    record_undo(&core->acme, events);
    if (core->out->len == said)
      item->failed(core, item);
  }
  return TRUE;
}

/* A question that has left, and what was answered so far. */
typedef struct {
  Core *core;
  Question *question;
  GVariant *body, *beside;
  guint open; /* answers that are not there yet */
  gint64 at;  /* monotonic microseconds */
} Asked;

/* When a turn comes at once it is done in that. With several writers each message is a commit of
   its own anyway. */
static gboolean is_awaited(Core *core, const CoreItem *item) {
  return core->woken || core->shared != NULL || core->stopping || core->away ||
         item->body == NULL || job_is_awaited(&core->acme, item->question);
}

static void take_answer(Asked *asked, const Question *question, GVariant **place, GVariant *body) {
  core_measure_step(asked->core, question, asked->at, body != NULL);
  *place = body != NULL ? g_variant_ref(body) : NULL;
  if (asked->core->shared != NULL && asked->core->held_up)
    core_shared_hurry(asked->core);
  if (--asked->open > 0)
    return;
  CoreItem *item = core_answer_item(asked->question, asked->body, asked->beside);
  if (is_awaited(asked->core, item))
    core_enqueue(asked->core, item);
  else
    enqueue_unawaited(asked->core, item);
  g_free(asked);
}

static void on_answered(GVariant *body, gpointer user) {
  Asked *asked = user;
  take_answer(asked, asked->question, &asked->body, body);
}

static void on_beside_answered(GVariant *body, gpointer user) {
  Asked *asked = user;
  take_answer(asked, asked->question->beside, &asked->beside, body);
}

static void ask(Channel *channel, guint kind, GVariant *body, ChannelAnswered answered,
                Asked *asked) {
  if (!channel_ask(channel, kind, body, answered, asked))
    answered(NULL, asked);
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
  *asked = (Asked){.core = core,
                   .question = g_steal_pointer(&output->question),
                   .open = output->beside != NULL ? 2 : 1,
                   .at = g_get_monotonic_time()};
  if (output->beside != NULL)
    ask(output->beside_channel, output->beside_kind, output->beside, on_beside_answered, asked);
  ask(output->channel, output->kind, output->body, on_answered, asked);
}

/* Files go out after the commit; one that cannot be written is tried again at the next turn. */
static void write_publications(Core *core) {
  GPtrArray *files = core->acme.publications;
  if (core->process->index > 0) /* the node's first core finds them in the store */
    g_ptr_array_set_size(files, 0);
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

/* --- transactions
 * --------------------------------------------------------------------------------------------- */

static double seconds_since(gint64 begin) {
  return (double)(g_get_monotonic_time() - begin) / G_USEC_PER_SEC;
}

static gboolean commit(Core *core, GError **error) {
  gint64 begin = g_get_monotonic_time();
  gboolean committed = store_commit(core->acme.store, error);
  metrics_observe(core->acme.metrics, METRIC_COMMIT_SECONDS, seconds_since(begin), NULL);
  return committed;
}

/* Nearly no handler is undone. Without a place to go back to the first one takes the transaction
   with it, which is run again, with such places then and for a while. */
static gboolean attempt(Core *core, CoreWork work, gpointer user, GError **error) {
  store_expect_undo(core->acme.store, core->undoing > 0);
  core->undoing -= MIN(core->undoing, 1);
  nonces_keep(core->acme.nonces);
  if (!store_begin(core->acme.store, error))
    return FALSE;
  if (work(core, user, error))
    return commit(core, error);
  store_rollback(core->acme.store);
  return FALSE;
}

/* Nobody may know what became of the commit: a job that it may have taken is nobody else's, and its
   question does not leave. It is to be begun anew. */
static void give_back(Core *core) {
  for (guint i = 0; i < core->out->len; i++) {
    CoreOutput *output = core->out->pdata[i];
    if (output->question != NULL)
      core_enqueue(core, core_answer_item(g_steal_pointer(&output->question), NULL, NULL));
  }
}

gboolean core_transact(Core *core, CoreWork work, gpointer user, GError **error) {
  guint published = core->acme.publications->len;
  for (guint run = 1;; run++) {
    g_autoptr(GError) failure = NULL;
    gboolean committed = attempt(core, work, user, &failure);
    record_settle(&core->acme, committed);
    if (committed)
      return TRUE;
    if (core->shared != NULL && g_error_matches(failure, STORE_ERROR, STORE_ERROR_AWAY))
      give_back(core);
    g_ptr_array_set_size(core->out, 0);
    g_ptr_array_set_size(core->acme.publications, (gint)published);
    gboolean again = g_error_matches(failure, STORE_ERROR, STORE_ERROR_AGAIN);
    if (!again || run == RUNS_MAX) {
      g_propagate_error(error, g_steal_pointer(&failure));
      return FALSE;
    }
    core->undoing = UNDOING_TRANSACTIONS;
    nonces_give_back(core->acme.nonces);
    log_debug("transaction run again", "reason", failure->message, NULL);
  }
}

/* What a turn works on. */
typedef struct {
  GPtrArray *items;
  gboolean jobs; /* are handed out too */
  gint64 next;   /* when there may be more of them */
} Turn;

static gboolean run_turn(Core *core, gpointer user, GError **error) {
  Turn *turn = user;
  for (guint i = 0; i < turn->items->len; i++)
    if (!run_item(core, turn->items->pdata[i], error))
      return FALSE;
  return !turn->jobs ||
         core_hand_out_jobs(core, core->shared != NULL ? 1 : G_MAXUINT, &turn->next, error);
}

/* Everything that the turn would have said becomes the fallback, also for items that did not run.
 */
static void fail_items(Core *core, GPtrArray *items) {
  for (guint i = 0; i < items->len; i++) {
    CoreItem *item = items->pdata[i];
    if (item->channel != NULL)
      item->failed(core, item);
    else
      g_queue_push_tail(&core->waiting, g_steal_pointer(&items->pdata[i]));
  }
}

/* Its jobs are another process's now, which says that it is this one. */
static void G_GNUC_NORETURN end_of_name(const GError *error) {
  log_error("core ends", "reason", error->message, NULL);
  _exit(EXIT_FAILURE);
}

static void fail_turn(Core *core, GPtrArray *items, const GError *error) {
  metrics_add(core->acme.metrics, METRIC_TURN_FAILURES, 1, NULL);
  if (g_error_matches(error, STORE_ERROR, STORE_ERROR_BUSY))
    end_of_name(error);
  core->away = g_error_matches(error, STORE_ERROR, STORE_ERROR_AWAY);
  log_error(core->away ? "store away" : "turn failed", "reason", error->message, NULL);
  fail_items(core, items);
}

/* Whether the store is there, as far as that can be known without waiting. */
static gboolean has_store(Core *core) {
  if (core->away && store_begin(core->acme.store, NULL)) {
    store_rollback(core->acme.store);
    core->away = FALSE;
    log_info("store is back", NULL);
  }
  return !core->away;
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

/* With other writers one thing at a time, messages and jobs by turns. */
static void choose(Core *core, Turn *turn) {
  gboolean looks = core->shared != NULL && core_shared_looks(core);
  guint most = core->shared == NULL || core->away ? CORE_TURN_MAX : looks ? 0 : 1;
  while (turn->items->len < most && !g_queue_is_empty(&core->waiting))
    g_ptr_array_add(turn->items, g_queue_pop_head(&core->waiting));
  turn->jobs = !core->stopping && (core->shared == NULL || looks);
}

static void let_all_out(Core *core, gboolean committed) {
  for (guint i = 0; i < core->out->len; i++)
    let_out(core, core->out->pdata[i], committed);
  g_ptr_array_set_size(core->out, 0);
}

/* When the next turn comes. */
static void plan(Core *core, const Turn *turn, gboolean committed) {
  if (core->shared != NULL && committed)
    core_shared_plan(core, turn->jobs, turn->next);
  if (committed && !g_queue_is_empty(&core->waiting))
    core_wake(core);
  gboolean again = !committed || core->acme.publications->len > 0;
  set_timer(core, core->away             ? AWAY_MILLISECONDS
                  : again                ? RETRY_MILLISECONDS
                  : core->stopping       ? -1
                  : core->shared != NULL ? core_shared_wait(core)
                                         : core_next_job(core));
}

static void core_turn(Core *core) {
  g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(item_free_if_any);
  g_autoptr(GError) error = NULL;
  gboolean there = has_store(core);
  core->woken = FALSE;
  event_del(core->turn);
  Turn turn = {.items = items};
  choose(core, &turn);
  gint64 begin = g_get_monotonic_time();
  gboolean committed = there && core_transact(core, run_turn, &turn, &error);
  metrics_observe(core->acme.metrics, METRIC_TURN_SECONDS, seconds_since(begin), NULL);
  if (!there)
    fail_items(core, items);
  else if (!committed)
    fail_turn(core, items, error);
  let_all_out(core, committed);
  if (committed)
    write_publications(core);
  if (core->stopping && there)
    core_stop_if_done(core);
  plan(core, &turn, committed);
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
