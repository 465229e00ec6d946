/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service_manager.h"
#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or behind "@" the name of an abstract socket. */
void service_manager_tell(const char *state) {
  const char *path = g_getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  gsize length = path != NULL ? strlen(path) : 0;
  if (length == 0 || length > sizeof(address.sun_path))
    return;
  memcpy(address.sun_path, path, length);
  if (*path == '@')
    address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  if (fd < 0 ||
      sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
    log_warning("service manager not told", "state", state, "reason", g_strerror(errno), NULL);
  if (fd >= 0)
    close(fd);
}
