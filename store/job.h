/* SPDX-License-Identifier: Apache-2.0 */
/* Durable jobs: written in the commit of what they follow from, done by another process,
 * idempotent. */
#ifndef SIGNET_STORE_JOB_H
#define SIGNET_STORE_JOB_H

#include "store/store.h"

typedef enum {
  JOB_MAIL,       /* subject: challenge; send its mail */
  JOB_JUDGE,      /* subject: message; examine and judge it */
  JOB_BOUNCE,     /* subject: message to the reverse-path of a mail; the same */
  JOB_ISSUE,      /* subject: order in processing */
  JOB_CRL,        /* subject: shard number in the last octets */
  JOB_SWEEP,      /* subject: none (zero); end what is overdue */
  JOB_CLOSE,      /* subject: deactivated account; end its unfinished orders */
  JOB_REVOKE,     /* subject: a revocation of many */
  JOB_PURGE,      /* subject: none (zero); remove what has served its time */
  JOB_SORT,       /* subject: stray message; find its challenge */
  JOB_NOTICE,     /* subject: notice; send it */
  JOB_IODEF,      /* subject: iodef report; send it */
  JOB_CHECKPOINT, /* subject: none (zero); have the end of the audit log signed */
  JOB_KINDS
} JobKind;

extern const char *const job_names[JOB_KINDS];
/* Whom a job of a kind asks first, for a person: so it is while its row says nothing else. NULL:
   nobody that is known. */
extern const char *const job_asks[JOB_KINDS];

typedef struct {
  JobKind kind;
  Id subject;
  gint64 due_at;
  gint64 attempts; /* this one included */
  gint64 version;  /* counts how often it was added */
  gint64 lease;    /* counts how often it was taken: tells the one who has it */
  gboolean said;   /* its row says what it waits for */
} Job;

/* Adds a job, or, when there is one, makes it due at due_at if that is earlier. */
gboolean job_add(Store *store, JobKind kind, const Id *subject, gint64 due_at, GError **error);
/* The same of a job that this owner alone takes. */
gboolean job_add_own(Store *store, JobKind kind, const Id *subject, gint64 due_at, GError **error);
/* When the first was due of the jobs that were added here, or given back, since the last call;
   G_MAXINT64: none was. It knows nothing of what was undone. */
gint64 job_added(Store *store);
/* Takes the jobs of kind that are due longest and taken by nobody, until `until`: at most so many,
   added to jobs (of Job). What the transaction of another process just takes is left out. */
gboolean job_take(Store *store, JobKind kind, gint64 now, gint64 until, guint most, GArray *jobs,
                  GError **error);
/* Keeps all that this owner has taken until `until`. */
gboolean job_renew(Store *store, gint64 until, GError **error);
/* Whether a job that was taken is still the taker's, and locks it: STORE_MISSING when its time
   ended and another took it, or it is free or gone: what was found out for it is to be dropped. */
StoreFind job_held(Store *store, const Job *job, GError **error);
/* Ends a taken job; one that was added again meanwhile stays, free and due as added. */
gboolean job_done(Store *store, const Job *job, GError **error);
/* Gives a job back, due at due_at (as added, if it was added again meanwhile); counted FALSE: this
   attempt does not count. */
gboolean job_again(Store *store, const Job *job, gint64 due_at, gboolean counted, GError **error);
/* At start: whatever this owner had taken when it died is free again; on a store that is not shared
   whatever was taken. */
gboolean job_release_all(Store *store, GError **error);
/* What it waits for, for a person (NULL: nothing that is known); STORE_UNCHANGED when that was said
   already. */
StoreChange job_explain(Store *store, JobKind kind, const Id *subject, const char *waits_for,
                        GError **error);
/* The same where nobody asks whether it was said. */
gboolean job_say(Store *store, JobKind kind, const Id *subject, const char *waits_for,
                 GError **error);
/* *waits_for: the caller frees it; NULL while nobody has taken it, but for what was said of it. */
StoreFind job_find(Store *store, JobKind kind, const Id *subject, Job *job, char **waits_for,
                   GError **error);
/* How many jobs of kind there are, and since when the one that is due longest is, or will be, due;
   0: there is none. */
gboolean job_count(Store *store, JobKind kind, gint64 *count, gint64 *oldest, GError **error);
/* Whether somebody has a job of kind now. */
gboolean job_is_taken(Store *store, JobKind kind, gint64 now, gboolean *taken, GError **error);
/* When the next job of kind is due (taken ones when their time ends); G_MAXINT64: none. */
gboolean job_next(Store *store, JobKind kind, gint64 *due_at, GError **error);
/* When the first job of each kind is due that nobody has now and this owner may take; G_MAXINT64:
   none. */
gboolean job_next_all(Store *store, gint64 now, gint64 due[JOB_KINDS], GError **error);

#endif
