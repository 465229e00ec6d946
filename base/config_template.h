/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file as it is before anybody wrote in it: every key of the table with its help
   and default, commented out. And filling it in. */
#ifndef SIGNET_BASE_CONFIG_TEMPLATE_H
#define SIGNET_BASE_CONFIG_TEMPLATE_H

#include "base/config.h"

/* The caller frees it. */
char *config_template(void);
/* Whether a file of this text sets no key: comments and groups alone. */
gboolean config_template_is_unset(const char *text);
/* text with a key set, behind the comment that stands for it, else at the end of its group, else in
   a new group at the end; nothing else changes. The key is not set in text. The caller frees it. */
char *config_template_set(const char *text, const char *group, const char *name, const char *value);
/* The key of the table, NULL when there is none; named groups are left out. */
const ConfigKey *config_template_key(const char *group, const char *name);

#endif
