/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's stop switch: while its row is there nothing is signed but revocation lists. */
#ifndef SIGNET_STORE_ISSUANCE_STOP_H
#define SIGNET_STORE_ISSUANCE_STOP_H

#include "store/store.h"

typedef struct {
  gint64 at;
  char *reason; /* for clients too */
  char *uid;    /* of the operator who stopped it */
} IssuanceStop;

void issuance_stop_free(IssuanceStop *stop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IssuanceStop, issuance_stop_free)

/* STORE_UNCHANGED: issuance is stopped already, and that stop stands. */
StoreChange issuance_stop_set(Store *store, const IssuanceStop *stop, GError **error);
/* STORE_UNCHANGED: it is not stopped, or a restored store is not reconciled yet
   (store/restored.h). */
StoreChange issuance_stop_clear(Store *store, GError **error);
StoreFind issuance_stop_find(Store *store, IssuanceStop **stop, GError **error);

#endif
