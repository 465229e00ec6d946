/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sockets.h"
#include "base/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

G_DEFINE_QUARK(signet - sockets - error - quark, sockets_error)

static socklen_t socket_address(const char *text, struct sockaddr_storage *address) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  memset(address, 0, sizeof(*address));
  if (!config_split_peer(text, &host, &port))
    return 0;
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return sizeof(*four);
  }
  if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
    return 0;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  return sizeof(*six);
}

static int listen_on(const char *text, gboolean reuse_port) {
  struct sockaddr_storage address;
  socklen_t length = socket_address(text, &address);
  int on = 1;
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if ((!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
      bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, BACKLOG) == 0)
    return fd;
  int failure = errno;
  close(fd);
  errno = failure;
  return -1;
}

static gboolean cannot_listen(const char *address, const char *reason, GError **error) {
  g_set_error(error, SOCKETS_ERROR, SOCKETS_ERROR_BIND, "cannot listen on %s: %s", address, reason);
  return FALSE;
}

GArray *sockets_listen(const char *const *addresses, gboolean reuse_port, GError **error) {
  g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(int));
  for (; *addresses != NULL; addresses++) {
    int fd = listen_on(*addresses, reuse_port);
    if (fd < 0) {
      cannot_listen(*addresses, g_strerror(errno), error);
      return NULL;
    }
    g_array_append_val(sockets, fd);
  }
  return g_steal_pointer(&sockets);
}

/* --- Unix sockets
 * ----------------------------------------------------------------------------------------- */

/* A new socket that is connected to a path, or bound to it; -1 and errno. */
static int socket_at(int (*join)(int fd, const struct sockaddr *address, socklen_t length),
                     const char *path, int flags) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) > SOCKETS_PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0 || join(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
    return fd;
  int failure = errno;
  close(fd);
  errno = failure;
  return -1;
}

int sockets_connect_to(const char *path) {
  return socket_at(connect, path, 0);
}

/* EAGAIN: its queue is full, so it has an owner. */
static gboolean is_served(const char *path) {
  int fd = socket_at(connect, path, SOCK_NONBLOCK);
  if (fd < 0)
    return errno == EAGAIN;
  close(fd);
  return TRUE;
}

static gboolean remove_stale(const char *path, GError **error) {
  struct stat status;
  if (lstat(path, &status) != 0)
    return TRUE;
  if (!S_ISSOCK(status.st_mode))
    return cannot_listen(path, "it is there, and is no socket", error);
  if (is_served(path))
    return cannot_listen(path, "another process serves it", error);
  return unlink(path) == 0 || cannot_listen(path, g_strerror(errno), error);
}

int sockets_listen_at(const char *path, int mode, GError **error) {
  if (!remove_stale(path, error))
    return -1;
  int fd = socket_at(bind, path, SOCK_NONBLOCK);
  if (fd >= 0 && chmod(path, (mode_t)mode) == 0 && listen(fd, BACKLOG) == 0)
    return fd;
  cannot_listen(path, g_strerror(errno), error);
  if (fd >= 0)
    close(fd);
  return -1;
}

GArray *sockets_listen_locally(const char *const *addresses, GError **error) {
  g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(int));
  for (; *addresses != NULL; addresses++) {
    int fd = **addresses == '/' ? sockets_listen_at(*addresses, 0666, error)
                                : listen_on(*addresses, FALSE);
    if (fd < 0 && **addresses != '/')
      cannot_listen(*addresses, g_strerror(errno), error);
    if (fd < 0)
      return NULL;
    g_array_append_val(sockets, fd);
  }
  return g_steal_pointer(&sockets);
}
