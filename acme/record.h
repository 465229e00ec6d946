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
/* A refusal, which changes nothing and so is on a line of the log alone: "request refused" with
   pairs as record takes them. It stays when its handler is undone. */
void record_refusal(Acme *acme, ...) G_GNUC_NULL_TERMINATED;
/* Forgets what an undone handler recorded: the entries of acme->events after the first from ones.
 */
void record_undo(Acme *acme, guint from);
/* Writes and counts what was recorded, after its commit; with keep FALSE forgets it. */
void record_settle(Acme *acme, gboolean keep);

#endif
