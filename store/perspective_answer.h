/* SPDX-License-Identifier: Apache-2.0 */
/* What network perspectives answered, kept with what it was asked for (ca-rules 13). */
#ifndef SIGNET_STORE_PERSPECTIVE_ANSWER_H
#define SIGNET_STORE_PERSPECTIVE_ANSWER_H

#include "store/store.h"

typedef struct {
  Id subject; /* an order (CAA), a received message (TXT, MX) */
  gint64 at;
  const char *question;    /* "CAA example.org" */
  const char *perspective; /* its name, or "primary" */
  const char *url;         /* empty for the primary one */
  const char *outcome;     /* "found", "none", "bogus" or "failed" */
  gboolean secure;         /* of a further perspective: as it says itself */
  const char *records;     /* in zone-file form, "; " between them; empty unless found */
  const char *reason;      /* for a person; of CAA records the name that has them */
} PerspectiveRow;

/* Of one that perspective_row_list gave, with its texts. */
void perspective_row_free(PerspectiveRow *row);

gboolean perspective_row_insert(Store *store, const PerspectiveRow *row, GError **error);
/* All of an order and of the messages to its challenges, oldest first; of PerspectiveRow. NULL on
   failure. */
GPtrArray *perspective_row_list(Store *store, const Id *order_id, GError **error);

#endif
