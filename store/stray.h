/* SPDX-License-Identifier: Apache-2.0 */
/* Received messages of which it is not known yet for which challenge they are: those to the one
   address that S/MIME-signed challenge mails come from. */
#ifndef SIGNET_STORE_STRAY_H
#define SIGNET_STORE_STRAY_H

#include "store/store.h"

#define STRAY_MAX 64 /* that wait at a time */

typedef struct {
  Id id, raw_id;
  gint64 at; /* received */
  char *peer, *helo, *reverse_path;
  gboolean tls;
  GBytes *octets; /* the raw message; of a found one */
} Stray;

void stray_free(Stray *stray);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stray, stray_free)

/* STORE_UNCHANGED when STRAY_MAX wait already. */
StoreChange stray_insert(Store *store, const Stray *stray, GError **error);
/* Whether another one would be kept: STORE_MISSING when STRAY_MAX wait. */
StoreFind stray_has_room(Store *store, GError **error);
StoreFind stray_find(Store *store, const Id *id, Stray **stray, GError **error);
/* With its raw message, unless a message of a challenge points to that. */
gboolean stray_remove(Store *store, const Stray *stray, GError **error);

#endif
