/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctl_top_sample.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SECONDS 10

gboolean top_process(gint64 pid, gint64 *used, gint64 *memory) {
  g_autofree char *stat = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/stat", pid);
  g_autofree char *statm = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/statm", pid);
  g_autofree char *times = NULL, *pages = NULL;
  gint64 user = 0, system = 0, resident = 0;
  if (!g_file_get_contents(stat, &times, NULL, NULL) ||
      !g_file_get_contents(statm, &pages, NULL, NULL))
    return FALSE;
  /* The name, in brackets, may have blanks; utime and stime are fields 14 and 15 (proc(5)). */
  const char *rest = strrchr(times, ')');
  if (rest == NULL ||
      sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2 ||
      sscanf(pages, "%*d %ld", &resident) != 1)
    return FALSE;
  *used = (user + system) * (G_USEC_PER_SEC / sysconf(_SC_CLK_TCK));
  *memory = resident * sysconf(_SC_PAGESIZE);
  return TRUE;
}

static void read_processes(TopSample *sample) {
  json_t *row = NULL;
  size_t i = 0;
  json_array_foreach(json_object_get(sample->status, "roles"), i, row) {
    gint64 pid = json_integer_value(json_object_get(row, "pid")), used = 0, memory = 0;
    if (pid == 0 || !top_process(pid, &used, &memory))
      continue;
    g_hash_table_insert(sample->used, GINT_TO_POINTER((gint)pid), g_memdup2(&used, sizeof(used)));
  }
}

TopSample *top_sample_new(const CtlServer *server, GError **error) {
  g_autoptr(TopSample) sample = g_new0(TopSample, 1);
  sample->used = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  sample->at = clock_now(&clock_system);
  sample->status = ctl_ask_within(server, "status", json_object(), ANSWER_SECONDS, error);
  json_t *metrics = sample->status != NULL
                        ? ctl_ask_within(server, "metrics", json_object(), ANSWER_SECONDS, error)
                        : NULL;
  if (metrics == NULL)
    return NULL;
  sample->metrics = g_strdup(ctl_member(metrics, "text"));
  json_decref(metrics);
  read_processes(sample);
  return g_steal_pointer(&sample);
}

void top_sample_free(TopSample *sample) {
  if (sample == NULL)
    return;
  json_decref(sample->status);
  g_free(sample->metrics);
  g_hash_table_unref(sample->used);
  g_free(sample);
}

double top_metric(const TopSample *sample, const char *name, const char *label) {
  gsize length = strlen(name);
  double sum = 0;
  for (const char *line = sample->metrics; *line != '\0';) {
    const char *end = strchrnul(line, '\n');
    if (strncmp(line, name, length) == 0 && line[length] == '{') {
      const char *value = g_strrstr_len(line, end - line, "} ");
      if (value != NULL && g_strstr_len(line, value - line, label) != NULL)
        sum += g_ascii_strtod(value + 2, NULL);
    }
    line = *end == '\n' ? end + 1 : end;
  }
  return sum;
}

char *top_span(gint64 span) {
  gint64 seconds = MAX(0, span) / CLOCK_SECOND, minutes = seconds / 60, hours = minutes / 60;
  if (hours >= 48)
    return g_strdup_printf("%" G_GINT64_FORMAT " d %" G_GINT64_FORMAT " h", hours / 24, hours % 24);
  if (hours > 0)
    return g_strdup_printf("%" G_GINT64_FORMAT " h %" G_GINT64_FORMAT " min", hours, minutes % 60);
  if (minutes > 0)
    return g_strdup_printf("%" G_GINT64_FORMAT " min", minutes);
  return g_strdup_printf("%" G_GINT64_FORMAT " s", seconds);
}
