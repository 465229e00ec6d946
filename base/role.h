/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of signetd by name, and who else speaks to them over a channel. */
#ifndef SIGNET_BASE_ROLE_H
#define SIGNET_BASE_ROLE_H

#include <glib.h>

typedef enum {
  ROLE_PARENT,
  ROLE_EDGE,
  ROLE_CORE,
  ROLE_INBOUND,
  ROLE_OUTBOUND,
  ROLE_LOOKUP,
  ROLE_SIGNER,
  ROLE_LINTER,               /* only when the configuration has one */
  ROLE_COUNT,                /* of the processes */
  ROLE_OPERATOR = ROLE_COUNT /* signetctl, at the control socket */
} Role;

/* A set of roles: bits by number. */
typedef guint RoleSet;
#define ROLE_BIT(role) (1u << (role))

extern const char *const role_names[ROLE_COUNT + 1];

#endif
