/* SPDX-License-Identifier: Apache-2.0 */
/* core, the brain: works in turns. A turn takes up to CORE_TURN_MAX waiting messages, runs their
   handlers against one open transaction, hands out due jobs, commits once, and only then lets
   answers and questions out. Where the store has other writers a turn is one handler, or one job
   that is handed out, and is run again when one of the others was in its way. */
#ifndef SIGNET_DAEMON_CORE_H
#define SIGNET_DAEMON_CORE_H

#include "acme/job_run.h"
#include "daemon/published.h"
#include "daemon/role.h"

#define CORE_TURN_MAX 256
/* Of a job that was handed out. Its end is not awaited: a process that dies gives its jobs back at
   once, and so does a start of core. */
#define CORE_LEASE CLOCK_DAY
/* The same beside other cores: until one of them may take the job; renewed while this one lives. */
#define CORE_SHARED_LEASE CLOCK_MINUTE

typedef struct Operators Operators;
typedef struct Shared Shared;

typedef struct {
  RoleProcess *process;
  Acme acme;
  Published *published;
  GPtrArray *channels; /* of Channel, to every other role */
  GQueue waiting;      /* of CoreItem */
  GPtrArray *out;      /* of CoreOutput: what the turn will say when it is committed */
  struct event *turn, *timer;
  gboolean woken;        /* a turn comes at once */
  Operators *operators;  /* NULL: there is no control socket */
  Shared *shared;        /* NULL: nobody else writes to the store */
  gboolean away;         /* the store cannot be reached */
  guint undoing;         /* transactions to come in which handlers may be undone one by one */
  gboolean stopping;     /* nothing is begun any more */
  guint stop_asked;      /* checkpoints asked for over the stop */
  gboolean stop_open;    /* the last of them is not answered yet */
  gboolean stop_covered; /* the last record is below a checkpoint, or needs none */
  gboolean held_up;      /* a due job waits for a process that takes no more questions */
} Core;

/* One thing to do in a turn. */
typedef struct CoreItem {
  /* FALSE: what it did is undone, and failed is called. */
  gboolean (*run)(Core *core, struct CoreItem *item, GError **error);
  void (*failed)(Core *core, struct CoreItem *item);
  Channel *channel; /* that a request came by; NULL for an answer to a question of ours, or when
                       core told itself */
  guint kind;
  guint64 id;
  GVariant *body;     /* NULL: the process that was asked is gone */
  Question *question; /* that this answers */
  GVariant *beside;   /* the answer to what was asked beside it; NULL: nothing was, or as body */
  guint uid;          /* of the operator whose command it is */
} CoreItem;

/* A core without store, with its loop events. */
Core *core_new(RoleProcess *process);
void core_item_free(CoreItem *item);
/* Queues an item and sees to it that a turn comes. */
void core_enqueue(Core *core, CoreItem *item);
void core_wake(Core *core);
/* Forgets what came by a channel that is gone: it needs no answer. */
void core_drop_items(Core *core, const Channel *channel);
/* The item is the last thing that the turn does for it: answer now, or fallback when the commit
 * fails; both sunk. */
void core_answer(Core *core, Channel *channel, guint kind, guint64 id, GVariant *body,
                 GVariant *fallback);
/* A question to be asked when the turn is committed; question is taken. */
void core_ask(Core *core, Channel *channel, guint kind, GVariant *body, Question *question);
/* A further one to be asked with it: the answers come as one item. */
void core_ask_beside(Core *core, Channel *channel, guint kind, GVariant *body);
/* A request of an edge or of inbound as an item; NULL when core takes no such message. */
CoreItem *core_request_item(Channel *channel, guint kind, guint64 id, GVariant *body);
/* Before a question about how things stand: what core knows beside the store. */
void core_measure(Core *core);
/* How long a process took for a question that was asked at a monotonic time, microseconds. */
void core_measure_step(Core *core, const Question *question, gint64 asked_at, gboolean answered);
/* Takes operators' commands at the control socket, which is listening; fd is taken. */
Operators *core_operators_new(Core *core, int fd);
/* The answer to a question, and to the one beside it. */
CoreItem *core_answer_item(Question *question, GVariant *body, GVariant *beside);
/* Takes at most limit due jobs and asks what they need. *next: when there may be more, as far as it
   is known; they are looked for at once when a process that was asked too much has answered. */
gboolean core_hand_out_jobs(Core *core, guint limit, gint64 *next, GError **error);
/* Records the stop, has the end of the audit log signed if it can be, and ends the process. */
void core_stop(Core *core);
/* After a turn while stopping: ends the process when nothing is left to wait for. */
void core_stop_if_done(Core *core);
/* Asks the signer for the checkpoint over the stop in this turn, if there is need and it is there.
 */
gboolean core_ask_checkpoint(Core *core, GError **error);
/* Milliseconds until a job can be handed out; -1: none. */
gint64 core_next_job(Core *core);
/* Runs work in a transaction of its own, again where others were in the way. FALSE: nothing of it
   is there. */
typedef gboolean (*CoreWork)(Core *core, gpointer user, GError **error);
gboolean core_transact(Core *core, CoreWork work, gpointer user, GError **error);

/* Whether a handler failed by what others did: then the transaction is to end, with that error. */
gboolean core_must_run_again(const GError *failure, GError **error);

/* --- beside other cores */

/* Begins to renew leases, and in a node's first core to look for lists that others made. */
Shared *core_shared_new(Core *core);
/* In its first transaction: its node is alive. */
gboolean core_shared_start(Core *core, GError **error);
/* Whether it is time to look for jobs; when no message waits, or one had its turn. */
gboolean core_shared_looks(Core *core);
/* After a turn: when to look next. looked: it was one that looked, and next what it found. */
void core_shared_plan(Core *core, gboolean looked, gint64 next);
/* Looks at once. */
void core_shared_hurry(Core *core);
/* Milliseconds until the next look. */
gint64 core_shared_wait(const Core *core);

#endif
