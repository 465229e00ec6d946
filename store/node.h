/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of a shared store, and when each was last heard of. */
#ifndef SIGNET_STORE_NODE_H
#define SIGNET_STORE_NODE_H

#include "store/store.h"

gboolean node_seen(Store *store, const char *name, gint64 now, GError **error);
/* *at: 0 for a node that was never heard of. */
gboolean node_last_seen(Store *store, const char *name, gint64 *at, GError **error);

#endif
