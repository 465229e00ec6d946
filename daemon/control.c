/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"
#include "daemon/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>

char *control_path(const char *folder) {
  return g_build_filename(folder, CONTROL_NAME, NULL);
}

int control_listen(const char *path, GError **error) {
  return sockets_listen_at(path, 0600, error);
}

static const char *reason_of(int failure) {
  if (failure == ENOENT || failure == ECONNREFUSED)
    return "signetd is not running, or has its store elsewhere";
  if (failure == EACCES || failure == EPERM)
    return "no permission; only root and the user of signetd may give commands";
  if (failure == ENAMETOOLONG)
    return "the path is too long for a socket";
  return g_strerror(failure);
}

/* A full queue makes a blocking connect wait. */
int control_connect(const char *path, GError **error) {
  int fd = sockets_connect_to(path);
  if (fd < 0)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", path, reason_of(errno));
  else
    fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}
