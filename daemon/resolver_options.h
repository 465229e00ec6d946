/* SPDX-License-Identifier: Apache-2.0 */
/* A resolver as the [dns] section asks for it. */
#ifndef SIGNET_DAEMON_RESOLVER_OPTIONS_H
#define SIGNET_DAEMON_RESOLVER_OPTIONS_H

#include "base/resolver.h"
#include "daemon/role.h"

Resolver *resolver_from_config(RoleProcess *process, GError **error);

#endif
