/* SPDX-License-Identifier: Apache-2.0 */
/* The Retry-After field (RFC 9110 section 10.2.3). */
#ifndef SIGNET_CLIENT_RETRY_AFTER_H
#define SIGNET_CLIENT_RETRY_AFTER_H

#include <glib.h>

#define RETRY_AFTER_MIN 1  /* seconds */
#define RETRY_AFTER_MAX 30 /* seconds: what a person in front of the terminal stands */

/* Seconds to wait for a field of digits or an HTTP date; 0 when it is NULL, neither, or past. now:
   seconds since 1970. */
gint64 retry_after_unbounded(const char *field, gint64 now);

/* Seconds to wait for a field of digits or an HTTP date, within the bounds above; preset when field
   is NULL or neither. now: seconds since 1970. */
gint64 retry_after_seconds(const char *field, gint64 now, gint64 preset);

#endif
