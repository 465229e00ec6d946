/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl report: what happened, as a page with plots. It asks no server: it reads the store,
   beside one that goes on. */
#include "base/clock.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_settings.h"
#include "daemon/history.h"

#include <stdio.h>
#include <unistd.h>

#define DAYS 30 /* without --from */

typedef struct {
  char *config, *from, *to, *output;
  gboolean progress;
} Options;

static void options_clear(Options *options) {
  g_free(options->config);
  g_free(options->from);
  g_free(options->to);
  g_free(options->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* A time, or a day, which begins at midnight in UTC. */
static gboolean read_time(const char *text, const char *option, gint64 *at) {
  g_autofree char *midnight = text != NULL ? g_strconcat(text, "T00:00:00Z", NULL) : NULL;
  if (text == NULL || clock_read_rfc3339(text, at) || clock_read_rfc3339(midnight, at))
    return TRUE;
  ctl_misused("--%s is no time like 2026-01-31 or 2026-01-31T12:00:00Z", option);
  return FALSE;
}

static gboolean read_span(const Options *options, gint64 now, gint64 *from, gint64 *to) {
  *to = now;
  if (!read_time(options->to, "to", to))
    return FALSE;
  *from = *to - DAYS * CLOCK_DAY;
  if (!read_time(options->from, "from", from))
    return FALSE;
  if (*from < *to)
    return TRUE;
  ctl_misused("--from must be before --to");
  return FALSE;
}

/* A new line each time where it is no terminal. */
static void on_progress(const char *part, gint64 rows) {
  static gint64 shown_at = 0;
  gint64 now = g_get_monotonic_time();
  if (now - shown_at < G_USEC_PER_SEC)
    return;
  shown_at = now;
  fprintf(stderr, "%s: %s: %" G_GINT64_FORMAT "\n", g_get_prgname(), part, rows);
}

static Store *open_store(const CtlSettings *settings, GError **error) {
  g_autofree char *folder = ctl_settings_text(settings, "store", "directory");
  g_autofree char *postgresql = ctl_settings_text(settings, "store", "postgresql");
  g_autofree char *password_file = ctl_settings_text(settings, "store", "password-file");
  const StorePlace place = {
      .folder = folder, .postgresql = postgresql, .password_file = password_file};
  return store_open_reader(&place, error);
}

static gboolean write_page(const Options *options, History *history, GError **error) {
  g_autoptr(CtlSettings) settings = ctl_settings_new(options->config, error);
  g_autoptr(Store) store = settings != NULL ? open_store(settings, error) : NULL;
  if (store == NULL || !history_read(history, store, error))
    return FALSE;
  g_autofree char *url = ctl_settings_text(settings, "acme", "url");
  g_autofree char *page = history_page(history, url);
  return g_file_set_contents_full(options->output, page, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644,
                                  error);
}

int ctl_report_page(int argc, char **argv) {
  g_auto(Options) o = {NULL};
  g_autoptr(GError) error = NULL;
  const GOptionEntry options[] = {{"output", 'o', 0, G_OPTION_ARG_FILENAME, &o.output,
                                   "The page; replaced when it is there", "FILE"},
                                  {"from", 0, 0, G_OPTION_ARG_STRING, &o.from,
                                   "Begin, a day or a time (30 days before --to)", "TIME"},
                                  {"to", 0, 0, G_OPTION_ARG_STRING, &o.to, "End (now)", "TIME"},
                                  {"config", 'c', 0, G_OPTION_ARG_FILENAME, &o.config,
                                   "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
                                  {"progress", 0, 0, G_OPTION_ARG_NONE, &o.progress,
                                   "Show how far it is, also where standard error is no terminal",
                                   NULL},
                                  G_OPTION_ENTRY_NULL};
  gint64 now = clock_now(&clock_system), from = 0, to = 0;
  if (!ctl_options("report",
                   "Writes one HTML file that stands alone: orders, failures by reason, how long "
                   "mails took, certificates that end, revocations. It has no addresses.",
                   options, argc, argv) ||
      !read_span(&o, now, &from, &to))
    return CTL_USAGE;
  if (o.output == NULL)
    return ctl_misused("--output is needed");
  g_autoptr(History) history = history_new(from, to, now);
  history->progress = o.progress || isatty(STDERR_FILENO) ? on_progress : NULL;
  if (!write_page(&o, history, &error))
    return ctl_failed("no report was written", &error);
  return CTL_DONE;
}
