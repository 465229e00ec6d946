/* SPDX-License-Identifier: Apache-2.0 */
#include "client/listen_socket.h"

#include "base/config.h"
#include "client/failure.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static int close_failed(int fd) {
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

/* --- at a path ----------------------------------------------------------------------------------
 */

static gboolean fill(struct sockaddr_un *address, const char *path, GError **error) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (strlen(path) < sizeof address->sun_path) {
    memcpy(address->sun_path, path, strlen(path));
    return TRUE;
  }
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
              "%s: a socket's path has at most %zu octets; take a folder with a shorter one", path,
              sizeof address->sun_path - 1);
  return FALSE;
}

static int connect_to(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
    return fd;
  return close_failed(fd);
}

int listen_socket_connect(const char *path, GError **error) {
  struct sockaddr_un address;
  if (!fill(&address, path, error))
    return -1;
  int fd = connect_to(&address);
  if (fd < 0)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s; does the gateway run (signet gateway)?",
                path, g_strerror(errno));
  return fd;
}

static int bind_path(const struct sockaddr_un *address, guint mode) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  mode_t before = umask((mode_t)(~mode & 0777));
  int bound = bind(fd, (const struct sockaddr *)address, sizeof *address);
  umask(before);
  return bound == 0 && listen(fd, BACKLOG) == 0 ? fd : close_failed(fd);
}

int listen_socket_open_path(const char *path, guint mode, GError **error) {
  struct sockaddr_un address;
  if (!fill(&address, path, error))
    return -1;
  int other = connect_to(&address);
  if (other >= 0) {
    close(other);
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "%s: another program listens there already; end it first", path);
    return -1;
  }
  if (errno == ECONNREFUSED)
    g_unlink(path);
  int fd = bind_path(&address, mode);
  if (fd < 0)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s", path, g_strerror(errno));
  return fd;
}

/* --- at a port ----------------------------------------------------------------------------------
 */

/* A listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *address) {
  int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
    return fd;
  return close_failed(fd);
}

static int open_port(const char *text, GError **error) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  struct addrinfo *addresses = NULL;
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                 .ai_socktype = SOCK_STREAM};
  if (config_split_peer(text, &host, &port)) {
    g_autofree char *service = g_strdup_printf("%u", (guint)port);
    if (getaddrinfo(host, service, &hints, &addresses) != 0)
      addresses = NULL;
  }
  if (addresses == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_USAGE,
                "--listen %s: not a numeric address and port (127.0.0.1:2525, [::1]:2525)", text);
    return -1;
  }
  int fd = listen_on(addresses);
  if (fd < 0)
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "--listen %s: %s", text, g_strerror(errno));
  freeaddrinfo(addresses);
  return fd;
}

int listen_socket_open(const char *where, GError **error) {
  return g_str_has_prefix(where, LISTEN_SOCKET_UNIX)
             ? listen_socket_open_path(where + strlen(LISTEN_SOCKET_UNIX), 0666, error)
             : open_port(where, error);
}
