/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent opens for a role: the files and folders of the configuration that the role needs,
   and no other. */
#ifndef SIGNET_DAEMON_ROLE_FILES_H
#define SIGNET_DAEMON_ROLE_FILES_H

#include "base/channel.h"
#include "base/config.h"
#include "base/role.h"

/* A process: its end of the control channel, what it is, and what holds now. */
typedef struct {
  Channel *control;
  Role role;
  gboolean first; /* of its role on this node: a core then has what there is once */
  const Config *config;
} RoleFiles;

/* Hands fd, which is taken, to the process as name; one below 0 is logged with errno's reason as
 * the failure to open path. */
void role_files_give(const RoleFiles *files, const char *name, int fd, const char *path);

/* Everything that the process is started with, each as a descriptor under the name that the role
 * knows. What cannot be opened is logged and left out. */
void role_files_give_all(const RoleFiles *files);

/* What is read again at SIGHUP. */
void role_files_give_reloaded(const RoleFiles *files);

#endif
