/* SPDX-License-Identifier: Apache-2.0 */
#include "client/folder_lock.h"

#include "client/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

gboolean folder_lock_take(const char *folder, FolderLockKind kind, int *lock, GError **error) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  *lock = -1;
  if (fd >= 0 && flock(fd, (kind == FOLDER_LOCK_ALL ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
    *lock = fd;
    return TRUE;
  }
  if (fd >= 0 && errno == EWOULDBLOCK)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "%s: another run of signet works there; try again when it has ended", folder);
  else
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s", folder, g_strerror(errno));
  if (fd >= 0)
    close(fd);
  return FALSE;
}

void folder_lock_release(int *lock) {
  if (*lock >= 0)
    close(*lock);
  *lock = -1;
}
