/* SPDX-License-Identifier: Apache-2.0 */
/* The store that a configuration names. */
#ifndef SIGNET_DAEMON_STORE_PLACE_H
#define SIGNET_DAEMON_STORE_PLACE_H

#include "base/config.h"
#include "store/store.h"

/* Without an owner; the texts are those of config. */
StorePlace store_place_read(const Config *config);
/* How it is called in messages: the folder, or "postgresql". */
const char *store_place_name(const StorePlace *place);
/* The name of this node among those of a shared store. */
const char *store_place_node(const Config *config);
/* The name of a core process as a writer: "NODE/INDEX"; the caller frees it. */
char *store_place_owner(const Config *config, guint index);
/* The files in the folder that grow, NULL-terminated, and the size of one, 0 when it is not there.
 */
extern const char *const store_place_files[];
gint64 store_place_octets(const char *folder, const char *file);
/* How many core processes there are. */
guint store_place_cores(const Config *config);

#endif
