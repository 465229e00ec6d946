/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl top: a running server in the terminal, live. Plain ANSI; the lines that do not fit are
   left out. */
#include "base/clock.h"
#include "daemon/ctl_top_sample.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define WIDTH 80
#define HEIGHT 24
#define ENTER "\033[?1049h\033[?25l" /* the other screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"

/* --- the screen's lines
 * ---------------------------------------------------------------------------------- */

static void add_line(GPtrArray *lines, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void add_line(GPtrArray *lines, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_ptr_array_add(lines, g_strdup_vprintf(format, values));
  va_end(values);
}

/* Two looks at a server: the earlier one is NULL at first, then rates are those since its start. */
typedef struct {
  const TopSample *now, *before;
  double seconds; /* between them */
} View;

static View view_of(const TopSample *now, const TopSample *before) {
  double start = top_metric(now, "signet_core_start_time_seconds", "");
  /* A core that was started again counts anew. */
  gboolean same =
      before != NULL && top_metric(before, "signet_core_start_time_seconds", "") == start;
  double since = same ? (double)before->at / CLOCK_SECOND : start;
  return (View){now, same ? before : NULL, MAX(0.001, (double)now->at / CLOCK_SECOND - since)};
}

static double grown(const View *view, const char *name, const char *label) {
  double earlier = view->before != NULL ? top_metric(view->before, name, label) : 0;
  return top_metric(view->now, name, label) - earlier;
}

static double per_minute(const View *view, const char *name, const char *label) {
  return 60 * grown(view, name, label) / view->seconds;
}

static double mean_milliseconds(const View *view, const char *sum, const char *count) {
  double times = grown(view, count, "");
  return times > 0 ? 1000 * grown(view, sum, "") / times : 0;
}

static void add_head(GPtrArray *lines, const View *view) {
  const json_t *issuance = json_object_get(view->now->status, "issuance");
  gint64 start = (gint64)(1000 * top_metric(view->now, "signet_core_start_time_seconds", ""));
  g_autofree char *up = top_span(view->now->at - start);
  g_autofree char *time = clock_rfc3339(view->now->at);
  g_autofree char *over = view->before != NULL ? g_strdup_printf("over %.0f s", view->seconds)
                                               : g_strdup("since core's start");
  add_line(lines, "Signet %s  core up %s  %s  issuance %s",
           ctl_member(view->now->status, "version"), up, time,
           json_is_true(json_object_get(issuance, "held")) ? "HELD" : "goes on");
  add_line(lines, "%s", "");
  add_line(lines, "RATES       per minute, %s", over);
}

static void add_rates(GPtrArray *lines, const View *view) {
#define ORDERS(status) per_minute(view, "signet_order_transitions_total", "status=\"" status "\"")
#define REPLIES(verdict) per_minute(view, "signet_replies_judged_total", "verdict=\"" verdict "\"")
#define ANSWERS(code) per_minute(view, "signet_http_requests_total", "code=\"" code)
  double mails = per_minute(view, "signet_mails_total", "");
  double taken = per_minute(view, "signet_mails_total", "outcome=\"accepted\"");
  add_line(lines, "orders      new %.1f   issued %.1f   failed %.1f", ORDERS("pending"),
           ORDERS("valid"), ORDERS("invalid"));
  add_line(lines, "mails out   taken %.1f   not taken %.1f", taken, mails - taken);
  add_line(lines, "replies     right %.1f   wrong digest %.1f   noted %.1f   ignored %.1f",
           REPLIES("passed"), REPLIES("wrong digest"), REPLIES("noted"), REPLIES("ignored"));
  add_line(lines, "HTTP        2xx %.1f   4xx %.1f   5xx %.1f   by limits %.1f", ANSWERS("2"),
           ANSWERS("4"), ANSWERS("5"), per_minute(view, "signet_limit_hits_total", ""));
  add_line(lines, "SMTP        2xx %.1f   4xx %.1f   5xx %.1f",
           per_minute(view, "signet_smtp_replies_total", "code=\"2"),
           per_minute(view, "signet_smtp_replies_total", "code=\"4"),
           per_minute(view, "signet_smtp_replies_total", "code=\"5"));
  add_line(lines, "store       commits %.1f of %.1f ms   failed %.1f   ACME requests of %.1f ms",
           per_minute(view, "signet_commit_seconds_count", ""),
           mean_milliseconds(view, "signet_commit_seconds_sum", "signet_commit_seconds_count"),
           per_minute(view, "signet_turn_failures_total", ""),
           mean_milliseconds(view, "signet_http_request_seconds_sum",
                             "signet_http_request_seconds_count"));
#undef ORDERS
#undef REPLIES
#undef ANSWERS
}

/* "mail 3, due for 5 s"; the caller frees it. */
static char *job_text(const TopSample *now, const json_t *row) {
  gint64 due = 0;
  gboolean known = clock_read_rfc3339(ctl_member(row, "oldest"), &due);
  g_autofree char *span = known ? top_span(ABS(now->at - due)) : g_strdup("-");
  return g_strdup_printf("%-10s %" JSON_INTEGER_FORMAT ", %s %s", ctl_member(row, "kind"),
                         json_integer_value(json_object_get(row, "count")),
                         due > now->at ? "first in" : "due for", span);
}

static void add_jobs(GPtrArray *lines, const TopSample *now) {
  const json_t *jobs = json_object_get(now->status, "jobs");
  size_t count = json_array_size(jobs);
  add_line(lines, "%s", "");
  add_line(lines, "QUEUE       jobs");
  for (size_t i = 0; i < count; i += 2) {
    g_autofree char *left = job_text(now, json_array_get(jobs, i));
    g_autofree char *right =
        i + 1 < count ? job_text(now, json_array_get(jobs, i + 1)) : g_strdup("");
    add_line(lines, "  %-38s%s", left, right);
  }
}

/* Of one processor, in percent. */
static double load_of(const View *view, gint64 pid, gint64 used, gint64 since) {
  const gint64 *before = view->before != NULL
                             ? g_hash_table_lookup(view->before->used, GINT_TO_POINTER((gint)pid))
                             : NULL;
  double seconds =
      before != NULL ? view->seconds : MAX(0.001, (double)(view->now->at - since) / CLOCK_SECOND);
  return (double)(used - (before != NULL ? *before : 0)) / G_USEC_PER_SEC * 100 / seconds;
}

static void add_role(GPtrArray *lines, const View *view, const json_t *row) {
  gint64 pid = json_integer_value(json_object_get(row, "pid")), since = 0, used = 0, memory = 0;
  g_autofree char *name = g_strdup_printf("%s %" JSON_INTEGER_FORMAT, ctl_member(row, "role"),
                                          json_integer_value(json_object_get(row, "index")));
  clock_read_rfc3339(ctl_member(row, "since"), &since);
  if (pid == 0 || !top_process(pid, &used, &memory)) {
    add_line(lines, "  %-10s NOT RUNNING", name);
    return;
  }
  g_autofree char *up = top_span(view->now->at - since);
  add_line(lines, "  %-10s %8" G_GINT64_FORMAT " %6.1f %8.1f  %-12s %8" JSON_INTEGER_FORMAT, name,
           pid, load_of(view, pid, used, since), (double)memory / (1024 * 1024), up,
           json_integer_value(json_object_get(row, "restarts")));
}

static void add_roles(GPtrArray *lines, const View *view) {
  json_t *row = NULL;
  size_t i = 0;
  add_line(lines, "%s", "");
  add_line(lines, "ROLES            pid  CPU %%      MiB  up           restarts");
  json_array_foreach(json_object_get(view->now->status, "roles"), i, row)
      add_role(lines, view, row);
}

static GPtrArray *lines_of(const TopSample *now, const TopSample *before) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  View view = view_of(now, before);
  add_head(lines, &view);
  add_rates(lines, &view);
  add_jobs(lines, now);
  add_roles(lines, &view);
  return lines;
}

/* --- the terminal
 * ----------------------------------------------------------------------------------------- */

static volatile sig_atomic_t ended;

static void on_end(int number G_GNUC_UNUSED) {
  ended = 1;
}

/* It only interrupts the wait, so that the screen is drawn anew. */
static void on_resize(int number G_GNUC_UNUSED) {
}

static void size_of(guint *width, guint *height) {
  struct winsize size = {0};
  gboolean known =
      ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
  *width = known ? size.ws_col : WIDTH;
  *height = known ? size.ws_row : HEIGHT;
}

/* What there are more lines of is said in the last one. */
static void draw(const GPtrArray *lines) {
  guint width = 0, height = 0;
  size_of(&width, &height);
  guint shown = lines->len < height ? lines->len : height - 1;
  g_autoptr(GString) screen = g_string_new("\033[H");
  for (guint i = 0; i < shown; i++)
    g_string_append_printf(screen, "%.*s\033[K\n", (int)width, (const char *)lines->pdata[i]);
  g_autofree char *last =
      g_strdup_printf("q: end%s", shown < lines->len ? "; more in a higher window" : "");
  g_string_append_printf(screen, "\033[J\033[%u;1H%.*s\033[K", height, (int)width, last);
  fputs(screen->str, stdout);
  fflush(stdout);
}

/* TRUE: it is time for another look, or only for another drawing. */
static gboolean wait_for(gint64 until, gboolean *look) {
  struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
  gint64 left = (until - g_get_monotonic_time()) / 1000;
  int ready = poll(&keys, 1, (int)CLAMP(left, 0, 3600 * 1000));
  char key = 0;
  *look = ready == 0;
  if (ready <= 0)
    return ready == 0 || errno == EINTR;
  return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q';
}

static void show(const CtlServer *server, gint64 interval) {
  g_autoptr(TopSample) now = NULL, before = NULL;
  g_autoptr(GPtrArray) lines = NULL;
  gint64 next = 0;
  for (gboolean look = TRUE, goes_on = TRUE; goes_on && !ended;) {
    if (look) {
      g_autoptr(GError) error = NULL;
      top_sample_free(before);
      before = g_steal_pointer(&now);
      now = top_sample_new(server, &error);
      g_clear_pointer(&lines, g_ptr_array_unref);
      lines = now != NULL ? lines_of(now, before) : g_ptr_array_new_with_free_func(g_free);
      if (now == NULL)
        add_line(lines, "signetd does not answer: %s", error->message);
      next = g_get_monotonic_time() + interval * G_USEC_PER_SEC;
    }
    draw(lines);
    goes_on = wait_for(next, &look);
  }
}

static int run_live(const CtlServer *server, gint64 interval) {
  struct termios usual, raw;
  const struct sigaction end = {.sa_handler = on_end}, resize = {.sa_handler = on_resize};
  if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &usual) != 0)
    return ctl_misused("this is no terminal; use --once");
  raw = usual;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  sigaction(SIGINT, &end, NULL);
  sigaction(SIGTERM, &end, NULL);
  sigaction(SIGHUP, &end, NULL);
  sigaction(SIGWINCH, &resize, NULL);
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  fputs(ENTER, stdout);
  show(server, interval);
  fputs(LEAVE, stdout);
  fflush(stdout);
  tcsetattr(STDIN_FILENO, TCSANOW, &usual);
  return CTL_DONE;
}

static int run_once(const CtlServer *server) {
  g_autoptr(GError) error = NULL;
  g_autoptr(TopSample) now = top_sample_new(server, &error);
  if (now == NULL)
    return ctl_failed("signetd does not answer", &error);
  g_autoptr(GPtrArray) lines = lines_of(now, NULL);
  for (guint i = 0; i < lines->len; i++)
    puts(lines->pdata[i]);
  return CTL_DONE;
}

int ctl_top(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  gboolean once = FALSE;
  int interval = 2;
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &server.config,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"socket", 's', 0, G_OPTION_ARG_FILENAME, &server.socket,
       "Control socket of the server, in place of a configuration", "PATH"},
      {"interval", 'i', 0, G_OPTION_ARG_INT, &interval, "Seconds between two looks (2)", "N"},
      {"once", 0, 0, G_OPTION_ARG_NONE, &once, "Print one look, and end", NULL},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("top",
                   "Shows a running server live: rates, queue, and processor and memory of each "
                   "process. q ends it.",
                   options, argc, argv))
    return CTL_USAGE;
  if (interval < 1 || interval > 3600)
    return ctl_misused("--interval is 1 to 3600 seconds");
  return once ? run_once(&server) : run_live(&server, interval);
}
