/* SPDX-License-Identifier: Apache-2.0 */
/* Sends the messages of a spool to an SMTP server on this host over several connections at a time,
   each as fast as it is answered, with the commands up to DATA in one write:

     smtp_load PORT CONNECTIONS SPOOL FIRST COUNT

   A spool is, for each message, a line "SENDER RECIPIENT LENGTH" and so many octets. Prints one
   JSON object: messages that were answered 250, seconds, and the time from MAIL to that answer in
   milliseconds. Fails at the first other answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_OCTETS 4096
#define TIMEOUT_SECONDS 300

typedef struct {
  char *commands; /* MAIL, RCPT, DATA */
  GString *data;  /* dots doubled, with the final dot */
  gint64 took;    /* microseconds */
} Letter;

typedef struct {
  guint16 port;
  GArray *letters; /* of Letter */
  gint next;       /* the next one that nobody has taken; atomic */
} Load;

typedef struct {
  int fd;
  char buffer[LINE_MAX_OCTETS];
  gsize start, end;
} Connection;

static void G_GNUC_NORETURN fail(const char *what, const char *words) {
  g_printerr("smtp_load: %s: %s\n", what, words);
  exit(1);
}

/* --- the spool
 * ---------------------------------------------------------------------------------------------- */

static GString *stuffed(const char *octets, gsize length) {
  GString *data = g_string_sized_new(length + 64);
  gboolean line_begins = TRUE;
  for (gsize i = 0; i < length; i++) {
    if (line_begins && octets[i] == '.')
      g_string_append_c(data, '.');
    g_string_append_c(data, octets[i]);
    line_begins = octets[i] == '\n';
  }
  g_string_append(data, line_begins ? ".\r\n" : "\r\n.\r\n");
  return data;
}

/* Reads the message at *place and moves that behind it; FALSE at the end. */
static gboolean read_letter(const char **place, const char *end, Letter *letter, gboolean wanted) {
  const char *line_end = memchr(*place, '\n', (gsize)(end - *place));
  if (line_end == NULL)
    return FALSE;
  g_autofree char *line = g_strndup(*place, (gsize)(line_end - *place));
  g_auto(GStrv) words = g_strsplit(line, " ", 0);
  if (g_strv_length(words) != 3)
    fail("spool", line);
  gsize length = strtoul(words[2], NULL, 10);
  if (length > (gsize)(end - line_end - 1))
    fail("spool", "it is cut off");
  if (wanted)
    *letter = (Letter){.commands = g_strdup_printf("MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n",
                                                   words[0], words[1]),
                       .data = stuffed(line_end + 1, length)};
  *place = line_end + 1 + length;
  return TRUE;
}

static GArray *read_spool(const char *path, guint first, guint count) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &error);
  if (file == NULL)
    fail("spool", error->message);
  const char *place = g_mapped_file_get_contents(file);
  const char *end = place + g_mapped_file_get_length(file);
  GArray *letters = g_array_new(FALSE, FALSE, sizeof(Letter));
  Letter letter = {0};
  for (guint i = 0; i < first + count; i++) {
    if (!read_letter(&place, end, &letter, i >= first))
      fail("spool", "it has fewer messages");
    if (i >= first)
      g_array_append_val(letters, letter);
  }
  return letters;
}

/* --- SMTP
 * ---------------------------------------------------------------------------------------------- */

static void say(Connection *connection, const char *octets, gsize length) {
  while (length > 0) {
    ssize_t sent = send(connection->fd, octets, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR)
      fail("send", g_strerror(errno));
    if (sent > 0) {
      octets += sent;
      length -= (gsize)sent;
    }
  }
}

static void hear(Connection *connection) {
  if (connection->start > 0) {
    memmove(connection->buffer, connection->buffer + connection->start,
            connection->end - connection->start);
    connection->end -= connection->start;
    connection->start = 0;
  }
  if (connection->end == sizeof(connection->buffer))
    fail("receive", "a line without end");
  ssize_t got = recv(connection->fd, connection->buffer + connection->end,
                     sizeof(connection->buffer) - connection->end, 0);
  if (got < 0 && errno == EINTR)
    return;
  if (got <= 0)
    fail("receive", got == 0 ? "the server closed" : g_strerror(errno));
  connection->end += (gsize)got;
}

/* One whole reply, of any number of lines, whose code must be this. */
static void expect(Connection *connection, const char *code) {
  for (;;) {
    const char *line = connection->buffer + connection->start;
    const char *end = memchr(line, '\n', connection->end - connection->start);
    if (end == NULL) {
      hear(connection);
      continue;
    }
    g_autofree char *text = g_strndup(line, (gsize)(end - line));
    connection->start += (gsize)(end - line) + 1;
    if (!g_str_has_prefix(text, code))
      fail("the server said", g_strchomp(text));
    if (text[3] != '-')
      return;
  }
}

static void open_connection(Connection *connection, guint16 port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval patience = {.tv_sec = TIMEOUT_SECONDS};
  int on = 1;
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
    fail("connect", g_strerror(errno));
  expect(connection, "220");
  say(connection, "EHLO bench.test\r\n", 17);
  expect(connection, "250");
}

static void send_letter(Connection *connection, Letter *letter) {
  gint64 begun = g_get_monotonic_time();
  say(connection, letter->commands, strlen(letter->commands));
  expect(connection, "250");
  expect(connection, "250");
  expect(connection, "354");
  say(connection, letter->data->str, letter->data->len);
  expect(connection, "250");
  letter->took = g_get_monotonic_time() - begun;
}

static gpointer work(gpointer user) {
  Load *load = user;
  g_autofree Connection *connection = g_new0(Connection, 1);
  open_connection(connection, load->port);
  for (;;) {
    guint number = (guint)g_atomic_int_add(&load->next, 1);
    if (number >= load->letters->len)
      break;
    send_letter(connection, &g_array_index(load->letters, Letter, number));
  }
  say(connection, "QUIT\r\n", 6);
  expect(connection, "221");
  close(connection->fd);
  return NULL;
}

/* --- what is printed
 * ---------------------------------------------------------------------------------------------- */

static int compare(gconstpointer a, gconstpointer b) {
  gint64 left = ((const Letter *)a)->took, right = ((const Letter *)b)->took;
  return left < right ? -1 : left > right;
}

static double percentile(GArray *sorted, guint percent) {
  guint place = (sorted->len - 1) * percent / 100;
  return (double)g_array_index(sorted, Letter, place).took / 1000;
}

static void clear_letter(gpointer data) {
  Letter *letter = data;
  g_free(letter->commands);
  g_string_free(letter->data, TRUE);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    g_printerr("usage: smtp_load PORT CONNECTIONS SPOOL FIRST COUNT\n");
    return 2;
  }
  guint connections = (guint)strtoul(argv[2], NULL, 10);
  g_autoptr(GArray) letters =
      read_spool(argv[3], (guint)strtoul(argv[4], NULL, 10), (guint)strtoul(argv[5], NULL, 10));
  g_array_set_clear_func(letters, clear_letter);
  Load load = {.port = (guint16)strtoul(argv[1], NULL, 10), .letters = letters};
  g_autoptr(GPtrArray) threads = g_ptr_array_new();
  gint64 begun = g_get_monotonic_time();
  for (guint i = 0; i < connections; i++)
    g_ptr_array_add(threads, g_thread_new("connection", work, &load));
  for (guint i = 0; i < connections; i++)
    g_thread_join(threads->pdata[i]);
  double seconds = (double)(g_get_monotonic_time() - begun) / G_USEC_PER_SEC;
  g_array_sort(letters, compare);
  g_print("{\"messages\": %u, \"seconds\": %.3f, \"p50_ms\": %.2f, \"p99_ms\": %.2f}\n",
          letters->len, seconds, percentile(letters, 50), percentile(letters, 99));
  return 0;
}
