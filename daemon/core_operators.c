/* SPDX-License-Identifier: Apache-2.0 */
/* Operators at the control socket: who they are, how many, and their commands. What one of them
   sends wrong ends that connection and nothing else. */
#include "acme/command.h"
#include "base/log.h"
#include "daemon/core.h"

#include <errno.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_OPERATORS 16 /* at once; further ones wait to be accepted */
#define IDLE_SECONDS 60  /* without a whole command */
#define ACCEPT_PAUSE_SECONDS 1

struct Operators {
  Core *core;
  struct evconnlistener *listener;
  struct event *resume;
  guint count;
};

/* One connection. */
typedef struct {
  Operators *all;
  Channel *channel;
  struct event *idle;
  guint uid;
} Operator;

static const struct timeval idle_time = {IDLE_SECONDS, 0};

/* --- a command in a turn
 * ----------------------------------------------------------------------------------- */

static GVariant *answer_body(gboolean done, const char *text) {
  return g_variant_new("(us)", done ? 0u : 1u, text);
}

static GVariant *no_store(void) {
  return answer_body(FALSE, "The server cannot store anything now, nothing was changed; its log "
                            "says why.");
}

static gboolean run_command(Core *core, CoreItem *item, GError **error) {
  const char *name = NULL, *arguments = NULL;
  g_autofree char *answer = NULL;
  g_variant_get(item->body, "(&s&s)", &name, &arguments);
  core_measure(core);
  CommandOutcome outcome = command_run(&core->acme, item->uid, name, arguments, &answer, error);
  if (outcome == COMMAND_FAILED)
    return FALSE;
  core_answer(core, item->channel, MESSAGE_COMMAND_ANSWER, item->id,
              answer_body(outcome == COMMAND_DONE, answer), no_store());
  return outcome == COMMAND_DONE;
}

static void command_failed(Core *core, CoreItem *item) {
  core_answer(core, item->channel, MESSAGE_COMMAND_ANSWER, item->id, no_store(), no_store());
}

/* --- connections
 * ------------------------------------------------------------------------------------------- */

static void operator_free(Operator *operator) {
  Operators *all = operator->all;
  event_free(operator->idle);
  core_drop_items(all->core, operator->channel);
  g_free(operator);
  all->count--;
  evconnlistener_enable(all->listener);
}

static void end(Operator *operator, const char * why) {
  log_warning("operator dropped", "reason", why, NULL);
  channel_free(operator->channel);
  operator_free(operator);
}

static void on_idle(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  end(user, "no command in time");
}

static void on_gone(Channel *channel G_GNUC_UNUSED, const char *nonsense, gpointer user) {
  if (nonsense != NULL)
    log_warning("operator dropped", "reason", nonsense, NULL);
  operator_free(user);
}

/* One command at a time: what waits for one that does not read its answers is bounded. */
static void on_says(Channel *channel, guint kind, guint64 id, GVariant *body, int fd G_GNUC_UNUSED,
                    gpointer user) {
  Operator *operator= user;
  if (channel_owed_answers(channel) > 1) {
    end(operator, "a command before the answer to the last one was read");
    return;
  }
  CoreItem *item = g_new0(CoreItem, 1);
  *item = (CoreItem){.run = run_command,
                     .failed = command_failed,
                     .channel = channel,
                     .kind = kind,
                     .id = id,
                     .body = g_variant_ref(body),
                     .uid = operator->uid };
  event_add(operator->idle, &idle_time);
  core_enqueue(operator->all->core, item);
}

/* Root, or the user that core itself runs as. */
static gboolean is_permitted(int fd, guint *uid) {
  struct ucred peer = {.uid = (uid_t)-1};
  socklen_t length = sizeof(peer);
  gboolean known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  *uid = peer.uid;
  return known && (peer.uid == 0 || peer.uid == geteuid());
}

static void refuse(int fd, guint uid) {
  g_autofree char *text = g_strdup_printf("%u", uid);
  log_warning("operator refused", "uid", text, NULL);
  close(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address G_GNUC_UNUSED, int length G_GNUC_UNUSED,
                      void *user) {
  Operators *all = user;
  guint uid = 0;
  if (!is_permitted(fd, &uid)) {
    refuse(fd, uid);
    return;
  }
  RoleProcess *process = all->core->process;
  Operator *operator= g_new0(Operator, 1);
  operator->all = all;
  operator->uid = uid;
  operator->channel = role_open_channel(process, ROLE_OPERATOR, fd, on_says, on_gone, operator);
  operator->idle = event_new(process->base, -1, 0, on_idle, operator);
  event_add(operator->idle, &idle_time);
  if (++all->count >= MAX_OPERATORS)
    evconnlistener_disable(listener);
}

static void on_resume(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Operators *all = user;
  if (all->count < MAX_OPERATORS)
    evconnlistener_enable(all->listener);
}

/* Out of descriptors, most likely: wait a little instead of spinning. */
static void on_accept_error(struct evconnlistener *listener, void *user) {
  static const struct timeval pause = {ACCEPT_PAUSE_SECONDS, 0};
  log_error("operator not accepted", "reason", g_strerror(errno), NULL);
  evconnlistener_disable(listener);
  event_add(((Operators *)user)->resume, &pause);
}

Operators *core_operators_new(Core *core, int fd) {
  Operators *all = g_new0(Operators, 1);
  all->core = core;
  all->resume = event_new(core->process->base, -1, 0, on_resume, all);
  all->listener = evconnlistener_new(core->process->base, on_accept, all,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
  evconnlistener_set_error_cb(all->listener, on_accept_error);
  return all;
}
