/* SPDX-License-Identifier: Apache-2.0 */
/* Time: UTC milliseconds for what is written, monotonic time (libevent timers) for waits. */
#ifndef SIGNET_BASE_CLOCK_H
#define SIGNET_BASE_CLOCK_H

#include <glib.h>

#define CLOCK_SECOND ((gint64)1000)
#define CLOCK_MINUTE (60 * CLOCK_SECOND)
#define CLOCK_HOUR (60 * CLOCK_MINUTE)
#define CLOCK_DAY (24 * CLOCK_HOUR)

/* Units of time, the longest first. */
typedef struct {
  gint64 length;
  const char *suffix, *name; /* "h", "hour" */
} ClockUnit;

/* The longest unit that period is a whole number of. */
const ClockUnit *clock_unit_of(gint64 period);

/* Where a function reads the wall clock: milliseconds since 1970, UTC. Tests give their own. */
typedef struct Clock {
  gint64 (*now)(const struct Clock *clock);
} Clock;

extern const Clock clock_system;

static inline gint64 clock_now(const Clock *clock) {
  return clock->now(clock);
}

/* RFC 3339, seconds, "Z" (RFC 8555 section 7.1.3); the caller frees the text. */
char *clock_rfc3339(gint64 milliseconds);

/* Milliseconds of an RFC 3339 date-time, fractions of a second cut off, a leap second taken as the
   one before it; FALSE when it is none. */
gboolean clock_read_rfc3339(const char *text, gint64 *milliseconds);

/* RFC 5322 section 3.3 date-time in UTC; the caller frees the text. */
char *clock_rfc5322(gint64 milliseconds);

#endif
