/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent.h"
#include "acme/acme.h"
#include "base/log.h"
#include "daemon/check.h"
#include "daemon/control.h"
#include "daemon/messages.h"
#include "daemon/role.h"
#include "daemon/role_files.h"
#include "daemon/service_manager.h"
#include "daemon/sockets.h"
#include "daemon/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATHS_AT_ONCE 2 /* within a minute; from the next one on the restart waits */
#define MAX_BACK_OFF_SECONDS 30
#define MAX_DESCRIPTORS 65536
#define STOP_SECONDS 10   /* until a role that does not end is killed */
#define CONTROL_SECONDS 1 /* between attempts to have the control socket */

typedef struct Parent Parent;

/* One process. */
typedef struct {
  Parent *parent;
  Role role;
  guint index; /* among those of its role */
  pid_t pid;   /* 0: not running */
  Channel *control;
  GArray *https, *http, *smtp, *lmtp,
      *metrics;                      /* its listening sockets, kept over restarts; NULL: none */
  gint64 deaths[DEATHS_AT_ONCE + 1]; /* monotonic seconds, newest first */
  guint deaths_in_row;
  gboolean begun; /* its work, once at least */
  gint64 since;   /* when it was started last, milliseconds; 0: never */
  guint restarts;
  struct event *restart, *kill;
} Child;

struct Parent {
  const char *path;
  Config *config;
  struct event_base *base;
  GPtrArray *children;
  char *control_path;
  int control;             /* the control socket, listening; the first core's; -1: not ours */
  gboolean control_missed; /* and it was said */
  gboolean ready;          /* and the service manager was told */
  gboolean stopping;
  guint stage; /* of stopping */
};

/* The order in which roles are stopped: those that take work first. */
static const RoleSet stop_stages[] = {ROLE_BIT(ROLE_EDGE) | ROLE_BIT(ROLE_INBOUND),
                                      ROLE_BIT(ROLE_CORE),
                                      ROLE_BIT(ROLE_OUTBOUND) | ROLE_BIT(ROLE_LOOKUP) |
                                          ROLE_BIT(ROLE_SIGNER) | ROLE_BIT(ROLE_LINTER)};

static gint64 seconds_now(void) {
  return g_get_monotonic_time() / G_USEC_PER_SEC;
}

/* --- what a role is given
 * --------------------------------------------------------------------------------- */

static RoleFiles files_of(const Child *child) {
  return (RoleFiles){child->control, child->role, child->index == 0, child->parent->config};
}

static void give_sockets(const RoleFiles *files, const char *name, GArray *sockets) {
  for (guint i = 0; sockets != NULL && i < sockets->len; i++)
    role_files_give(files, name, fcntl(g_array_index(sockets, int, i), F_DUPFD_CLOEXEC, 0), name);
}

/* Kept over restarts of core: who connects meanwhile waits. */
static void give_control(const RoleFiles *files, int control) {
  if (files->role == ROLE_CORE && files->first)
    role_files_give(files, "control", fcntl(control, F_DUPFD_CLOEXEC, 0), CONTROL_NAME);
}

static void send_peer(Child *child, const Child *peer, int fd) {
  channel_send(child->control, MESSAGE_PEER,
               g_variant_new("(uu)", (guint32)peer->role, peer->index), fd);
}

/* A new pair between a core and another role. */
static void connect_pair(Child *core, Child *limb) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
    log_error("no socket pair", "reason", g_strerror(errno), NULL);
    return;
  }
  send_peer(core, limb, pair[0]);
  send_peer(limb, core, pair[1]);
}

/* One that is dying is passed over: its successor is connected when it starts. */
static void connect_child(Child *child) {
  GPtrArray *children = child->parent->children;
  for (guint i = 0; i < children->len; i++) {
    Child *other = children->pdata[i];
    if (other->pid == 0 || other->control == NULL || other == child)
      continue;
    if (child->role == ROLE_CORE && other->role != ROLE_CORE)
      connect_pair(child, other);
    else if (child->role != ROLE_CORE && other->role == ROLE_CORE)
      connect_pair(other, child);
  }
}

/* What runs, to core, which tells operators. */
static void tell_roles(Parent *parent) {
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE(ACME_ROLES_TYPE));
  for (guint i = 0; i < parent->children->len; i++) {
    const Child *child = parent->children->pdata[i];
    g_variant_builder_add(&builder, "(uuuxu)", (guint32)child->role, child->index,
                          (guint32)child->pid, child->since, child->restarts);
  }
  g_autoptr(GVariant) roles = g_variant_ref_sink(g_variant_builder_end(&builder));
  for (guint i = 0; i < parent->children->len; i++) {
    Child *child = parent->children->pdata[i];
    if (child->role == ROLE_CORE && child->pid != 0 && child->control != NULL)
      channel_send(child->control, MESSAGE_ROLES, roles, -1);
  }
}

/* --- starting
 * --------------------------------------------------------------------------------------------- */

/* The first time that every role has begun, the start is over. */
static void note_started(Child *child) {
  Parent *parent = child->parent;
  gboolean all = !parent->ready;
  child->begun = TRUE;
  for (guint i = 0; i < parent->children->len; i++)
    all = all && ((const Child *)parent->children->pdata[i])->begun;
  if (!all)
    return;
  parent->ready = TRUE;
  service_manager_tell("READY=1");
}

static void on_child_says(Channel *channel G_GNUC_UNUSED, guint kind, guint64 id G_GNUC_UNUSED,
                          GVariant *body G_GNUC_UNUSED, int fd, gpointer user) {
  if (fd >= 0)
    close(fd);
  if (kind == MESSAGE_STARTED)
    note_started(user);
}

/* Its death is seen by SIGCHLD. */
static void on_child_closed(Channel *channel G_GNUC_UNUSED, const char *nonsense, gpointer user) {
  Child *child = user;
  child->control = NULL;
  if (nonsense != NULL && child->pid > 0) {
    log_error("nonsense received", "from", role_names[child->role], "reason", nonsense, NULL);
    kill(child->pid, SIGKILL);
  }
}

static void exec_role(Role role, int control) {
  g_autofree char *argument = g_strconcat("--role=", role_names[role], NULL);
  char *const arguments[] = {(char *)"signetd", argument, NULL};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (control == ROLE_CONTROL_FD)
    fcntl(control, F_SETFD, 0);
  else
    dup2(control, ROLE_CONTROL_FD);
  close_range(ROLE_CONTROL_FD + 1, G_MAXUINT, 0);
  execv("/proc/self/exe", arguments);
  _exit(127);
}

static gboolean start_process(Child *child) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
    return FALSE;
  pid_t pid = fork();
  if (pid == 0)
    exec_role(child->role, pair[1]);
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return FALSE;
  }
  child->pid = pid;
  child->control = channel_new(child->parent->base, pair[0], &message_catalogue, ROLE_PARENT,
                               child->role, on_child_says, on_child_closed, child);
  return TRUE;
}

static void schedule_restart(Child *child, guint seconds) {
  struct timeval wait = {seconds, 0};
  event_add(child->restart, &wait);
}

/* While another server has it, which may be one that is about to end, there is no work for a core.
 */
static gboolean have_control(Parent *parent) {
  g_autoptr(GError) error = NULL;
  if (parent->control < 0)
    parent->control = control_listen(parent->control_path, &error);
  if (parent->control < 0 && !parent->control_missed)
    log_error("core waits for the control socket", "reason", error->message, NULL);
  parent->control_missed = parent->control < 0;
  return parent->control >= 0;
}

static void drop_control(Parent *parent) {
  if (parent->control < 0)
    return;
  unlink(parent->control_path);
  close(parent->control);
  parent->control = -1;
}

static void start_child(Child *child) {
  Parent *parent = child->parent;
  if (child->role == ROLE_CORE && !have_control(parent)) {
    schedule_restart(child, CONTROL_SECONDS);
    return;
  }
  if (!start_process(child)) {
    log_error("role not started", "which", role_names[child->role], "reason", g_strerror(errno),
              NULL);
    schedule_restart(child, 1);
    return;
  }
  channel_send(child->control, MESSAGE_CONFIG, config_share(parent->config, child->role), -1);
  RoleFiles files = files_of(child);
  role_files_give_all(&files);
  give_control(&files, parent->control);
  give_sockets(&files, "listen-https", child->https);
  give_sockets(&files, "listen-http", child->http);
  give_sockets(&files, "listen-metrics", child->metrics);
  give_sockets(&files, "listen-smtp", child->smtp);
  give_sockets(&files, "listen-lmtp", child->lmtp);
  channel_send(child->control, MESSAGE_START, g_variant_new_uint32(child->index), -1);
  connect_child(child);
  child->restarts += child->since != 0 ? 1 : 0;
  child->since = clock_now(&clock_system);
  tell_roles(parent);
}

static void on_restart(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Child *child = user;
  if (!child->parent->stopping && child->pid == 0)
    start_child(child);
}

/* --- ending
 * -----------------------------------------------------------------------------------------------
 */

/* The first restarts are immediate; back-off starts at the third death within a minute. */
static guint restart_delay(Child *child) {
  gint64 now = seconds_now();
  memmove(child->deaths + 1, child->deaths, sizeof(child->deaths) - sizeof(child->deaths[0]));
  child->deaths[0] = now;
  gint64 oldest = child->deaths[DEATHS_AT_ONCE];
  if (oldest == 0 || now - oldest > 60) {
    child->deaths_in_row = 0;
    return 0;
  }
  guint shift = MIN(child->deaths_in_row, 5);
  child->deaths_in_row++;
  return MIN(1u << shift, MAX_BACK_OFF_SECONDS);
}

static void on_kill(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Child *child = user;
  if (child->pid == 0)
    return;
  log_warning("role killed", "which", role_names[child->role], "reason", "it did not stop in time",
              NULL);
  kill(child->pid, SIGKILL);
}

/* Closes the control channels of the next stage once those before have ended. */
static void advance_stop(Parent *parent) {
  static const struct timeval patience = {STOP_SECONDS, 0};
  while (parent->stage < G_N_ELEMENTS(stop_stages)) {
    gboolean running = FALSE;
    for (guint i = 0; i < parent->children->len; i++) {
      Child *child = parent->children->pdata[i];
      if (child->pid == 0 || (stop_stages[parent->stage] & ROLE_BIT(child->role)) == 0)
        continue;
      running = TRUE;
      if (child->control == NULL)
        continue;
      channel_flush(child->control, 1000);
      g_clear_pointer(&child->control, channel_free);
      event_add(child->kill, &patience);
    }
    if (running)
      return;
    parent->stage++;
  }
  event_base_loopbreak(parent->base);
}

static void child_ended(Child *child, int status) {
  g_autofree char *how = WIFSIGNALED(status) ? g_strdup_printf("signal %d", WTERMSIG(status))
                                             : g_strdup_printf("exit %d", WEXITSTATUS(status));
  child->pid = 0;
  event_del(child->kill);
  g_clear_pointer(&child->control, channel_free);
  if (child->parent->stopping)
    return;
  guint delay = restart_delay(child);
  g_autofree char *wait = g_strdup_printf("%u", delay);
  log_warning("role ended", "which", role_names[child->role], "how", how, "restart-in-seconds",
              wait, NULL);
  schedule_restart(child, delay);
  tell_roles(child->parent);
}

static void on_sigchld(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Parent *parent = user;
  int status = 0;
  for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
    for (guint i = 0; i < parent->children->len; i++)
      if (((Child *)parent->children->pdata[i])->pid == pid)
        child_ended(parent->children->pdata[i], status);
  if (parent->stopping)
    advance_stop(parent);
}

static void on_sigterm(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Parent *parent = user;
  if (parent->stopping)
    return;
  log_info("stopping", NULL);
  service_manager_tell("STOPPING=1");
  parent->stopping = TRUE;
  drop_control(parent);
  advance_stop(parent);
}

/* Roles take from it which keys, files and lists hold now; what else changed in the file takes a
   restart. */
static void on_sighup(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Parent *parent = user;
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  Config *config = check_configuration(parent->path, config_test_mode(parent->config), mistakes);
  for (guint i = 0; i < mistakes->len; i++)
    log_error("not reloaded", "reason", mistakes->pdata[i], NULL);
  if (config == NULL)
    return;
  config_free(parent->config);
  parent->config = config;
  log_info("reloading", NULL);
  for (guint i = 0; i < parent->children->len; i++) {
    Child *child = parent->children->pdata[i];
    if (child->pid == 0 || child->control == NULL)
      continue;
    RoleFiles files = files_of(child);
    role_files_give_reloaded(&files);
    channel_send(child->control, MESSAGE_RELOAD, config_share(config, child->role), -1);
  }
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

static Child *add_child(Parent *parent, Role role, guint index) {
  Child *child = g_new0(Child, 1);
  child->parent = parent;
  child->role = role;
  child->index = index;
  child->restart = event_new(parent->base, -1, 0, on_restart, child);
  child->kill = event_new(parent->base, -1, 0, on_kill, child);
  g_ptr_array_add(parent->children, child);
  return child;
}

static gboolean add_edges(Parent *parent, GError **error) {
  guint count = (guint)config_number(parent->config, "acme.processes");
  if (count == 0)
    count = (guint)g_get_num_processors();
  for (guint i = 0; i < count; i++) {
    Child *edge = add_child(parent, ROLE_EDGE, i);
    edge->https = sockets_listen(config_list(parent->config, "acme.listen"), TRUE, error);
    if (edge->https == NULL)
      return FALSE;
    edge->http = sockets_listen(config_list(parent->config, "publish.listen"), TRUE, error);
    if (edge->http == NULL)
      return FALSE;
    if (i == 0)
      edge->metrics = sockets_listen_locally(config_list(parent->config, "metrics.listen"), error);
    if (i == 0 && edge->metrics == NULL)
      return FALSE;
  }
  return TRUE;
}

static gboolean add_children(Parent *parent, GError **error) {
  add_child(parent, ROLE_SIGNER, 0);
  add_child(parent, ROLE_LOOKUP, 0);
  if (config_given(parent->config, "ca.linter"))
    add_child(parent, ROLE_LINTER, 0);
  add_child(parent, ROLE_OUTBOUND, 0);
  for (guint i = 0; i < store_place_cores(parent->config); i++)
    add_child(parent, ROLE_CORE, i);
  Child *inbound = add_child(parent, ROLE_INBOUND, 0);
  inbound->smtp = sockets_listen(config_list(parent->config, "mail.listen"), FALSE, error);
  if (inbound->smtp != NULL)
    inbound->lmtp = sockets_listen_locally(config_list(parent->config, "mail.lmtp"), error);
  return inbound->lmtp != NULL && add_edges(parent, error);
}

static gboolean make_folders(const Config *config, GError **error) {
  g_autofree char *published =
      g_build_filename(config_text(config, "store.directory"), "published", NULL);
  if (g_mkdir_with_parents(published, 0700) == 0)
    return TRUE;
  g_set_error(error, SOCKETS_ERROR, SOCKETS_ERROR_BIND, "%s: %s", published, g_strerror(errno));
  return FALSE;
}

/* Every connection takes a descriptor: the roles inherit what the system allows. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = MIN(limit.rlim_max, MAX_DESCRIPTORS);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    log_warning("descriptor limit not raised", "reason", g_strerror(errno), NULL);
}

static void watch_signal(Parent *parent, int number, event_callback_fn handler) {
  event_add(evsignal_new(parent->base, number, handler, parent), NULL);
}

static void warn_of_settings(const Config *config) {
  if (!config_given(config, "dns.trust-anchor"))
    log_warning("DNS answers are not validated", "reason", "[dns] trust-anchor is empty", NULL);
  if (!config_given(config, "ca.audit-key"))
    log_warning("the audit log has no signed checkpoints", "reason", "[ca] audit-key is empty",
                NULL);
  if (config_test_mode(config))
    log_warning("test mode", "reason", "answers are made worse on purpose, see [test]", NULL);
}

static void run(Parent *parent) {
  watch_signal(parent, SIGTERM, on_sigterm);
  watch_signal(parent, SIGINT, on_sigterm);
  watch_signal(parent, SIGHUP, on_sighup);
  watch_signal(parent, SIGCHLD, on_sigchld);
  warn_of_settings(parent->config);
  for (guint i = 0; i < parent->children->len; i++)
    start_child(parent->children->pdata[i]);
  log_info("signetd started", "version", SIGNET_VERSION, "url",
           config_text(parent->config, "acme.url"), NULL);
  event_base_dispatch(parent->base);
  log_info("signetd stopped", NULL);
}

int parent_run(const char *path, Config *config) {
  g_autoptr(GError) error = NULL;
  Parent parent = {.path = path,
                   .config = config,
                   .base = event_base_new(),
                   .children = g_ptr_array_new(),
                   .control_path = control_path(config_text(config, "store.directory")),
                   .control = -1};
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_DUMPABLE, 0);
  umask(077);
  raise_descriptor_limit();
  gboolean can_start = make_folders(config, &error) && add_children(&parent, &error);
  if (can_start)
    run(&parent);
  else
    log_error("cannot start", "reason", error->message, NULL);
  g_free(parent.control_path);
  config_free(parent.config);
  return can_start ? EXIT_SUCCESS : EXIT_FAILURE;
}
