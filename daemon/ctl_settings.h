/* SPDX-License-Identifier: Apache-2.0 */
/* Single keys of a configuration, for commands to a server that runs: mistakes elsewhere in the
   file must not keep operators out of one that runs with what it said before. */
#ifndef SIGNET_DAEMON_CTL_SETTINGS_H
#define SIGNET_DAEMON_CTL_SETTINGS_H

#include <glib.h>

typedef struct CtlSettings CtlSettings;

/* path NULL: the default. */
CtlSettings *ctl_settings_new(const char *path, GError **error);
void ctl_settings_free(CtlSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlSettings, ctl_settings_free)

/* The value as it is written, or the default; "" when there is none. A path is absolute. The caller
   frees it. */
char *ctl_settings_text(const CtlSettings *settings, const char *group, const char *name);
/* The items of a list. The caller frees them. */
char **ctl_settings_list(const CtlSettings *settings, const char *group, const char *name);

#endif
