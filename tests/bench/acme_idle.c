/* SPDX-License-Identifier: Apache-2.0 */
/* Holds idle connections to an HTTPS server:

     acme_idle URL CA CONNECTIONS ADDRESSES

   from so many addresses of 127.0.0.0/8, by turns. Each asks for the URL once, by HEAD. Prints
   "open" when all have their answer, then waits for the end of standard input, and prints how many
   are open still. */
#include "acme_https.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPENED_AT_ONCE 64

typedef struct {
  HttpsServer *server;
  const char *path;
  guint wanted, addresses, answered;
  GPtrArray *connections; /* of HttpsConnection */
} Idle;

static void on_answered(const HttpsAnswer *answer, gpointer user);

static void open_next(Idle *idle) {
  if (idle->connections->len == idle->wanted)
    return;
  in_addr_t source = htonl(INADDR_LOOPBACK + 1 + idle->connections->len % idle->addresses);
  HttpsConnection *connection = https_connection_new(idle->server, source, on_answered, idle);
  g_ptr_array_add(idle->connections, connection);
  https_connection_send(connection, "HEAD", idle->path, NULL);
}

static void on_answered(const HttpsAnswer *answer, gpointer user) {
  Idle *idle = user;
  if (answer->status != 200)
    https_fail("a connection", answer->status != 0 ? answer->body : "was closed");
  if (++idle->answered == idle->wanted) {
    puts("open");
    fflush(stdout);
  }
  open_next(idle);
}

/* Nothing is written to it. */
static void on_input(evutil_socket_t fd, short what G_GNUC_UNUSED, void *user) {
  char octet = 0;
  if (read(fd, &octet, sizeof(octet)) == 0)
    event_base_loopbreak(((Idle *)user)->server->base);
}

static void run(Idle *idle) {
  struct event *input =
      event_new(idle->server->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, idle);
  guint open = 0;
  event_add(input, NULL);
  for (guint i = 0; i < OPENED_AT_ONCE; i++)
    open_next(idle);
  event_base_dispatch(idle->server->base);
  for (guint i = 0; i < idle->connections->len; i++)
    open += https_connection_is_open(idle->connections->pdata[i]) ? 1 : 0;
  g_print("%u\n", open);
  event_free(input);
}

int main(int argc, char **argv) {
  g_set_prgname("acme_idle");
  if (argc != 5) {
    g_printerr("usage: acme_idle URL CA CONNECTIONS ADDRESSES\n");
    return 2;
  }
  Idle idle = {.server = https_server_new(argv[1], argv[2]),
               .wanted = (guint)strtoul(argv[3], NULL, 10),
               .addresses = (guint)strtoul(argv[4], NULL, 10)};
  idle.path = https_path(idle.server, argv[1]);
  idle.connections = g_ptr_array_new_with_free_func((GDestroyNotify)https_connection_free);
  run(&idle);
  g_ptr_array_unref(idle.connections);
  https_server_free(idle.server);
  return 0;
}
