/* SPDX-License-Identifier: Apache-2.0 */
/* A whole store into another one: an installation on SQLite moves to PostgreSQL. */
#ifndef SIGNET_STORE_COPY_H
#define SIGNET_STORE_COPY_H

#include "store/store.h"

typedef struct {
  gint64 tables, rows;
  gint64 changed; /* texts that were no UTF-8, which PostgreSQL does not take: made into some */
} StoreCopied;

/* Now and then: how many rows of all tables are there. */
typedef void (*StoreCopyProgress)(gint64 done, gint64 of, gpointer user);

/* node: the name that this installation has among others, from now on.
   Copies every row of every table of from, which nobody writes meanwhile, to a shared store that
   has none but what a store has from its start; in its open transaction, which keeps other
   processes from beginning there. Checks that every row arrived; then frees the jobs that were
   taken. */
gboolean store_copy(Store *from, Store *to, const char *node, StoreCopyProgress progress,
                    gpointer user, StoreCopied *copied, GError **error);

#endif
