/* SPDX-License-Identifier: Apache-2.0 */
/* The types of configuration values: from the text that was given to the text that is kept. */
#ifndef SIGNET_BASE_CONFIG_TYPES_H
#define SIGNET_BASE_CONFIG_TYPES_H

#include "base/config.h"

/* Whether values of a type are lists; config_parse_value then takes one item. */
gboolean config_type_is_list(ConfigType type);

/* text (not empty) in the form that is kept: durations in milliseconds, sizes in octets, paths
   absolute with folder before relative ones. The caller frees it; NULL: why is set, for the user,
   who frees it too. */
char *config_parse_value(const ConfigKey *key, const char *text, const char *folder, char **why);

#endif
