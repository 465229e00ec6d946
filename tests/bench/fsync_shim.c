/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded into signetd and PostgreSQL (LD_PRELOAD) by bench_issue.py: counts what is made durable,
   by role and file, and the commits of the store that changed something, in the file SIGNET_FSYNCS,
   which all roles share. SIGNET_FSYNC_MS: so many milliseconds more for each fsync, as a slower
   disk would take. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROWS 64
#define NAME 56

/* name is written once, by whoever gets the row; bench_issue.py reads the same form. */
typedef struct {
  char name[NAME]; /* "ROLE FILE", "ROLE commit" */
  _Atomic int taken, ready;
  _Atomic long count;
} Row;

static Row *rows;
static char own_role[16];
static long delay_ms;

__attribute__((constructor)) static void map(void) {
  const char *path = getenv("SIGNET_FSYNCS"), *delay = getenv("SIGNET_FSYNC_MS");
  char line[256] = {0};
  int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
  int command = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t length = command >= 0 ? read(command, line, sizeof(line) - 1) : 0;
  const char *argument = length > 0 ? line + strlen(line) + 1 : line;
  snprintf(own_role, sizeof(own_role), "%s",
           strncmp(argument, "--role=", 7) == 0 ? argument + 7 : program_invocation_short_name);
  close(command);
  delay_ms = delay != NULL ? strtol(delay, NULL, 10) : 0;
  if (file < 0)
    return;
  void *mapped = mmap(NULL, ROWS * sizeof(Row), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  rows = mapped == MAP_FAILED ? NULL : mapped;
  close(file);
}

/* The last row counts for all that have none of their own. NULL: nothing is counted. */
static Row *row_of(const char *what) {
  char name[NAME];
  snprintf(name, sizeof(name), "%s %s", own_role, what);
  for (int i = 0; rows != NULL && i < ROWS; i++) {
    Row *row = &rows[i];
    if (atomic_exchange(&row->taken, 1) == 0) {
      snprintf(row->name, sizeof(row->name), "%s", i < ROWS - 1 ? name : "others");
      atomic_store(&row->ready, 1);
    }
    while (!atomic_load(&row->ready))
      ;
    if (i < ROWS - 1 && strcmp(row->name, name) != 0)
      continue;
    return row;
  }
  return NULL;
}

static void count(Row *row) {
  if (row != NULL)
    atomic_fetch_add(&row->count, 1);
}

/* The file's name, or its folder's where it is a number: those of PostgreSQL. */
static const char *name_of(char *path) {
  char *slash = strrchr(path, '/');
  if (slash == NULL || slash[1 + strspn(slash + 1, "0123456789ABCDEF")] != '\0')
    return slash != NULL ? slash + 1 : path;
  *slash = '\0';
  return name_of(path);
}

static Row *row_of_file(int fd) {
  char link[64], path[4096] = {0};
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  return readlink(link, path, sizeof(path) - 1) > 0 ? row_of(name_of(path)) : NULL;
}

/* The name of a file takes longer to find than a small fsync, and would count as the server's time:
   so the row of each descriptor is kept until it is closed. */
static Row *known[256];
#define KNOWS(fd) ((fd) >= 0 && (fd) < (int)(sizeof(known) / sizeof(known[0])))

int close(int fd) {
  static int (*real)(int);
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "close");
  if (KNOWS(fd))
    known[fd] = NULL;
  return real(fd);
}

static void count_file(int fd) {
  Row *row = KNOWS(fd) && known[fd] != NULL ? known[fd] : row_of_file(fd);
  if (KNOWS(fd))
    known[fd] = row;
  count(row);
}

static void synced(int fd) {
  count_file(fd);
  struct timespec rest = {delay_ms / 1000, delay_ms % 1000 * 1000000};
  while (delay_ms > 0 && nanosleep(&rest, &rest) != 0)
    ;
}

#define COUNTED(name)                                                                              \
  int name(int fd) {                                                                               \
    static int (*real)(int);                                                                       \
    if (real == NULL)                                                                              \
      *(void **)&real = dlsym(RTLD_NEXT, #name);                                                   \
    synced(fd);                                                                                    \
    return real(fd);                                                                               \
  }

COUNTED(fsync)
COUNTED(fdatasync)

/* A transaction that changed no row writes nothing and waits for nothing. */
static int on_commit(void *user) {
  static int changes;
  int now = sqlite3_total_changes(user);
  if (now != changes)
    count(row_of("commit"));
  changes = now;
  return 0;
}

int sqlite3_open_v2(const char *path, sqlite3 **store, int flags, const char *vfs) {
  static int (*real)(const char *, sqlite3 **, int, const char *);
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_open_v2");
  int done = real(path, store, flags, vfs);
  if (done == SQLITE_OK && rows != NULL && strcmp(own_role, "core") == 0)
    sqlite3_commit_hook(*store, on_commit, *store);
  return done;
}
