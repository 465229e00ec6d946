/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

char *control_path(const char *folder) {
  return g_build_filename(folder, CONTROL_NAME, NULL);
}

static gboolean fail(const char *path, const char *reason, GError **error) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", path, reason);
  return FALSE;
}

static gboolean set_address(const char *path, struct sockaddr_un *address, GError **error) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (strlen(path) > CONTROL_PATH_MAX)
    return fail(path, "the path is too long for a socket", error);
  memcpy(address->sun_path, path, strlen(path));
  return TRUE;
}

/* A new socket that is connected to an address, or bound to it; -1 and errno. */
static int socket_at(int (*join)(int fd, const struct sockaddr *address, socklen_t length),
                     const struct sockaddr_un *address, int flags) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0 || join(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
    return fd;
  int failure = errno;
  close(fd);
  errno = failure;
  return -1;
}

/* --- the server's side
 * ------------------------------------------------------------------------------------ */

/* EAGAIN: its queue is full, so it has an owner. */
static gboolean is_served(const struct sockaddr_un *address) {
  int fd = socket_at(connect, address, SOCK_NONBLOCK);
  if (fd < 0)
    return errno == EAGAIN;
  close(fd);
  return TRUE;
}

static gboolean remove_stale(const char *path, const struct sockaddr_un *address, GError **error) {
  struct stat status;
  if (lstat(path, &status) != 0)
    return TRUE;
  if (!S_ISSOCK(status.st_mode))
    return fail(path, "is there, and is no socket", error);
  if (is_served(address))
    return fail(path, "another signetd serves this folder", error);
  return unlink(path) == 0 || fail(path, g_strerror(errno), error);
}

int control_listen(const char *path, GError **error) {
  struct sockaddr_un address;
  if (!set_address(path, &address, error) || !remove_stale(path, &address, error))
    return -1;
  int fd = socket_at(bind, &address, SOCK_NONBLOCK);
  if (fd >= 0 && chmod(path, 0600) == 0 && listen(fd, BACKLOG) == 0)
    return fd;
  fail(path, g_strerror(errno), error);
  if (fd >= 0)
    close(fd);
  return -1;
}

/* --- the operator's side
 * ---------------------------------------------------------------------------------- */

static const char *reason_of(int failure) {
  if (failure == ENOENT || failure == ECONNREFUSED)
    return "signetd is not running, or has its store elsewhere";
  if (failure == EACCES || failure == EPERM)
    return "no permission; only root and the user of signetd may give commands";
  return g_strerror(failure);
}

/* A full queue makes a blocking connect wait. */
int control_connect(const char *path, GError **error) {
  struct sockaddr_un address;
  if (!set_address(path, &address, error))
    return -1;
  int fd = socket_at(connect, &address, 0);
  if (fd < 0)
    fail(path, reason_of(errno), error);
  else
    fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}
