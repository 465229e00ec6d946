/* SPDX-License-Identifier: Apache-2.0 */
#include "base/role.h"

const char *const role_names[ROLE_COUNT + 1] = {
    [ROLE_PARENT] = "parent",   [ROLE_EDGE] = "edge",         [ROLE_CORE] = "core",
    [ROLE_INBOUND] = "inbound", [ROLE_OUTBOUND] = "outbound", [ROLE_LOOKUP] = "lookup",
    [ROLE_SIGNER] = "signer",   [ROLE_LINTER] = "linter",     [ROLE_OPERATOR] = "operator",
};
