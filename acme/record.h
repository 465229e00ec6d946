/* SPDX-License-Identifier: Apache-2.0 */
/* What happens is recorded once: in the audit log, in the commit of what it records, and on one
 * line of the log. */
#ifndef SIGNET_ACME_RECORD_H
#define SIGNET_ACME_RECORD_H

#include "acme/acme.h"

/* What a record is about; NULL: nothing of that kind. With a challenge, authorization or order the
   record names the order and account that it belongs to by itself. */
typedef struct {
  const Id *account, *order, *authorization, *challenge, *message, *certificate;
} About;

/* kind: a short fixed name ("challenge valid"). Then pairs of key and text, ended by NULL, as
   log_event takes them; a NULL value leaves its pair out. */
gboolean record(Acme *acme, gint64 now, const char *kind, About about, GError **error,
                ...) G_GNUC_NULL_TERMINATED;
/* What id, an order, authorization or challenge, belongs to for good: records about it need not
   look that up. */
void record_belongs(Acme *acme, const Id *id, const Id *order, const Id *account);
/* Writes the lines of what was recorded, after its commit; with keep FALSE forgets them. from:
   entries of acme->events that stay. */
void record_settle(Acme *acme, guint from, gboolean keep);

#endif
