/* SPDX-License-Identifier: Apache-2.0 */
/* linter: asks a resident program of the operator's what it finds in a certificate that is to be
   signed (docs/operating.md has the protocol). The program has its standard input and output and
   nothing else of Signet. Whatever is not an answer in time is no verdict: the program is killed,
   and started anew for the next question. */
#include "base/log.h"
#include "ca/certificate.h"
#include "daemon/role.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MAX_ANSWER 65536   /* octets of a line */
#define MAX_FINDINGS 16384 /* octets that are kept */
#define UNASKED "the outside linter spoke unasked"

typedef struct {
  guint generation; /* of the core that asked */
  guint64 id;
  char *line;
} Waiting;

typedef struct {
  RoleProcess *process;
  GQueue *questions; /* of Waiting; the first one is asked while asked is set */
  gboolean asked;
  gint64 number; /* of the question that is asked */
  GPid pid;      /* 0: not running */
  struct bufferevent *to, *from;
  struct event *deadline;
} Linter;

static void ask_next(Linter *linter);

static void waiting_free(Waiting *waiting) {
  g_free(waiting->line);
  g_free(waiting);
}

static void end_program(Linter *linter) {
  g_clear_pointer(&linter->to, bufferevent_free);
  g_clear_pointer(&linter->from, bufferevent_free);
  if (linter->pid == 0)
    return;
  kill(linter->pid, SIGKILL);
  waitpid(linter->pid, NULL, 0);
  g_spawn_close_pid(linter->pid);
  linter->pid = 0;
}

static void answer(Linter *linter, const char *findings, const char *failure) {
  Waiting *waiting = g_queue_pop_head(linter->questions);
  linter->asked = FALSE;
  event_del(linter->deadline);
  role_answer(linter->process, waiting->generation, MESSAGE_LINTED, waiting->id,
              g_variant_new("(ss)", findings, failure));
  waiting_free(waiting);
}

/* No verdict: what the program may still say is not waited for. */
static void give_up(Linter *linter, const char *reason) {
  log_error("outside linter failed", "program", config_text(linter->process->config, "ca.linter"),
            "reason", reason, NULL);
  end_program(linter);
  if (linter->asked)
    answer(linter, "", reason);
  ask_next(linter);
}

/* --- what the program says */

/* Findings on one line, without control characters; NULL when list is not of strings. */
static char *join(const json_t *list) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (gsize i = 0; i < json_array_size(list); i++) {
    const char *finding = json_string_value(json_array_get(list, i));
    if (finding == NULL)
      return NULL;
    g_string_append_printf(text, "%s%s", i > 0 ? "; " : "", *finding != '\0' ? finding : "?");
  }
  for (gsize i = 0; i < text->len; i++)
    if (g_ascii_iscntrl(text->str[i]))
      text->str[i] = ' ';
  if (text->len <= MAX_FINDINGS)
    return g_strdup(text->str);
  g_autofree char *cut = g_utf8_make_valid(text->str, MAX_FINDINGS);
  return g_steal_pointer(&cut);
}

static void on_line(Linter *linter, const char *line) {
  json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
  const json_t *list = json_object_get(object, "findings");
  g_autofree char *findings = json_is_array(list) ? join(list) : NULL;
  const json_t *number = json_object_get(object, "id");
  gboolean good =
      findings != NULL && json_is_integer(number) && json_integer_value(number) == linter->number;
  json_decref(object);
  if (!linter->asked || !good) {
    give_up(linter,
            linter->asked ? "the outside linter's answer is not as the protocol has it" : UNASKED);
    return;
  }
  answer(linter, findings, "");
  ask_next(linter);
}

static void on_readable(struct bufferevent *from, void *user) {
  Linter *linter = user;
  while (linter->from == from) {
    struct evbuffer *input = bufferevent_get_input(from);
    gsize length = 0;
    g_autofree char *line = NULL;
    char *read = evbuffer_readln(input, &length, EVBUFFER_EOL_LF);
    if (read == NULL && !linter->asked && evbuffer_get_length(input) > 0)
      give_up(linter, UNASKED);
    else if (read == NULL && evbuffer_get_length(input) > MAX_ANSWER)
      give_up(linter, "the outside linter's answer is too long");
    if (read == NULL)
      return;
    line = g_strndup(read, length);
    free(read);
    if (evbuffer_get_length(input) > 0) /* it could pass for the answer to the next question */
      give_up(linter, "the outside linter said more than its answer");
    else
      on_line(linter, line);
  }
}

static void on_end(struct bufferevent *event G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  give_up(user, "the outside linter ended");
}

static void on_deadline(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  give_up(user, "the outside linter did not answer in time");
}

/* --- asking it */

/* In the child: it ends with this process at the latest, and has no signal ignored. */
static void set_up_child(gpointer user G_GNUC_UNUSED) {
  static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
    signal(ignored[i], SIG_DFL);
}

static gboolean start_program(Linter *linter, GError **error) {
  char *arguments[] = {(char *)config_text(linter->process->config, "ca.linter"), NULL};
  char *environment[] = {(char *)"PATH=/usr/local/bin:/usr/bin:/bin", (char *)"LC_ALL=C.UTF-8",
                         NULL};
  int input = -1, output = -1;
  if (!g_spawn_async_with_pipes("/", arguments, environment,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                                set_up_child, NULL, &linter->pid, &input, &output, NULL, error))
    return FALSE;
  evutil_make_socket_nonblocking(input);
  evutil_make_socket_nonblocking(output);
  linter->to = bufferevent_socket_new(linter->process->base, input, BEV_OPT_CLOSE_ON_FREE);
  linter->from = bufferevent_socket_new(linter->process->base, output, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(linter->to, NULL, NULL, on_end, linter);
  bufferevent_setcb(linter->from, on_readable, NULL, on_end, linter);
  bufferevent_enable(linter->from, EV_READ);
  bufferevent_disable(linter->from, EV_WRITE);
  log_info("outside linter started", "program", arguments[0], NULL);
  return TRUE;
}

static void ask_next(Linter *linter) {
  while (!linter->asked && !g_queue_is_empty(linter->questions)) {
    g_autoptr(GError) error = NULL;
    linter->asked = TRUE;
    if (linter->pid == 0 && !start_program(linter, &error)) {
      linter->pid = 0;
      log_error("outside linter not started", "reason", error->message, NULL);
      answer(linter, "", "the outside linter cannot be started");
      continue;
    }
    const Waiting *waiting = g_queue_peek_head(linter->questions);
    gint64 wait = config_number(linter->process->config, "ca.linter-timeout");
    struct timeval patience = {wait / 1000, wait % 1000 * 1000};
    linter->number++;
    evbuffer_add_printf(bufferevent_get_output(linter->to),
                        "{\"id\": %" G_GINT64_FORMAT ", \"certificate\": \"%s\"}\n", linter->number,
                        waiting->line);
    event_add(linter->deadline, &patience);
  }
}

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind G_GNUC_UNUSED, guint64 id,
                         GVariant *body, int fd G_GNUC_UNUSED, gpointer user) {
  RoleProcess *process = user;
  Linter *linter = process->state;
  g_autoptr(GBytes) tbs = message_octets(body);
  g_autoptr(GBytes) der = certificate_unsigned(tbs);
  if (der == NULL)
    role_die_of_nonsense(ROLE_CORE, "a question about no certificate");
  Waiting *waiting = g_new0(Waiting, 1);
  waiting->generation = process->core_generation;
  waiting->id = id;
  waiting->line = g_base64_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
  g_queue_push_tail(linter->questions, waiting);
  ask_next(linter);
}

static gboolean start(RoleProcess *process, GError **error G_GNUC_UNUSED) {
  Linter *linter = process->state = g_new0(Linter, 1);
  linter->process = process;
  linter->questions = g_queue_new();
  linter->deadline = event_new(process->base, -1, 0, on_deadline, linter);
  return TRUE;
}

static gboolean stop(RoleProcess *process) {
  end_program(process->state);
  return TRUE;
}

const RoleTable role_linter = {
    .role = ROLE_LINTER, .start = start, .received = on_core_says, .stop = stop};
