/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/measure.h"
#include "acme/standing.h"
#include "store/certificate.h"

#include <string.h>

#define ENDING_MAX 10000 /* certificates that are counted */

static double seconds_of(gint64 milliseconds) {
  return (double)milliseconds / CLOCK_SECOND;
}

/* --- what happened
 * ---------------------------------------------------------------------------------------- */

static const char *value_of(const char *const *event, const char *key) {
  for (const char *const *pair = event + 1; pair[0] != NULL; pair += 2)
    if (strcmp(pair[0], key) == 0)
      return pair[1];
  return "";
}

static void count_order(Metrics *metrics, const char *const *event) {
  const char *status = value_of(event, "status");
  metrics_add(metrics, METRIC_ORDERS, 1, status, NULL);
  if (strcmp(status, "invalid") == 0)
    metrics_add(metrics, METRIC_ORDER_FAILURES, 1, value_of(event, "problem"), NULL);
}

static void count_order_new(Metrics *metrics, const char *const *event G_GNUC_UNUSED) {
  metrics_add(metrics, METRIC_ORDERS, 1, "pending", NULL);
}

static void count_authorization(Metrics *metrics, const char *const *event) {
  metrics_add(metrics, METRIC_AUTHORIZATIONS, 1, value_of(event, "status"), NULL);
}

/* Its challenge comes with it. */
static void count_authorization_new(Metrics *metrics, const char *const *event G_GNUC_UNUSED) {
  metrics_add(metrics, METRIC_AUTHORIZATIONS, 1, "pending", NULL);
  metrics_add(metrics, METRIC_CHALLENGES, 1, "pending", NULL);
}

static void count_challenge(Metrics *metrics, const char *const *event) {
  metrics_add(metrics, METRIC_CHALLENGES, 1, event[0] + strlen("challenge "), NULL);
  if (strcmp(event[0], "challenge invalid") == 0)
    metrics_add(metrics, METRIC_CHALLENGE_FAILURES, 1, value_of(event, "problem"), NULL);
}

static void count_reply(Metrics *metrics, const char *const *event) {
  metrics_add(metrics, METRIC_REPLIES, 1, value_of(event, "verdict"), value_of(event, "rule"),
              NULL);
}

static void count_note(Metrics *metrics, const char *const *event) {
  metrics_add(metrics, METRIC_NOTES, 1, value_of(event, "rule"), NULL);
}

static const struct {
  const char *kind;
  void (*count)(Metrics *metrics, const char *const *event);
} kinds[] = {
    {"order created", count_order_new},
    {"order status", count_order},
    {"authorization created", count_authorization_new},
    {"authorization status", count_authorization},
    {"challenge processing", count_challenge},
    {"challenge valid", count_challenge},
    {"challenge invalid", count_challenge},
    {"reply judged", count_reply},
    {"challenge note", count_note},
};

static void count_refusal(Metrics *metrics, const char *const *event) {
  const char *limit = value_of(event, "limit");
  metrics_add(metrics, METRIC_PROBLEMS, 1, value_of(event, "problem"), value_of(event, "status"),
              NULL);
  if (*limit != '\0')
    metrics_add(metrics, METRIC_LIMITS, 1, limit, NULL);
}

void measure_event(const Acme *acme, const char *const *event) {
  if (strcmp(event[0], MEASURE_REFUSAL) == 0) {
    count_refusal(acme->metrics, event);
    return;
  }
  metrics_add(acme->metrics, METRIC_EVENTS, 1, event[0], NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (strcmp(kinds[i].kind, event[0]) == 0)
      kinds[i].count(acme->metrics, event);
}

/* --- what is known before
 * --------------------------------------------------------------------------------- */

/* So that the first of them is seen as an increase. */
static const struct {
  MetricName name;
  const char *values[8];
} known[] = {
    {METRIC_EVENTS,
     {"certificate revoked", "issuance stopped", "mail not sent", "lint refused", "bounce judged"}},
    {METRIC_ORDERS, {"pending", "ready", "processing", "valid", "invalid"}},
    {METRIC_AUTHORIZATIONS, {"pending", "valid", "invalid", "deactivated", "expired"}},
    {METRIC_CHALLENGES, {"pending", "processing", "valid", "invalid"}},
};

Metrics *measure_new(const Acme *acme) {
  Metrics *metrics = metrics_new(NULL, NULL);
  metrics_set(metrics, METRIC_BUILD, 1, SIGNET_VERSION, NULL);
  metrics_set(metrics, METRIC_START, seconds_of(clock_now(acme->clock)), NULL);
  metrics_add(metrics, METRIC_TURN_FAILURES, 0, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
    for (const char *const *value = known[i].values; *value != NULL; value++)
      metrics_add(metrics, known[i].name, 0, *value, NULL);
  return metrics;
}

/* --- how it stands
 * ---------------------------------------------------------------------------------------- */

static void set_roles(const Acme *acme) {
  guint32 role = 0, index = 0, pid = 0, restarts = 0;
  gint64 since = 0;
  GVariantIter iter;
  if (acme->roles == NULL)
    return;
  g_variant_iter_init(&iter, acme->roles);
  while (g_variant_iter_next(&iter, "(uuuxu)", &role, &index, &pid, &since, &restarts)) {
    g_autofree char *number = g_strdup_printf("%u", index);
    if (role >= ROLE_COUNT)
      continue;
    metrics_set(acme->metrics, METRIC_ROLE_UP, pid != 0, role_names[role], number, NULL);
    metrics_set(acme->metrics, METRIC_ROLE_RESTARTS, restarts, role_names[role], number, NULL);
  }
}

static void set_ends(const Acme *acme) {
  const char *what = NULL;
  gint64 end = 0;
  GVariantIter iter;
  metrics_forget(acme->metrics, METRIC_ENDS);
  if (acme->ends == NULL)
    return;
  g_variant_iter_init(&iter, acme->ends);
  while (g_variant_iter_next(&iter, "(&sx)", &what, &end))
    metrics_set(acme->metrics, METRIC_ENDS, seconds_of(end), what, NULL);
}

static gboolean set_ending(Acme *acme, gint64 now, GError **error) {
  static const struct {
    const char *label;
    gint64 days;
  } spans[] = {{"1", 1}, {"7", 7}, {"30", 30}};
  for (gsize i = 0; i < G_N_ELEMENTS(spans); i++) {
    gint64 count = 0;
    if (!certificate_count_ending(acme->store, now, now + spans[i].days * CLOCK_DAY, ENDING_MAX,
                                  &count, error))
      return FALSE;
    metrics_set(acme->metrics, METRIC_CERTIFICATES_ENDING, (double)count, spans[i].label, NULL);
  }
  return TRUE;
}

static void set_standing(Metrics *metrics, gint64 now, const Standing *standing) {
  for (guint kind = 0; kind < JOB_KINDS; kind++) {
    gint64 oldest = standing->jobs[kind].oldest;
    metrics_set(metrics, METRIC_JOBS, (double)standing->jobs[kind].count, job_names[kind], NULL);
    metrics_set(metrics, METRIC_JOB_AGE, oldest != 0 ? MAX(0, seconds_of(now - oldest)) : 0,
                job_names[kind], NULL);
  }
  metrics_set(metrics, METRIC_LISTS, (double)standing->lists.count, NULL);
  metrics_set(metrics, METRIC_LISTS_OVERDUE, standing->lists_overdue, NULL);
  metrics_set(metrics, METRIC_HELD, standing->held != NULL, NULL);
  metrics_forget(metrics, METRIC_LIST_AGE);
  metrics_forget(metrics, METRIC_LIST_END);
  if (standing->lists.count > 0) {
    metrics_set(metrics, METRIC_LIST_AGE, seconds_of(now - standing->lists.oldest), NULL);
    metrics_set(metrics, METRIC_LIST_END, seconds_of(standing->lists.first_end), NULL);
  }
  if (standing->last_certificate != 0)
    metrics_set(metrics, METRIC_LAST_CERTIFICATE, seconds_of(standing->last_certificate), NULL);
}

gboolean measure_standing(Acme *acme, gint64 now, GError **error) {
  g_auto(Standing) standing = {0};
  if (!standing_read(acme, now, &standing, error) || !set_ending(acme, now, error))
    return FALSE;
  set_standing(acme->metrics, now, &standing);
  set_roles(acme);
  set_ends(acme);
  return TRUE;
}

const char *measure_core(const Acme *acme) {
  return store_is_shared(acme->store) ? store_owner(acme->store) : "local";
}
