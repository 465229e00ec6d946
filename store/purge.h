/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of what has served its time. Audit records and everything that led to a certificate stay.
 */
#ifndef SIGNET_STORE_PURGE_H
#define SIGNET_STORE_PURGE_H

#include "store/store.h"

/* Removes at most limit invalid orders without certificate, and free authorizations, that expired
   before a time, with all that belongs to them; *removed counts both. */
gboolean purge_failed(Store *store, gint64 expired_before, guint limit, guint *removed,
                      GError **error);

#endif
