/* SPDX-License-Identifier: Apache-2.0 */
/* What a check finds: each fault on a line when it is found, progress on standard error, at the end
   what was looked at; the whole as JSON into a file. */
#ifndef SIGNET_DAEMON_CTL_REPORT_H
#define SIGNET_DAEMON_CTL_REPORT_H

#include <glib.h>
#include <jansson.h>

typedef struct {
  gboolean progress; /* also where standard error is no terminal */
  const char *part;  /* that is being looked at: "audit", "certificates" */
  gint64 faults;     /* of all parts */
  gint64 begun_at;   /* monotonic time of the part's begin, microseconds */
  gint64 shown_at;   /* monotonic time of the last progress, microseconds */
  gboolean line;     /* a line of progress stands there without its end */
  json_t *parts, *current;
} CtlReport;

void ctl_report_init(CtlReport *report, gboolean progress);
void ctl_report_clear(CtlReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlReport, ctl_report_clear)

void ctl_report_part(CtlReport *report, const char *part);
void ctl_report_fault(CtlReport *report, const char *sentence);
/* What is no fault, and yet to be known. */
void ctl_report_note(CtlReport *report, const char *sentence);
/* Printed with percent and the time that is left when it goes on like that. */
void ctl_report_progress(CtlReport *report, gint64 done, gint64 of);
/* Ends a part: prints its line. */
void ctl_report_sum(CtlReport *report, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Writes everything as JSON, replacing the file. */
gboolean ctl_report_write(const CtlReport *report, const char *path, GError **error);

#endif
