/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists: made on time and on revocation, published after the commit (ca-rules 31). */
#ifndef SIGNET_ACME_CRL_JOB_H
#define SIGNET_ACME_CRL_JOB_H

#include "acme/acme.h"

/* Publishes what the store holds and sees to it that every shard has its job. */
gboolean crl_start(Acme *acme, gint64 now, GError **error);
/* Publishes the lists that are not those of before, shard -> when its list was made (both gint64*);
   what there is now is added to now_there. */
gboolean crl_publish_newer(Acme *acme, GHashTable *before, GHashTable *now_there, GError **error);
/* Says in the log which lists are late, whatever the reason: nobody asks the jobs that wait. */
gboolean crl_watch(Acme *acme, gint64 now, GError **error);
/* Those that are late, of CrlShard; NULL on failure. */
GPtrArray *crl_overdue(Acme *acme, gint64 now, GError **error);
/* The job's subject for a shard. */
Id crl_subject(gint64 shard);
/* The external URL of a shard's list; the caller frees it. */
char *crl_url(const Acme *acme, gint64 shard);
/* Has the first list of a shard made that was opened just now. The list of a CA's only shard is
   complete and has no issuingDistributionPoint, which some programs do not know; with the second
   one it is made again, with its scope. */
gboolean crl_opened(Acme *acme, gint64 now, gint64 shard, GError **error);

#define CRL_KEEP_EXPIRED                                                                           \
  (14 * CLOCK_DAY) /* an entry stays until a list after the certificate's expiry is out */

#endif
