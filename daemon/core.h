/* SPDX-License-Identifier: Apache-2.0 */
/* core, the one brain: works in turns. A turn takes up to CORE_TURN_MAX waiting messages, runs
   their handlers against one open transaction, hands out due jobs, commits once, and only then lets
   answers and questions out. */
#ifndef SIGNET_DAEMON_CORE_H
#define SIGNET_DAEMON_CORE_H

#include "acme/job_run.h"
#include "daemon/published.h"
#include "daemon/role.h"

#define CORE_TURN_MAX 256
/* Of a job that was handed out. Its end is not awaited: a process that dies gives its jobs back at
   once, and so does a start of core. */
#define CORE_LEASE CLOCK_DAY

typedef struct Operators Operators;

typedef struct {
  RoleProcess *process;
  Acme acme;
  Published *published;
  GPtrArray *channels; /* of Channel, to every other role */
  GQueue waiting;      /* of CoreItem */
  GPtrArray *out;      /* of CoreOutput: what the turn will say when it is committed */
  struct event *turn, *timer;
  Operators *operators; /* NULL: there is no control socket */
  gboolean stopping;    /* nothing is begun any more */
  guint stop_asked;     /* checkpoints asked for over the stop */
  gboolean stop_open;   /* the last of them is not answered yet */
} Core;

/* One thing to do in a turn. */
typedef struct CoreItem {
  /* FALSE: what it did is undone, and failed is called. */
  gboolean (*run)(Core *core, struct CoreItem *item, GError **error);
  void (*failed)(Core *core, struct CoreItem *item);
  Channel *channel; /* that a request came by; NULL for an answer to a question of ours */
  guint kind;
  guint64 id;
  GVariant *body;     /* NULL: the process that was asked is gone */
  Question *question; /* that this answers */
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
/* A request of an edge or of inbound as an item; NULL when core takes no such message. */
CoreItem *core_request_item(Channel *channel, guint kind, guint64 id, GVariant *body);
/* Takes operators' commands at the control socket, which is listening; fd is taken. */
Operators *core_operators_new(Core *core, int fd);
/* The answer to a question. */
CoreItem *core_answer_item(Question *question, GVariant *body);
/* Takes due jobs and asks what they need. */
gboolean core_hand_out_jobs(Core *core, GError **error);
/* Records the stop, has the end of the audit log signed if it can be, and ends the process. */
void core_stop(Core *core);
/* After a turn while stopping: ends the process when nothing is left to wait for. */
void core_stop_if_done(Core *core);
/* Asks the signer for the checkpoint over the stop in this turn, if there is need and it is there.
 */
gboolean core_ask_checkpoint(Core *core, GError **error);
/* Milliseconds until a job can be handed out; -1: none. */
gint64 core_next_job(Core *core);

#endif
