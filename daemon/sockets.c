/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sockets.h"
#include "base/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
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

GArray *sockets_listen(const char *const *addresses, gboolean reuse_port, GError **error) {
  g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(int));
  for (; *addresses != NULL; addresses++) {
    int fd = listen_on(*addresses, reuse_port);
    if (fd < 0) {
      g_set_error(error, SOCKETS_ERROR, SOCKETS_ERROR_BIND, "cannot listen on %s: %s", *addresses,
                  g_strerror(errno));
      return NULL;
    }
    g_array_append_val(sockets, fd);
  }
  return g_steal_pointer(&sockets);
}
