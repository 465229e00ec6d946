/* SPDX-License-Identifier: Apache-2.0 */
/* When a certificate is renewed (RFC 9773 section 4.2, 4.3): no I/O, the clock is passed in.
   All times are seconds since 1970. */
#ifndef SIGNET_CLIENT_RENEWAL_TIME_H
#define SIGNET_CLIENT_RENEWAL_TIME_H

#include <glib.h>

#define RENEWAL_ASK_MIN 60           /* least and greatest Retry-After that is followed */
#define RENEWAL_ASK_MAX (24 * 3600)  /* section 4.3.2 */
#define RENEWAL_ASK_AGAIN (6 * 3600) /* after an answer of no use, section 4.3.3 */
#define RENEWAL_RETRY_MIN 3600       /* after a first failure; doubled by each further one */
#define RENEWAL_RETRY_MAX (24 * 3600)
#define RENEWAL_LEAST_A_RUN 20 /* certificates that one run renews, whatever their number */
#define RENEWAL_RUNS 12        /* in which a whole list is through */

/* A certificate, as far as its renewal goes. */
typedef struct {
  const char *identifier; /* of RFC 9773; any text that differs between certificates will do */
  gint64 from, to;        /* its validity */
} RenewalSubject;

/* What is known beside it, and kept between runs. */
typedef struct {
  gint64 start, end; /* the window that the server suggests; 0: none */
  gint64 ask_at;     /* not to be asked again before; 0: at once */
  guint failures;    /* renewals that failed in a row */
  gint64 failed_at;  /* the last of them */
  gint64 refused;    /* seconds after it that the server asked to wait; 0 */
} RenewalState;

/* The server's answer: a window, and Retry-After in seconds (0: there was none). FALSE when it is
   one of no use, which counts as no answer: its end is not behind its start. */
gboolean renewal_time_suggest(RenewalState *state, gint64 start, gint64 end, gint64 retry_after,
                              gint64 now);
/* No answer: the last window holds, or the certificate's lifetime. */
void renewal_time_no_answer(RenewalState *state, gint64 now);
/* A renewal failed; refused: the seconds that the server asked to wait, 0: none. They are heeded up
   to RENEWAL_RETRY_MAX. */
void renewal_time_failed(RenewalState *state, gint64 refused, gint64 now);

/* What is said to have been in a time that has not come was written by a clock that was wrong: it
   is forgotten. */
void renewal_time_mind_clock(RenewalState *state, gint64 now);

/* Whether the server is to be asked now; never of a certificate that has expired. */
gboolean renewal_time_asks(const RenewalState *state, const RenewalSubject *subject, gint64 now);

/* The time within the window, uniformly distributed over certificates and the same at each call:
   the window that was suggested, or without one the first quarter of the last third of the
   lifetime. */
gint64 renewal_time_chosen(const RenewalState *state, const RenewalSubject *subject);
/* The same, but at once when it comes before another run does, in interval seconds (section 4.2
   step 5; 0: not known), and not before a failure is tried again. */
gint64 renewal_time_due(const RenewalState *state, const RenewalSubject *subject, gint64 now,
                        gint64 interval);

/* How many of so many certificates one run renews when all are due. */
guint renewal_time_most(guint certificates);

#endif
