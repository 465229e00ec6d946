/* SPDX-License-Identifier: Apache-2.0 */
/* "signet gateway": the challenge mails of a whole domain, and the certificates of its mailboxes.
   This process passes mail on and knows who awaits which; what supplies the list is "signet renew"
   in a process of its own, with as many children as certificates are renewed at a time. */
#include "base/clock.h"
#include "base/log.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/gateway_options.h"
#include "client/gateway_server.h"
#include "client/gateway_status.h"
#include "client/listen_socket.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/renewal_list.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_SECONDS 2    /* between two looks at the list */
#define FINISH_SECONDS 20 /* for open connections when it is to end */

typedef struct {
  GatewayOptions *options;
  struct event_base *base;
  GatewayWaiting *waiting;
  GatewayServer *server;
  struct event *events[5]; /* look, end of a child, SIGTERM, SIGINT, SIGHUP */
  struct event *finish;    /* the end, once it is to end */
  char *list_state;        /* that the last run saw; NULL: there was none */
  gint64 started;          /* milliseconds */
  gint64 due_at;           /* monotonic microseconds: the next run */
  pid_t run;               /* 0: none */
  int run_status;          /* of the last */
  gboolean ending;
} Gateway;

/* --- supplying the list -------------------------------------------------------------------------
 */

static void start_run(Gateway *gateway) {
  g_auto(GStrv) words = gateway_options_renewal(gateway->options);
  g_autoptr(GPtrArray) arguments = g_ptr_array_new();
  g_ptr_array_add(arguments, (gpointer) "signet");
  for (char **word = words; *word != NULL; word++)
    g_ptr_array_add(arguments, *word);
  g_ptr_array_add(arguments, NULL);
  gateway->due_at = g_get_monotonic_time() + gateway->options->every * G_USEC_PER_SEC;
  g_free(gateway->list_state);
  gateway->list_state = renewal_list_state(gateway->options->renew->list);
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    signal(SIGCHLD, SIG_DFL);
    execv("/proc/self/exe", (char *const *)arguments->pdata);
    _exit(CLIENT_LOCAL);
  }
  if (child < 0)
    log_warning("no process for a run", "reason", g_strerror(errno), NULL);
  else
    setpgid(child, child); /* here too: it may be ended before it has run */
  gateway->run = MAX(child, 0);
}

static void look(Gateway *gateway) {
  if (gateway->run != 0 || gateway->ending)
    return;
  g_autofree char *state = renewal_list_state(gateway->options->renew->list);
  if (g_get_monotonic_time() >= gateway->due_at || g_strcmp0(state, gateway->list_state) != 0)
    start_run(gateway);
}

static void on_look(evutil_socket_t fd, short what, void *user) {
  (void)fd, (void)what;
  look(user);
}

static void on_hangup(evutil_socket_t fd, short what, void *user) {
  Gateway *gateway = user;
  (void)fd, (void)what;
  gateway->due_at = 0;
  look(gateway);
}

/* --- ending -------------------------------------------------------------------------------------
 */

static void end_when_idle(Gateway *gateway) {
  if (gateway->ending && gateway->run == 0 && gateway_server_open(gateway->server) == 0)
    event_base_loopbreak(gateway->base);
}

static void on_finish(evutil_socket_t fd, short what, void *user) {
  static const struct timeval soon = {.tv_usec = 50000};
  Gateway *gateway = user;
  (void)fd, (void)what;
  end_when_idle(gateway);
  evtimer_add(gateway->finish, &soon);
}

static void end(Gateway *gateway) {
  static const struct timeval limit = {.tv_sec = FINISH_SECONDS};
  if (gateway->ending)
    return;
  gateway->ending = TRUE;
  gateway_server_stop(gateway->server);
  if (gateway->run != 0)
    kill(-gateway->run, SIGTERM);
  on_finish(-1, 0, gateway);
  event_base_loopexit(gateway->base, &limit);
}

static void on_end(evutil_socket_t fd, short what, void *user) {
  (void)fd, (void)what;
  end(user);
}

static void on_child(evutil_socket_t fd, short what, void *user) {
  Gateway *gateway = user;
  int status = 0;
  (void)fd, (void)what;
  if (gateway->run == 0 || waitpid(gateway->run, &status, WNOHANG) != gateway->run)
    return;
  gateway->run = 0;
  gateway->run_status = WIFEXITED(status) ? WEXITSTATUS(status) : CLIENT_LOCAL;
  if (gateway->options->once)
    end(gateway);
  look(gateway);
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static char *status_text(gpointer user) {
  const Gateway *gateway = user;
  g_autofree char *since = clock_rfc3339(gateway->started);
  return g_strdup_printf("the gateway runs since %s%s\n", since,
                         gateway->run != 0 ? ", and renews now" : "");
}

static void gateway_free(Gateway *gateway) {
  gateway_server_free(gateway->server);
  gateway_waiting_free(gateway->waiting);
  for (gsize i = 0; i < G_N_ELEMENTS(gateway->events); i++)
    g_clear_pointer(&gateway->events[i], event_free);
  g_clear_pointer(&gateway->finish, event_free);
  event_base_free(gateway->base);
  gateway_options_free(gateway->options);
  g_free(gateway->list_state);
  g_free(gateway);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gateway, gateway_free)

static gboolean open_sockets(Gateway *gateway, GError **error) {
  const GatewayOptions *o = gateway->options;
  if (!local_file_make_folder(o->folder, error))
    return FALSE;
  gateway->waiting = gateway_waiting_new(gateway->base, o->socket, status_text, gateway, error);
  int fd = gateway->waiting != NULL ? listen_socket_open(o->listen, error) : -1;
  if (fd < 0)
    return FALSE;
  gateway->server =
      gateway_server_new(gateway->base, fd, &o->behind_address, o->behind_length, gateway->waiting);
  return TRUE;
}

static void watch(Gateway *gateway) {
  static const struct timeval every = {.tv_sec = LOOK_SECONDS};
  struct event_base *base = gateway->base;
  struct event *const events[] = {
      event_new(base, -1, EV_PERSIST, on_look, gateway),
      evsignal_new(base, SIGCHLD, on_child, gateway),
      evsignal_new(base, SIGTERM, on_end, gateway),
      evsignal_new(base, SIGINT, on_end, gateway),
      evsignal_new(base, SIGHUP, on_hangup, gateway),
  };
  for (gsize i = 0; i < G_N_ELEMENTS(events); i++) {
    gateway->events[i] = events[i];
    event_add(events[i], i == 0 ? &every : NULL);
  }
  gateway->finish = evtimer_new(base, on_finish, gateway);
}

/* Takes options, as run. */
static gboolean dry_run(GatewayOptions *options, GError **error) {
  g_auto(GStrv) words = gateway_options_renewal(options);
  gateway_options_free(options);
  return command_renew(words, error);
}

static gboolean run(GatewayOptions *options, GError **error) {
  g_autoptr(Gateway) gateway = g_new0(Gateway, 1);
  gateway->options = options;
  gateway->base = event_base_new();
  g_assert(gateway->base != NULL);
  gateway->started = clock_now(&clock_system);
  if (!open_sockets(gateway, error))
    return FALSE;
  watch(gateway);
  output_step("listen", "for the mail server on %s; what is passed on goes to %s",
              gateway->options->listen, gateway->options->behind);
  look(gateway);
  event_base_dispatch(gateway->base);
  if (!gateway->options->once || gateway->run_status == 0)
    return TRUE;
  g_set_error(error, CLIENT_ERROR, gateway->run_status,
              "not every mailbox of the list has what it is to have, see above");
  return FALSE;
}

gboolean command_gateway(char **arguments, GError **error) {
  if (g_strcmp0(arguments[1], "status") == 0)
    return gateway_status(arguments + 1, error);
  GatewayOptions *options = gateway_options_parse(arguments, error);
  if (options == NULL)
    return FALSE;
  output_set_quiet(options->renew->request->prove.quiet);
  return options->renew->dry_run ? dry_run(options, error) : run(options, error);
}
