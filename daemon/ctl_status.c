/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl status: how a server does, for people. What it says of itself, and what the files of
   its configuration say: those also while it does not run. */
#include "base/clock.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_settings.h"
#include "daemon/ends.h"
#include "daemon/store_place.h"

#include <stdio.h>
#include <unistd.h>

#define ANSWER_SECONDS 20

/* --- what ends
 * ---------------------------------------------------------------------------------------------- */

static json_t *ends_of(const CtlSettings *settings) {
  json_t *rows = json_array();
  gint64 now = clock_now(&clock_system);
  for (gsize i = 0; i < ends_count; i++) {
    gint64 end = 0;
    g_autofree char *path = ctl_settings_text(settings, ends[i].group, ends[i].name);
    if (*path == '\0')
      continue;
    gboolean read = end_read(&ends[i], path, &end);
    g_autofree char *at = read ? clock_rfc3339(end) : NULL;
    json_t *row = json_pack("{s:s, s:s, s:s*, s:b}", "what", ends[i].what, "file", path,
                            ends[i].end_of == NULL ? "change" : "end", at, "soon",
                            read && end - now < ends[i].soon);
    if (read)
      json_object_set_new(row, "days", json_integer((end - now) / CLOCK_DAY));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *store_of(const CtlSettings *settings) {
  g_autofree char *folder = ctl_settings_text(settings, "store", "directory");
  gint64 octets = access(folder, X_OK) == 0 ? 0 : -1;
  for (const char *const *file = store_place_files; octets >= 0 && *file != NULL; file++)
    octets += store_place_octets(folder, *file);
  g_autofree char *database = ctl_settings_text(settings, "store", "postgresql");
  return json_pack("{s:s, s:I, s:b}", "directory", folder, "octets", (json_int_t)octets,
                   "postgresql", *database != '\0');
}

/* --- printing
 * -----------------------------------------------------------------------------------------------
 */

/* "3 h 12 min" of a time that is past or to come; the caller frees it. */
static char *span_text(gint64 span) {
  gint64 minutes = ABS(span) / CLOCK_MINUTE, hours = minutes / 60, days = hours / 24;
  if (days > 0)
    return g_strdup_printf("%" G_GINT64_FORMAT " d %" G_GINT64_FORMAT " h", days, hours % 24);
  if (hours > 0)
    return g_strdup_printf("%" G_GINT64_FORMAT " h %" G_GINT64_FORMAT " min", hours, minutes % 60);
  if (minutes > 0)
    return g_strdup_printf("%" G_GINT64_FORMAT " min", minutes);
  return g_strdup_printf("%" G_GINT64_FORMAT " s", ABS(span) / CLOCK_SECOND);
}

/* How far a member's time is from now (positive: to come); FALSE when it has none. */
static gboolean distance(const json_t *object, const char *name, gint64 *span) {
  gint64 at = 0;
  if (!clock_read_rfc3339(ctl_member(object, name), &at))
    return FALSE;
  *span = at - clock_now(&clock_system);
  return TRUE;
}

static void print_roles(const json_t *status) {
  json_t *row = NULL;
  size_t i = 0;
  json_array_foreach(json_object_get(status, "roles"), i, row) {
    gint64 pid = json_integer_value(json_object_get(row, "pid")), since = 0;
    g_autofree char *up = distance(row, "since", &since) ? span_text(since) : g_strdup("-");
    g_autofree char *name = g_strdup_printf("%s %d", ctl_member(row, "role"),
                                            (int)json_integer_value(json_object_get(row, "index")));
    printf("%-11s %-11s ", i == 0 ? "roles" : "", name);
    if (pid == 0)
      printf("NOT RUNNING since it ended; is started again\n");
    else
      printf("pid %-8" G_GINT64_FORMAT " up %-12s restarts %d\n", pid, up,
             (int)json_integer_value(json_object_get(row, "restarts")));
  }
}

static void print_jobs(const json_t *status) {
  json_t *row = NULL;
  size_t i = 0;
  json_array_foreach(json_object_get(status, "jobs"), i, row) {
    gint64 due = 0;
    g_autofree char *text = distance(row, "oldest", &due) ? span_text(due) : g_strdup("-");
    printf("%-11s %-11s %-12d %s %s%s\n", i == 0 ? "queue" : "", ctl_member(row, "kind"),
           (int)json_integer_value(json_object_get(row, "count")), due > 0 ? "first in" : "due for",
           text, due > 0 ? "" : " at most");
  }
}

static void print_lists(const json_t *status) {
  const json_t *lists = json_object_get(status, "lists");
  gint64 made = 0, end = 0, overdue = json_integer_value(json_object_get(lists, "overdue"));
  printf("%-11s ", "lists");
  if (distance(lists, "oldest", &made) && distance(lists, "first-end", &end)) {
    g_autofree char *age = span_text(made), *left = span_text(end);
    printf("%d good, made %s ago at most, good for %s at least",
           (int)json_integer_value(json_object_get(lists, "count")), age, left);
  } else {
    printf("none yet");
  }
  if (overdue > 0)
    printf("; %" G_GINT64_FORMAT " OVERDUE, the log says why", overdue);
  printf("\n");
}

static void print_issuance(const json_t *status) {
  const json_t *issuance = json_object_get(status, "issuance");
  gint64 last = 0;
  g_autofree char *ago = distance(issuance, "last", &last) ? span_text(last) : NULL;
  if (json_is_true(json_object_get(issuance, "held")))
    printf("%-11s HELD: %s\n", "issuance", ctl_member(issuance, "why"));
  else
    printf("%-11s goes on\n", "issuance");
  printf("%-11s last certificate %s%s\n", "", ago != NULL ? ago : "none yet",
         ago != NULL ? " ago" : "");
}

static void print_ends(const json_t *status) {
  json_t *row = NULL;
  size_t i = 0;
  json_array_foreach(json_object_get(status, "ends"), i, row) {
    gboolean change = json_object_get(row, "change") != NULL;
    const char *at = ctl_member(row, change ? "change" : "end");
    gint64 days = json_integer_value(json_object_get(row, "days"));
    printf("%-11s %-19s ", i == 0 ? "ends" : "", ctl_member(row, "what"));
    if (*at == '\0')
      printf("cannot be read: %s\n", ctl_member(row, "file"));
    else
      printf("%s%.10s, %s%" G_GINT64_FORMAT " days%s\n", change ? "change it from " : "", at,
             days < 0 ? "PAST by " : "in ", ABS(days),
             json_is_true(json_object_get(row, "soon")) ? ": SOON" : "");
  }
}

static void print_octets(const char *what, const char *where, const json_t *of) {
  json_int_t octets = json_integer_value(json_object_get(of, "octets"));
  if (octets < 0)
    printf("%-11s %s: cannot be read\n", what, where);
  else
    printf("%-11s %s, %.1f MiB\n", what, where, (double)octets / (1024 * 1024));
}

/* A database's size is known to the server that has it open. */
static void print_store(const json_t *status, const json_t *store) {
  const json_t *database = json_object_get(status, "database");
  print_octets("store", ctl_member(store, "directory"), store);
  if (database != NULL)
    print_octets("", "PostgreSQL", database);
  else if (json_is_true(json_object_get(store, "postgresql")))
    printf("%-11s PostgreSQL, its size is told by a signetd that runs\n", "");
}

static void print_status(const json_t *status, gboolean runs) {
  const json_t *store = json_object_get(status, "store");
  if (runs) {
    printf("%-11s runs, %s\n", "signetd", ctl_member(status, "version"));
    print_roles(status);
    print_jobs(status);
    print_lists(status);
    print_issuance(status);
  } else {
    printf("%-11s DOES NOT ANSWER: %s\n", "signetd", ctl_member(status, "why"));
  }
  if (store != NULL)
    print_store(status, store);
  print_ends(status);
}

int ctl_status(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_autoptr(GError) error = NULL, unread = NULL;
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), G_OPTION_ENTRY_NULL};
  if (!ctl_options(
          "status",
          "Tells how the server does: processes, queue, revocation lists, issuance, store, "
          "and what ends soon. Exit status 0: it answers.",
          options, argc, argv))
    return CTL_USAGE;
  json_t *status = ctl_ask_within(&server, "status", json_object(), ANSWER_SECONDS, &error);
  gboolean runs = status != NULL;
  if (!runs)
    status = json_pack("{s:s}", "why", error->message);
  g_autoptr(CtlSettings) settings = ctl_settings_new(server.config, &unread);
  if (settings != NULL) {
    json_object_set_new(status, "store", store_of(settings));
    json_object_set_new(status, "ends", ends_of(settings));
  }
  if (server.json)
    ctl_print_json(status);
  else
    print_status(status, runs);
  if (unread != NULL && runs)
    fprintf(stderr, "signetctl status: no certificates and keys looked at: %s\n", unread->message);
  json_decref(status);
  return runs ? CTL_DONE : CTL_FAILED;
}
