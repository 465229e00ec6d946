/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/http_front_connections.h"
#include "acme/http_front.h"
#include "base/log.h"
#include "base/network.h"

#include <sys/stat.h>

/* counted: it is one of its peer's in per_peer. */
typedef struct {
  ino_t inode;
  char *peer;
  gboolean counted;
  gint64 deadline;        /* monotonic seconds; G_MAXINT64 while a request is being answered */
  gboolean told;          /* a request was read, or the log has why not */
  struct event *readable; /* NULL until there was a request */
  gboolean asked;         /* since readable came last */
} Connection;

struct Connections {
  struct event_base *base;
  GHashTable *by_fd;    /* fd -> Connection */
  GHashTable *per_peer; /* address -> count */
};

static gint64 seconds_now(void) {
  return g_get_monotonic_time() / G_USEC_PER_SEC;
}

static void connection_free(gpointer data) {
  Connection *connection = data;
  g_clear_pointer(&connection->readable, event_free);
  g_free(connection->peer);
  g_free(connection);
}

Connections *connections_new(struct event_base *base) {
  Connections *connections = g_new0(Connections, 1);
  connections->base = base;
  connections->by_fd = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, connection_free);
  connections->per_peer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return connections;
}

void connections_free(Connections *connections) {
  g_hash_table_unref(connections->by_fd);
  g_hash_table_unref(connections->per_peer);
  g_free(connections);
}

static Connection *find(const Connections *connections, int fd) {
  return g_hash_table_lookup(connections->by_fd, GINT_TO_POINTER(fd));
}

static int change_count(Connections *connections, const char *peer, int change) {
  int count = GPOINTER_TO_INT(g_hash_table_lookup(connections->per_peer, peer)) + change;
  if (count > 0)
    g_hash_table_replace(connections->per_peer, g_strdup(peer), GINT_TO_POINTER(count));
  else
    g_hash_table_remove(connections->per_peer, peer);
  return count;
}

/* evhttp answers what it cannot read by itself (400, 413, 501) and tells nobody: this is its trace.
 */
static void settle_gone(Connections *connections, const Connection *connection) {
  if (connection->counted)
    change_count(connections, connection->peer, -1);
  if (!connection->told)
    log_info("connection ended", "reason", "no HTTP request that can be read", "peer",
             connection->peer, NULL);
}

static void forget(Connections *connections, int fd) {
  Connection *connection = find(connections, fd);
  if (connection == NULL)
    return;
  settle_gone(connections, connection);
  g_hash_table_remove(connections->by_fd, GINT_TO_POINTER(fd));
}

static char *peer_of(int fd) {
  struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
  socklen_t length = sizeof(address);
  getpeername(fd, (struct sockaddr *)&address, &length);
  return network_peer_text(&address);
}

gboolean connections_add(Connections *connections, int fd) {
  struct stat status = {.st_ino = 0};
  fstat(fd, &status);
  forget(connections, fd);
  Connection *connection = g_new0(Connection, 1);
  connection->inode = status.st_ino;
  connection->peer = peer_of(fd);
  connection->deadline = seconds_now() + HTTP_FRONT_FIRST_SECONDS;
  g_hash_table_insert(connections->by_fd, GINT_TO_POINTER(fd), connection);
  return g_hash_table_size(connections->by_fd) <= HTTP_FRONT_MAX_CONNECTIONS;
}

const char *connections_peer(const Connections *connections, int fd) {
  const Connection *connection = find(connections, fd);
  return connection != NULL ? connection->peer : "?";
}

gboolean connections_count(Connections *connections, int fd, const char *address) {
  Connection *connection = find(connections, fd);
  if (address != NULL) {
    g_free(connection->peer);
    connection->peer = g_strdup(address);
  }
  connection->counted = TRUE;
  return change_count(connections, connection->peer, 1) <= HTTP_FRONT_MAX_PER_ADDRESS;
}

void connections_refuse(Connections *connections, int fd, const char *reason) {
  Connection *connection = find(connections, fd);
  log_warning("connection refused", "reason", reason, "peer", connection->peer, NULL);
  connection->told = TRUE;
  shutdown(fd, SHUT_RDWR);
}

/* What evhttp does not read now, since it answers, would come here again and again. */
static void on_readable(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Connection *connection = user;
  if (!connection->asked)
    event_del(connection->readable);
  connection->asked = FALSE;
}

/* evhttp takes its own event for reading away with each request, and back with the answer: with
   this one beside it that is not told to the kernel each time. */
static void watch(Connections *connections, Connection *connection, int fd) {
  if (connection->readable == NULL)
    connection->readable =
        event_new(connections->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
  event_add(connection->readable, NULL);
  connection->asked = TRUE;
}

void connections_asked(Connections *connections, int fd) {
  Connection *connection = find(connections, fd);
  if (connection == NULL)
    return;
  connection->deadline = G_MAXINT64;
  connection->told = TRUE;
  watch(connections, connection, fd);
}

void connections_answered(Connections *connections, int fd) {
  Connection *connection = find(connections, fd);
  if (connection != NULL)
    connection->deadline = seconds_now() + HTTP_FRONT_NEXT_SECONDS;
}

void connections_closed(Connections *connections, int fd) {
  Connection *connection = find(connections, fd);
  if (connection != NULL)
    g_clear_pointer(&connection->readable, event_free);
}

static gboolean is_gone(int fd, const Connection *connection) {
  struct stat status;
  return fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode) || status.st_ino != connection->inode;
}

void connections_sweep(Connections *connections) {
  GHashTableIter iter;
  gpointer key = NULL, value = NULL;
  gint64 now = seconds_now();
  g_hash_table_iter_init(&iter, connections->by_fd);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    Connection *connection = value;
    if (is_gone(GPOINTER_TO_INT(key), connection)) {
      settle_gone(connections, connection);
      g_hash_table_iter_remove(&iter);
    } else if (connection->deadline <= now) {
      log_debug("connection closed", "reason", "no whole request in time", "peer", connection->peer,
                NULL);
      shutdown(GPOINTER_TO_INT(key), SHUT_RDWR);
      connection->deadline = now + HTTP_FRONT_IDLE_SECONDS;
    }
  }
}
