/* SPDX-License-Identifier: Apache-2.0 */
/* What every role of signetd has in common: it is started by the parent with one descriptor, is
   told what it may know, works on one event loop, and ends when its control channel closes. */
#ifndef SIGNET_DAEMON_ROLE_H
#define SIGNET_DAEMON_ROLE_H

#include "base/config.h"
#include "base/metrics.h"
#include "daemon/messages.h"

#define ROLE_CONTROL_FD 3

typedef struct RoleProcess RoleProcess;

/* The way to one core. */
typedef struct {
  RoleProcess *process;
  guint index;      /* of the core */
  guint generation; /* number of the connection */
  Channel *channel;
} RoleCore;

/* One role: the same functions in the same order in each file role_*.c. */
typedef struct {
  Role role;
  /* What changes of a descriptor within one turn of the loop goes to the kernel as one call: for
     many connections. No event may be about a descriptor that is a duplicate of another's. */
  gboolean joins_changes;
  /* Configuration and descriptors are there: begin. FALSE: the process ends with the error in its
   * log. */
  gboolean (*start)(RoleProcess *process, GError **error);
  /* Core says something (every role but core talks to core alone). */
  ChannelReceived received;
  /* A core is there, anew or for the first time; or one is gone. NULL: of no interest. */
  void (*core_up)(RoleProcess *process);
  void (*core_down)(RoleProcess *process);
  /* In core: a socket pair's end to another role, which belongs to the callee. */
  void (*peer)(RoleProcess *process, Role role, int fd);
  /* New descriptors are there, and what the configuration says now; what the role does not take
     from it stays as process->config has it. NULL: the role has nothing to reload. */
  void (*reload)(RoleProcess *process, const Config *config);
  /* Before a process that has started ends. FALSE: it works on, and calls role_stopped itself.
     NULL: nothing to do. */
  gboolean (*stop)(RoleProcess *process);
} RoleTable;

struct RoleProcess {
  const RoleTable *table;
  struct event_base *base;
  guint index; /* among those of its role; known from start on */
  Channel *control;
  GPtrArray *cores;  /* of RoleCore, those that are there */
  guint connections; /* to cores, in all */
  /* Of the core whose message is being taken: an answer goes to it, and is dropped when it is gone.
   */
  guint core_generation;
  Config *config;
  GHashTable *descriptors; /* name -> GArray of int */
  GVariant *roles;         /* in core: what the parent said last; NULL: nothing yet */
  GVariant *ends;          /* the same */
  Metrics *metrics;        /* what edges and inbound count, for core; NULL in other roles */
  struct event *counted;   /* when it is told */
  gpointer state;          /* the role's own */
};

extern const RoleTable role_edge, role_core, role_inbound, role_outbound, role_lookup, role_signer,
    role_linter;

/* Runs a role to its end; returns the exit status. */
int role_run(Role role);

/* Sends what is queued for the cores, waiting a little. */
void role_flush(const RoleProcess *process);
/* Ends the process in good order. */
void role_stopped(void) G_GNUC_NORETURN;

/* The descriptors of a name, taken out of the process's care; an empty array when there are none.
 */
GArray *role_take_descriptors(RoleProcess *process, const char *name);
/* The whole content of the file behind the one descriptor of a name; NULL when it was not given.
 * Bounded. */
GBytes *role_read_file(RoleProcess *process, const char *name, GError **error);
/* The same for each of several descriptors of a name: of GBytes, empty when there are none; NULL
 * when one cannot be read. */
GPtrArray *role_read_files(RoleProcess *process, const char *name, GError **error);
/* The core with the fewest open questions; NULL when there is none, or none takes one more. */
Channel *role_least_asked_core(const RoleProcess *process);
/* Answers a question of the core of that generation, if it is still there; body is sunk. */
void role_answer(RoleProcess *process, guint generation, guint kind, guint64 id, GVariant *body);
/* Tells core what was counted since the last time; otherwise that comes within a second. */
void role_tell_counted(RoleProcess *process);
/* A channel to another role; nonsense from it ends this process, and says so. */
Channel *role_open_channel(RoleProcess *process, Role peer, int fd, ChannelReceived received,
                           ChannelClosed closed, gpointer user);
void role_die_of_nonsense(Role peer, const char *nonsense) G_GNUC_NORETURN;

#endif
