/* SPDX-License-Identifier: Apache-2.0 */
/* What is written into a store that was put back, before a server starts over it: that nothing may
   be issued until it is reconciled, chains of audit records of its own, and the revocation lists
   that are out. For signetctl restore and store restored. */
#ifndef SIGNET_DAEMON_RESTORE_MARK_H
#define SIGNET_DAEMON_RESTORE_MARK_H

#include "base/audit_record.h"
#include "base/config.h"
#include "store/restored.h"

typedef struct {
  Restored restored;
  const char *stop;        /* reason of the stop */
  GPtrArray *issuers;      /* of Issuer: whose lists are taken */
  const char *folder;      /* that has published/ and signer.checkpoint */
  const char *const *more; /* further files with lists, crl-N.crl; NULL: none */
} RestoreMark;

typedef struct {
  AuditHead head;  /* where the restored audit log has its end */
  gint64 lists;    /* that were newer than the store's */
  gint64 listed;   /* revocations that the store does not have */
  char *gap;       /* what is known of lost audit records, a sentence */
  char *not_taken; /* lists that are not taken and why, a line each; "" */
} RestoreMarked;

void restore_marked_clear(RestoreMarked *marked);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RestoreMarked, restore_marked_clear)

/* In one transaction of its own. */
gboolean restore_mark(Store *store, const RestoreMark *mark, RestoreMarked *marked, GError **error);

#endif
