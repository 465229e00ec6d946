/* SPDX-License-Identifier: Apache-2.0 */
/* A resolver as the [dns] section asks for it. */
#ifndef SIGNET_DAEMON_RESOLVER_OPTIONS_H
#define SIGNET_DAEMON_RESOLVER_OPTIONS_H

#include "base/resolver.h"
#include "daemon/role.h"

/* In a role, which is given the file of local data. */
Resolver *resolver_from_config(RoleProcess *process, GError **error);
/* local_data: that file, or NULL. */
Resolver *resolver_with_data(struct event_base *base, const Config *config, GBytes *local_data,
                             GError **error);

#endif
