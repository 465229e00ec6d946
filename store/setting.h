/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that was in effect last for the store's owner, to tell what changed. */
#ifndef SIGNET_STORE_SETTING_H
#define SIGNET_STORE_SETTING_H

#include "store/store.h"

/* Name -> value, both char*; NULL on failure. */
GHashTable *setting_list(Store *store, GError **error);
/* value NULL: the setting is there no more. */
gboolean setting_set(Store *store, const char *name, const char *value, GError **error);

#endif
