/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that a process counts, and their text for Prometheus (exposition format 0.0.4). The table
   of them is in metrics_table.c. Each process counts in its own memory; edges and inbound tell core
   what was added, so that a sum never falls when one of them dies. A label's value is one of few
   fixed words: no address, no identifier, no secret. */
#ifndef SIGNET_BASE_METRICS_H
#define SIGNET_BASE_METRICS_H

#include "base/role.h"

#define METRICS_LABELS 2       /* of one metric, at most */
#define METRICS_VALUE_MAX 64   /* octets of a label's value; more are cut off */
#define METRICS_SERIES_MAX 200 /* of one metric; what comes after counts as "other" */
#define METRICS_BUCKETS 15

typedef enum {
  /* of this server */
  METRIC_BUILD,
  METRIC_START,
  METRIC_ROLE_UP,
  METRIC_ROLE_RESTARTS,
  /* what happened */
  METRIC_EVENTS,
  METRIC_ORDERS,
  METRIC_AUTHORIZATIONS,
  METRIC_CHALLENGES,
  METRIC_ORDER_FAILURES,
  METRIC_CHALLENGE_FAILURES,
  METRIC_REPLIES,
  METRIC_NOTES,
  METRIC_PROBLEMS,
  METRIC_LIMITS,
  METRIC_MAILS,
  METRIC_SMTP_REPLIES,
  METRIC_HTTP_REQUESTS,
  /* how long it took */
  METRIC_HTTP_SECONDS,
  METRIC_TURN_SECONDS,
  METRIC_COMMIT_SECONDS,
  METRIC_TURN_FAILURES,
  METRIC_STEP_SECONDS,
  METRIC_STEPS_LOST,
  /* how it stands */
  METRIC_JOBS,
  METRIC_JOB_AGE,
  METRIC_LISTS,
  METRIC_LISTS_OVERDUE,
  METRIC_LIST_AGE,
  METRIC_LIST_END,
  METRIC_HELD,
  METRIC_LAST_CERTIFICATE,
  METRIC_ENDS,
  METRIC_CERTIFICATES_ENDING,
  METRIC_STORE_OCTETS,
  METRIC_COUNT
} MetricName;

typedef enum { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM } MetricsKind;

typedef struct {
  const char *name, *help;
  MetricsKind kind;
  const char *labels[METRICS_LABELS + 1]; /* their names, NULL-terminated */
  RoleSet roles;                          /* that may tell core of it, beside core itself */
} Metric;

extern const Metric metrics_table[METRIC_COUNT];
extern const double metrics_buckets[METRICS_BUCKETS]; /* upper bounds, seconds */

typedef struct Metrics Metrics;

/* changed: called when there is something to take and was nothing; NULL: nobody takes it. */
Metrics *metrics_new(void (*changed)(gpointer user), gpointer user);
void metrics_free(Metrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Metrics, metrics_free)

/* Behind the number a value for each label, in order, then NULL. metrics NULL: not counted. */
void metrics_add(Metrics *metrics, MetricName name, double count, ...) G_GNUC_NULL_TERMINATED;
void metrics_set(Metrics *metrics, MetricName name, double value, ...) G_GNUC_NULL_TERMINATED;
void metrics_observe(Metrics *metrics, MetricName name, double seconds, ...) G_GNUC_NULL_TERMINATED;
/* Forgets a gauge, before it is set anew. */
void metrics_forget(Metrics *metrics, MetricName name);
/* The sum over all labels; of a histogram the count. */
double metrics_sum(const Metrics *metrics, MetricName name);

/* Of each series: which metric, the labels' values, its numbers (of a histogram: sum, then counts
   of buckets and above). */
#define METRICS_TYPE "a(uasad)"
/* What was added since the last time; NULL: nothing. Floating. */
GVariant *metrics_take(Metrics *metrics);
/* Everything. Floating. */
GVariant *metrics_all(const Metrics *metrics);
/* Adds what a process of that role counted; FALSE: it cannot be, and nothing of it was added. */
gboolean metrics_merge(Metrics *metrics, GVariant *counted, Role from);

/* The text of several processes, each with its own value of the label "core", NULL-terminated; the
   caller frees it. */
char *metrics_text(const Metrics *const *all, const char *const *cores);

#endif
