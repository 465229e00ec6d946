/* SPDX-License-Identifier: Apache-2.0 */
/* One look at a running server, for signetctl top: what core says, and what the kernel says of its
   processes. */
#ifndef SIGNET_DAEMON_CTL_TOP_SAMPLE_H
#define SIGNET_DAEMON_CTL_TOP_SAMPLE_H

#include "daemon/ctl_ask.h"

typedef struct {
  gint64 at;        /* wall clock, milliseconds */
  json_t *status;   /* of the command "status" */
  char *metrics;    /* the text of the command "metrics" */
  GHashTable *used; /* pid -> gint64*: processor time, microseconds */
} TopSample;

TopSample *top_sample_new(const CtlServer *server, GError **error);
void top_sample_free(TopSample *sample);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TopSample, top_sample_free)

/* The sum of a metric over the samples that have this in their labels ("": all). */
double top_metric(const TopSample *sample, const char *name, const char *label);
/* Processor time of a process in microseconds, its memory in octets; FALSE: it is gone. */
gboolean top_process(gint64 pid, gint64 *used, gint64 *memory);
/* "3 h 12 min"; the caller frees it. */
char *top_span(gint64 span);

#endif
