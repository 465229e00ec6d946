/* SPDX-License-Identifier: Apache-2.0 */
/* That two runs of signet do not change the same files: a lock on the folder itself, which ends
   with the process. */
#ifndef SIGNET_CLIENT_FOLDER_LOCK_H
#define SIGNET_CLIENT_FOLDER_LOCK_H

#include <glib.h>

/* ONE: a run for one certificate, several of which go together. ALL: one for all of the folder. */
typedef enum { FOLDER_LOCK_ONE, FOLDER_LOCK_ALL } FolderLockKind;

/* CLIENT_LOCAL when another run works there. */
gboolean folder_lock_take(const char *folder, FolderLockKind kind, int *lock, GError **error);
/* lock: -1 is none. */
void folder_lock_release(int *lock);

#endif
