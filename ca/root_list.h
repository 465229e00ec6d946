/* SPDX-License-Identifier: Apache-2.0 */
/* What a root's revocation list says of itself, and the warning before it ends (ca-rules 18a). */
#ifndef SIGNET_CA_ROOT_LIST_H
#define SIGNET_CA_ROOT_LIST_H

#include <glib.h>

typedef struct {
  gint64 number, next_update; /* cRLNumber, 0: none; milliseconds */
  guint revoked;
  gint64 warned; /* when root_list_warning last said something; 0: never */
} RootList;

/* FALSE when crl is no revocation list in DER with a nextUpdate. */
gboolean root_list_read(GBytes *crl, RootList *list);

/* What is to be said when it ends within ahead (milliseconds), once a day; else NULL. The caller
   frees it. */
char *root_list_warning(RootList *list, gint64 now, gint64 ahead);

#endif
