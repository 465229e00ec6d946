/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded into signetd (LD_PRELOAD) by scenario/test_failpoints.py, and into signetctl, whose role
   is "signetctl", by scenario/test_backup_kills.py: freezes one role before or after its n-th call
   that makes something durable or tells another process, so that what the store holds at that
   moment can be looked at; then the test kills it. SIGNET_FAILPOINT names the shared file.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct {
  char role[16];      /* whose calls count; "" is nobody */
  _Atomic int point;  /* which call, from 1; 0: they are counted only */
  int after;          /* frozen after the call, otherwise before */
  _Atomic int calls;  /* until now */
  _Atomic int frozen; /* the process that stands still */
  char call[16];      /* where */
} Failpoint;

static Failpoint *failpoint;
static char own_role[16];

__attribute__((constructor)) static void map(void) {
  const char *path = getenv("SIGNET_FAILPOINT");
  char line[256] = {0};
  int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
  int command = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t length = command >= 0 ? read(command, line, sizeof(line) - 1) : 0;
  const char *argument = length > 0 ? line + strlen(line) + 1 : line;
  if (strncmp(argument, "--role=", 7) == 0)
    snprintf(own_role, sizeof(own_role), "%s", argument + 7);
  else if (strstr(line, "/signetctl") != NULL)
    snprintf(own_role, sizeof(own_role), "signetctl");
  close(command);
  if (file < 0)
    return;
  void *mapped = mmap(NULL, sizeof(Failpoint), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  failpoint = mapped == MAP_FAILED ? NULL : mapped;
  close(file);
}

/* Whether this call is the point; 0: it is none of this role's, or a line of the log. */
static int reached(int fd, const char *call) {
  if (fd == STDERR_FILENO || failpoint == NULL || own_role[0] == '\0' ||
      strcmp(failpoint->role, own_role) != 0)
    return 0;
  if (atomic_fetch_add(&failpoint->calls, 1) + 1 != failpoint->point)
    return 0;
  snprintf(failpoint->call, sizeof(failpoint->call), "%s", call);
  return 1;
}

static void freeze(void) {
  atomic_store(&failpoint->frozen, getpid());
  raise(SIGSTOP);
}

#define POINT(result, name, fd, parameters, arguments)                                             \
  result name parameters {                                                                         \
    static result(*real) parameters;                                                               \
    if (real == NULL)                                                                              \
      *(void **)&real = dlsym(RTLD_NEXT, #name);                                                   \
    int here = reached(fd, #name);                                                                 \
    if (here && !failpoint->after)                                                                 \
      freeze();                                                                                    \
    result done = real arguments;                                                                  \
    if (here && failpoint->after)                                                                  \
      freeze();                                                                                    \
    return done;                                                                                   \
  }

POINT(int, fsync, fd, (int fd), (fd))
POINT(int, fdatasync, fd, (int fd), (fd))
POINT(ssize_t, pwrite64, fd, (int fd, const void *data, size_t size, off64_t at),
      (fd, data, size, at))
POINT(ssize_t, write, fd, (int fd, const void *data, size_t size), (fd, data, size))
POINT(ssize_t, writev, fd, (int fd, const struct iovec *parts, int count), (fd, parts, count))
POINT(ssize_t, sendmsg, fd, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
POINT(int, rename, -1, (const char *from, const char *to), (from, to))
POINT(int, unlink, -1, (const char *path), (path))
POINT(int, mkdir, -1, (const char *path, mode_t mode), (path, mode))
