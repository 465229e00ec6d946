/* SPDX-License-Identifier: Apache-2.0 */
/* What core counts and measures for Prometheus (base/metrics.h). */
#ifndef SIGNET_ACME_MEASURE_H
#define SIGNET_ACME_MEASURE_H

#include "acme/acme.h"
#include "base/metrics.h"

/* When a certificate, list or key of the server ends, milliseconds: what, when (daemon/ends.h). */
#define ACME_ENDS_TYPE "a(sx)"

/* The metrics of a core that starts: what is known before is there, as 0. */
Metrics *measure_new(const Acme *acme);
#define MEASURE_REFUSAL "request refused" /* the one kind of event that no audit record has */

/* What was recorded and committed, or refused: the kind, then key, value, ..., NULL. */
void measure_event(const Acme *acme, const char *const *event);
/* Sets what is not counted but read now: queue, lists, roles, ends. */
gboolean measure_standing(Acme *acme, gint64 now, GError **error);
/* The name of this core in the label "core". */
const char *measure_core(const Acme *acme);

#endif
