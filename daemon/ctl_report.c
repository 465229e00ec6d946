/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctl_report.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_EVERY G_USEC_PER_SEC
#define FAULTS_MAX 10000 /* of one part that are told one by one */

void ctl_report_init(CtlReport *report, gboolean progress) {
  memset(report, 0, sizeof(*report));
  report->progress = progress || isatty(STDERR_FILENO);
  report->parts = json_array();
}

void ctl_report_clear(CtlReport *report) {
  g_clear_pointer(&report->parts, json_decref);
}

static void end_line(CtlReport *report) {
  if (report->line)
    fputc('\n', stderr);
  report->line = FALSE;
}

void ctl_report_part(CtlReport *report, const char *part) {
  report->part = part;
  report->begun_at = g_get_monotonic_time();
  report->current = json_object();
  json_object_set_new(report->current, "part", json_string(part));
  json_object_set_new(report->current, "faults", json_array());
  json_object_set_new(report->current, "notes", json_array());
  json_array_append_new(report->parts, report->current);
}

static gboolean keep(CtlReport *report, const char *list, const char *sentence) {
  json_t *kept = json_object_get(report->current, list);
  if (json_array_size(kept) >= FAULTS_MAX)
    return FALSE;
  json_array_append_new(kept, json_string(sentence));
  end_line(report);
  return TRUE;
}

void ctl_report_fault(CtlReport *report, const char *sentence) {
  report->faults++;
  if (keep(report, "faults", sentence))
    printf("%s: FAULT: %s\n", report->part, sentence);
}

void ctl_report_note(CtlReport *report, const char *sentence) {
  if (keep(report, "notes", sentence))
    printf("%s: note: %s\n", report->part, sentence);
}

static void print_left(gint64 elapsed, gint64 done, gint64 of) {
  gint64 seconds = (gint64)((double)elapsed * (double)(of - done) / (double)done) / G_USEC_PER_SEC;
  if (seconds >= 120)
    fprintf(stderr, ", %" G_GINT64_FORMAT " min left ", seconds / 60);
  else
    fprintf(stderr, ", %" G_GINT64_FORMAT " s left ", seconds);
}

void ctl_report_progress(CtlReport *report, gint64 done, gint64 of) {
  gint64 now = g_get_monotonic_time();
  if (!report->progress || now - report->shown_at < PROGRESS_EVERY)
    return;
  report->shown_at = now;
  report->line = isatty(STDERR_FILENO) == 1;
  fprintf(stderr, "%s%s: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, report->line ? "\r" : "",
          report->part, done, of);
  if (done > 0 && done <= of) {
    fprintf(stderr, ", %d %%", (int)(100 * done / of));
    print_left(now - report->begun_at, done, of);
  }
  if (!report->line)
    fputc('\n', stderr);
}

void ctl_report_sum(CtlReport *report, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *sum = g_strdup_vprintf(format, values);
  va_end(values);
  end_line(report);
  json_object_set_new(report->current, "sum", json_string(sum));
  printf("%s: %s\n", report->part, sum);
}

gboolean ctl_report_write(const CtlReport *report, const char *path, GError **error) {
  g_autofree char *made = clock_rfc3339(clock_now(&clock_system));
  json_t *document = json_pack("{s:s, s:s, s:I, s:O}", "made", made, "version", SIGNET_VERSION,
                               "faults", (json_int_t)report->faults, "parts", report->parts);
  char *text = json_dumps(document, JSON_INDENT(2));
  gboolean written = g_file_set_contents_full(
      path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
  free(text);
  json_decref(document);
  return written;
}
