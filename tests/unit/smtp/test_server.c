/* SPDX-License-Identifier: Apache-2.0 */
/* The server on real loopback sockets (smtp/server.h). Server and clients share one thread and one
   loop: a client that waits turns the loop. security.md 11-13 and 17. */
#include "smtp/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE (60 * G_USEC_PER_SEC)

/* The owner: answers at once, or keeps the questions. */
typedef struct {
  struct event_base *base;
  SmtpServer *server;
  guint16 port;
  gboolean defer;
  GQueue open;         /* of SmtpQuestion */
  GPtrArray *messages; /* of GBytes */
  gboolean tls_seen;
} Host;

static void ask(Host *host, SmtpQuestion *question, gboolean known) {
  if (host->defer)
    g_queue_push_tail(&host->open, question);
  else if (known)
    smtp_question_answer(question, 250, "2.0.0", "yes");
  else
    smtp_question_answer(question, 550, "5.1.1", "unknown");
}

static void on_recipient(SmtpQuestion *question, const char *address, gpointer user) {
  ask(user, question, !g_str_has_prefix(address, "bad"));
}

static void on_message(SmtpQuestion *question, const SmtpEnvelope *envelope, GBytes *message,
                       gpointer user) {
  Host *host = user;
  host->tls_seen = envelope->tls;
  g_ptr_array_add(host->messages, g_bytes_ref(message));
  ask(host, question, TRUE);
}

static int listen_on_loopback(guint16 *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
  g_assert_cmpint(listen(fd, 128), ==, 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
  *port = ntohs(address.sin_port);
  return fd;
}

static const SmtpServerOptions generous = {.hostname = "mx.example.net",
                                           .max_message = 100000,
                                           .max_sessions = 10,
                                           .max_per_source = 10,
                                           .command_seconds = 120,
                                           .message_seconds = 300,
                                           .session_seconds = 300};

static Host *host_new(const SmtpServerOptions *options) {
  static const SmtpServerHandlers handlers = {.recipient = on_recipient, .message = on_message};
  Host *host = g_new0(Host, 1);
  host->base = event_base_new();
  int fd = listen_on_loopback(&host->port);
  host->server = smtp_server_new(host->base, fd, options, &handlers, host);
  host->messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  return host;
}

static void answer_all(Host *host) {
  SmtpQuestion *question = NULL;
  while ((question = g_queue_pop_head(&host->open)) != NULL)
    smtp_question_answer(question, 250, "2.0.0", "late yes");
}

static void host_free(Host *host) {
  if (host->server != NULL)
    smtp_server_free(host->server);
  answer_all(host);
  event_base_free(host->base);
  g_ptr_array_unref(host->messages);
  g_free(host);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Host, host_free)

static void turn(Host *host) {
  event_base_loop(host->base, EVLOOP_NONBLOCK);
  g_usleep(500);
}

typedef struct {
  Host *host;
  int fd;
  SSL *ssl;
  GString *got;
  gboolean ended; /* the server closed */
} Client;

static Client *client_new(Host *host) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(host->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  Client *client = g_new0(Client, 1);
  client->host = host;
  client->got = g_string_new(NULL);
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(connect(client->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint(fcntl(client->fd, F_SETFL, O_NONBLOCK), ==, 0);
  return client;
}

static void client_free(Client *client) {
  SSL_free(client->ssl);
  close(client->fd);
  g_string_free(client->got, TRUE);
  g_free(client);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

static ssize_t client_read(Client *client, char *buffer, gsize size) {
  if (client->ssl == NULL)
    return recv(client->fd, buffer, size, 0);
  int count = SSL_read(client->ssl, buffer, (int)size);
  if (count > 0)
    return count;
  errno = EAGAIN;
  return SSL_get_error(client->ssl, count) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void receive(Client *client) {
  char buffer[4096];
  turn(client->host);
  ssize_t count = client_read(client, buffer, sizeof buffer);
  if (count > 0)
    g_string_append_len(client->got, buffer, count);
  else if (count == 0 || errno != EAGAIN)
    client->ended = TRUE;
}

/* Waits until text has come; drops all up to its line's end. */
static void expect(Client *client, const char *text) {
  gint64 deadline = g_get_monotonic_time() + PATIENCE;
  char *found = NULL;
  while ((found = strstr(client->got->str, text)) == NULL || strchr(found, '\n') == NULL) {
    if (client->ended || g_get_monotonic_time() > deadline)
      g_error("waiting for \"%s\", got \"%s\"%s", text, client->got->str,
              client->ended ? " and the end" : "");
    receive(client);
  }
  g_string_erase(client->got, 0, strchr(found, '\n') + 1 - client->got->str);
}

static void expect_end(Client *client) {
  gint64 deadline = g_get_monotonic_time() + PATIENCE;
  while (!client->ended) {
    g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    receive(client);
  }
}

/* FALSE when the socket takes nothing now. */
static gboolean try_say(Client *client, const char *text) {
  int count = client->ssl != NULL ? SSL_write(client->ssl, text, (int)strlen(text))
                                  : (int)send(client->fd, text, strlen(text), MSG_NOSIGNAL);
  return count > 0;
}

static void say(Client *client, const char *text) {
  g_assert_true(try_say(client, text));
}

static Client *greeted(Host *host) {
  Client *client = client_new(host);
  expect(client, "220 mx.example.net");
  say(client, "EHLO client.example\r\n");
  expect(client, "250 ENHANCEDSTATUSCODES");
  return client;
}

/* In a transaction that has a recipient. */
static Client *with_recipient(Host *host) {
  Client *client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\n");
  expect(client, "250 2.0.0 yes");
  return client;
}

static void wait_for_questions(Host *host, guint count) {
  gint64 deadline = g_get_monotonic_time() + PATIENCE;
  while (host->open.length < count) {
    g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    turn(host);
  }
}

static void test_message(void) {
  g_autoptr(Host) host = host_new(&generous);
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<a@example.org>\r\nRCPT TO:<bad@example.net>\r\nRCPT "
              "TO:<x@example.net>\r\nDATA\r\n");
  expect(client, "250 2.1.0");
  expect(client, "550 5.1.1 unknown");
  expect(client, "250 2.0.0 yes");
  expect(client, "354");
  say(client, "Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n");
  expect(client, "250 2.0.0 yes");
  expect(client, "221");
  expect_end(client);
  g_assert_cmpuint(host->messages->len, ==, 1);
  gsize size = 0;
  const char *text = g_bytes_get_data(host->messages->pdata[0], &size);
  g_assert_true(g_str_has_prefix(text, "Received: from client.example ([127.0.0.1])\r\n"));
  g_assert_nonnull(g_strstr_len(text, (gssize)size, "\r\nSubject: x\r\n\r\nhello\r\n"));
  g_assert_false(host->tls_seen);
}

static void test_deferred(void) {
  g_autoptr(Host) host = host_new(&generous);
  host->defer = TRUE;
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n");
  expect(client, "250 2.1.0");
  wait_for_questions(host, 1);
  answer_all(host);
  expect(client, "250 2.0.0 late yes");
  expect(client, "354");
  say(client, "x\r\n.\r\n");
  wait_for_questions(host, 1);
  g_assert_cmpuint(client->got->len, ==, 0);
  answer_all(host);
  expect(client, "250 2.0.0 late yes");
}

/* Waits until the server has a place again: until a new client of the address is greeted. */
static void wait_for_place(Host *host) {
  gint64 deadline = g_get_monotonic_time() + PATIENCE;
  for (;;) {
    g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    g_autoptr(Client) client = client_new(host);
    while (!client->ended && strchr(client->got->str, '\n') == NULL)
      receive(client);
    if (g_str_has_prefix(client->got->str, "220"))
      return;
    g_assert_true(g_str_has_prefix(client->got->str,
                                   "421 4.7.0 mx.example.net too many sessions of one source"));
  }
}

/* A client leaves while its question is open; the answer comes later. */
static void test_late_answer(void) {
  SmtpServerOptions options = generous;
  options.max_per_source = 1;
  g_autoptr(Host) host = host_new(&options);
  host->defer = TRUE;
  Client *client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\n");
  wait_for_questions(host, 1);
  client_free(client);
  wait_for_place(host);
  g_assert_cmpuint(host->open.length, ==, 1);
  answer_all(host);
  turn(host);
}

static void test_answer_after_server(void) {
  g_autoptr(Host) host = host_new(&generous);
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n");
  expect(client, "354");
  host->defer = TRUE;
  say(client, "x\r\n.\r\n");
  wait_for_questions(host, 1);
  g_clear_pointer(&host->server, smtp_server_free);
  expect_end(client);
  answer_all(host);
}

/* Sessions with a recipient keep their places. */
static void test_limits(void) {
  SmtpServerOptions options = generous;
  options.max_sessions = 2;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) first = with_recipient(host);
  g_autoptr(Client) second = with_recipient(host);
  g_autoptr(Client) third = client_new(host);
  expect(third, "421 4.7.0 mx.example.net too many sessions, try again later");
  expect_end(third);
  say(first, "NOOP\r\n");
  expect(first, "250 2.0.0");
  say(second, "DATA\r\n");
  expect(second, "354");
}

/* The one that has been idle longest makes room: neither the one that spoke last nor the one that
   delivers. */
static void test_idle(void) {
  SmtpServerOptions options = generous;
  options.max_sessions = 3;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) delivers = with_recipient(host);
  g_autoptr(Client) speaks = greeted(host);
  g_autoptr(Client) silent = greeted(host);
  say(speaks, "NOOP\r\n");
  expect(speaks, "250 2.0.0");
  g_autoptr(Client) next = greeted(host);
  expect_end(silent);
  say(speaks, "NOOP\r\n");
  expect(speaks, "250 2.0.0");
  say(delivers, "DATA\r\n");
  expect(delivers, "354");
  say(next, "NOOP\r\n");
  expect(next, "250 2.0.0");
}

/* Answers come one by one, each when its commit is done. */
static void test_lmtp(void) {
  SmtpServerOptions options = generous;
  options.lmtp = TRUE;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) client = client_new(host);
  expect(client, "220 mx.example.net LMTP");
  say(client, "LHLO c\r\n");
  expect(client, "250 ENHANCEDSTATUSCODES");
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nRCPT TO:<y@example.net>\r\nDATA\r\n");
  expect(client, "354");
  host->defer = TRUE;
  say(client, "\r\nx\r\n.\r\n");
  wait_for_questions(host, 1);
  g_assert_cmpuint(client->got->len, ==, 0);
  smtp_question_answer(g_queue_pop_head(&host->open), 250, "2.0.0", "first");
  expect(client, "250 2.0.0 first");
  wait_for_questions(host, 1);
  smtp_question_answer(g_queue_pop_head(&host->open), 451, "4.3.0", "second");
  expect(client, "451 4.3.0 second");
  say(client, "QUIT\r\n");
  expect(client, "221");
  g_assert_cmpuint(host->messages->len, ==, 2);
}

static void test_limit_per_address(void) {
  SmtpServerOptions options = generous;
  options.max_per_source = 1;
  g_autoptr(Host) host = host_new(&options);
  Client *first = greeted(host);
  g_autoptr(Client) second = client_new(host);
  expect(second, "421 4.7.0");
  client_free(first);
  wait_for_place(host);
}

static void test_stop(void) {
  g_autoptr(Host) host = host_new(&generous);
  g_autoptr(Client) client = greeted(host);
  smtp_server_stop(host->server);
  say(client, "NOOP\r\n");
  expect(client, "250 2.0.0");
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(host->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, -1);
  close(fd);
}

/* An octet now and then does not hold a session. */
static void trickle_until_421(Client *client, const char *octets) {
  gint64 deadline = g_get_monotonic_time() + PATIENCE;
  while (strstr(client->got->str, "421 4.4.2") == NULL) {
    g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    g_assert_false(client->ended);
    try_say(client, octets);
    receive(client);
    g_usleep(20000);
  }
  expect_end(client);
}

static void test_slow_command(void) {
  SmtpServerOptions options = generous;
  options.command_seconds = 1;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) client = greeted(host);
  trickle_until_421(client, "x");
  g_autoptr(Client) silent = client_new(host);
  expect(silent, "220");
  trickle_until_421(silent, "");
}

static void test_slow_message(void) {
  SmtpServerOptions options = generous;
  options.command_seconds = 1;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n");
  expect(client, "354");
  trickle_until_421(client, "x\r\n");
  g_assert_cmpuint(host->messages->len, ==, 0);
}

static void on_pause_over(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  *(gboolean *)user = TRUE;
}

/* A message that keeps coming in blocks, on a line where the time of a command does not do. */
static Client *sending(Host *host) {
  Client *client = with_recipient(host);
  say(client, "DATA\r\n");
  expect(client, "354");
  return client;
}

static char *block_of_message(void) {
  g_autofree char *line = g_strnfill(98, 'x');
  GString *block = g_string_new(NULL);
  while (block->len < SMTP_SERVER_BLOCK)
    g_string_append_printf(block, "%s\r\n", line);
  return g_string_free(block, FALSE);
}

static void test_long_message(void) {
  SmtpServerOptions options = generous;
  options.max_message = 100 * 1000 * 1000;
  options.command_seconds = 1;
  options.message_seconds = 60;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) client = sending(host);
  g_autofree char *block = block_of_message();
  const struct timeval pause = {.tv_sec = 3};
  gboolean over = FALSE;
  event_base_once(host->base, -1, EV_TIMEOUT, on_pause_over, &over, &pause);
  while (!over) {
    say(client, block);
    receive(client);
    g_usleep(20000);
  }
  say(client, ".\r\n");
  expect(client, "250 2.0.0 yes");
  say(client, "NOOP\r\n");
  expect(client, "250 2.0.0");
  trickle_until_421(client, "x");
}

static void test_endless_message(void) {
  SmtpServerOptions options = generous;
  options.max_message = 100 * 1000 * 1000;
  options.command_seconds = 1;
  options.message_seconds = 2;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) client = sending(host);
  g_autofree char *block = block_of_message();
  trickle_until_421(client, block);
  g_assert_cmpuint(host->messages->len, ==, 0);
}

static void test_slow_session(void) {
  SmtpServerOptions options = generous;
  options.session_seconds = 1;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) client = greeted(host);
  trickle_until_421(client, "NOOP\r\n");
}

/* A slow owner is not the client's fault: the command's time stands still. */
static void test_slow_owner(void) {
  SmtpServerOptions options = generous;
  options.command_seconds = 1;
  g_autoptr(Host) host = host_new(&options);
  host->defer = TRUE;
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\n");
  wait_for_questions(host, 1);
  const struct timeval pause = {.tv_sec = 2};
  gboolean over = FALSE;
  event_base_once(host->base, -1, EV_TIMEOUT, on_pause_over, &over, &pause);
  while (!over)
    turn(host);
  answer_all(host);
  expect(client, "250 2.1.0");
  expect(client, "250 2.0.0 late yes");
}

/* The owner never answers: the session's time ends it. */
static void test_session_with_question(void) {
  SmtpServerOptions options = generous;
  options.session_seconds = 1;
  g_autoptr(Host) host = host_new(&options);
  host->defer = TRUE;
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\n");
  expect(client, "421 4.4.2");
  expect_end(client);
  g_assert_cmpuint(host->open.length, ==, 1);
}

static void test_before_greeting(void) {
  g_autoptr(Host) host = host_new(&generous);
  g_autoptr(Client) client = client_new(host);
  say(client, "EHLO early\r\n"); /* the loop has not turned: no banner has been sent */
  expect_end(client);
  g_assert_cmpstr(client->got->str, ==, "554 5.5.0 octets sent before the greeting\r\n");
}

static void test_smuggling(void) {
  g_autoptr(Host) host = host_new(&generous);
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n");
  expect(client, "354");
  say(client, "x\n.\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n");
  expect(client, "554 5.6.0");
  expect_end(client);
  g_assert_cmpuint(host->messages->len, ==, 0);
}

/* Never reads: what waits for it is bounded. */
static void test_slow_reader(void) {
  SmtpServerOptions options = generous;
  options.max_per_source = 1;
  g_autoptr(Host) host = host_new(&options);
  g_autoptr(Client) client = greeted(host);
  g_autoptr(GString) burst = g_string_new(NULL);
  for (guint i = 0; i < 2000; i++)
    g_string_append(burst, "HELP\r\n");
  gint64 deadline = g_get_monotonic_time() + PATIENCE;
  while (try_say(client, burst->str) || errno == EAGAIN) {
    g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    turn(host);
  }
  wait_for_place(host);
}

/* Sends on while its question is open: the server stops reading. */
static void test_backpressure(void) {
  g_autoptr(Host) host = host_new(&generous);
  host->defer = TRUE;
  g_autoptr(Client) client = greeted(host);
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\n");
  wait_for_questions(host, 1);
  g_autofree char *block = g_strnfill(65536, 'x');
  gsize sent = 0;
  for (guint full = 0; full < 300;) {
    full = try_say(client, block) ? 0 : full + 1;
    sent += full == 0 ? strlen(block) : 0;
    g_assert_cmpuint(sent, <, 128 * 1048576);
    turn(host);
  }
}

/* STARTTLS */

static SSL_CTX *make_tls(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             (const unsigned char *)"mx.example.net", -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  g_assert_cmpint(X509_sign(certificate, key, EVP_sha256()), >, 0);
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  g_assert_cmpint(SSL_CTX_use_certificate(context, certificate), ==, 1);
  g_assert_cmpint(SSL_CTX_use_PrivateKey(context, key), ==, 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

static Host *host_with_tls(guint command_seconds) {
  SmtpServerOptions options = generous;
  options.tls = make_tls();
  options.command_seconds = command_seconds;
  Host *host = host_new(&options);
  SSL_CTX_free(options.tls);
  return host;
}

static void shake_hands(Client *client) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  client->ssl = SSL_new(context);
  SSL_CTX_free(context);
  SSL_set_fd(client->ssl, client->fd);
  gint64 deadline = g_get_monotonic_time() + PATIENCE;
  int done = 0;
  while ((done = SSL_connect(client->ssl)) != 1) {
    g_assert_cmpint(SSL_get_error(client->ssl, done), ==, SSL_ERROR_WANT_READ);
    g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    turn(client->host);
  }
}

static Client *greeted_in_tls(Host *host) {
  Client *client = client_new(host);
  expect(client, "220 mx.example.net");
  say(client, "EHLO client.example\r\n");
  expect(client, "250-STARTTLS");
  expect(client, "250 ENHANCEDSTATUSCODES");
  say(client, "STARTTLS\r\n");
  expect(client, "220 2.0.0");
  shake_hands(client);
  return client;
}

static void test_starttls(void) {
  g_autoptr(Host) host = host_with_tls(120);
  g_autoptr(Client) client = greeted_in_tls(host);
  say(client, "MAIL FROM:<>\r\n");
  expect(client, "503 5.5.1");
  say(client, "EHLO client.example\r\n");
  expect(client, "250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES");
  say(client, "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n");
  expect(client, "354");
  say(client, "Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n");
  expect(client, "250 2.0.0 yes");
  expect(client, "221");
  expect_end(client);
  g_assert_cmpint(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN, !=, 0);
  g_assert_true(host->tls_seen);
  const char *text = g_bytes_get_data(host->messages->pdata[0], NULL);
  g_assert_nonnull(strstr(text, " with ESMTPS;"));
}

static void test_starttls_twice(void) {
  g_autoptr(Host) host = host_with_tls(120);
  SSL_CTX *other = make_tls();
  g_autoptr(Client) before = greeted_in_tls(host);
  smtp_server_set_tls(host->server, other);
  SSL_CTX_free(other);
  g_autoptr(Client) after = greeted_in_tls(host);
  say(before, "NOOP\r\n");
  expect(before, "250 2.0.0");
  say(after, "NOOP\r\n");
  expect(after, "250 2.0.0");
  X509 *first = SSL_get1_peer_certificate(before->ssl);
  X509 *second = SSL_get1_peer_certificate(after->ssl);
  g_assert_cmpint(X509_cmp(first, second), !=, 0);
  X509_free(first);
  X509_free(second);
}

static void test_starttls_injection(void) {
  g_autoptr(Host) host = host_with_tls(120);
  g_autoptr(Client) client = client_new(host);
  expect(client, "220");
  say(client, "EHLO c\r\n");
  expect(client, "250 ENHANCEDSTATUSCODES");
  say(client, "STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n");
  expect(client, "554 5.5.0");
  expect_end(client);
}

/* The injected octets come in a packet of their own, before the handshake: they are no handshake.
 */
static void test_starttls_late_injection(void) {
  g_autoptr(Host) host = host_with_tls(120);
  g_autoptr(Client) client = client_new(host);
  expect(client, "220");
  say(client, "EHLO c\r\n");
  expect(client, "250 ENHANCEDSTATUSCODES");
  say(client, "STARTTLS\r\n");
  expect(client, "220 2.0.0");
  say(client, "MAIL FROM:<injected@example.org>\r\n");
  expect_end(client);
  g_assert_null(strstr(client->got->str, "250"));
}

static void test_slow_handshake(void) {
  g_autoptr(Host) host = host_with_tls(1);
  g_autoptr(Client) client = client_new(host);
  expect(client, "220");
  say(client, "EHLO c\r\n");
  expect(client, "250 ENHANCEDSTATUSCODES");
  say(client, "STARTTLS\r\n");
  expect(client, "220 2.0.0");
  expect_end(client);
}

static void test_slow_command_in_tls(void) {
  g_autoptr(Host) host = host_with_tls(1);
  g_autoptr(Client) client = greeted_in_tls(host);
  trickle_until_421(client, "x");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  signal(SIGPIPE, SIG_IGN);
  g_test_add_func("/server/message", test_message);
  g_test_add_func("/server/deferred", test_deferred);
  g_test_add_func("/server/late-answer", test_late_answer);
  g_test_add_func("/server/answer-after-server", test_answer_after_server);
  g_test_add_func("/server/limits", test_limits);
  g_test_add_func("/server/idle", test_idle);
  g_test_add_func("/server/lmtp", test_lmtp);
  g_test_add_func("/server/limit-per-address", test_limit_per_address);
  g_test_add_func("/server/stop", test_stop);
  g_test_add_func("/server/slow/command", test_slow_command);
  g_test_add_func("/server/slow/message", test_slow_message);
  g_test_add_func("/server/slow/long-message", test_long_message);
  g_test_add_func("/server/slow/endless-message", test_endless_message);
  g_test_add_func("/server/slow/session", test_slow_session);
  g_test_add_func("/server/slow/owner", test_slow_owner);
  g_test_add_func("/server/slow/question", test_session_with_question);
  g_test_add_func("/server/slow/reader", test_slow_reader);
  g_test_add_func("/server/backpressure", test_backpressure);
  g_test_add_func("/server/before-greeting", test_before_greeting);
  g_test_add_func("/server/smuggling", test_smuggling);
  g_test_add_func("/server/starttls/message", test_starttls);
  g_test_add_func("/server/starttls/reload", test_starttls_twice);
  g_test_add_func("/server/starttls/injection", test_starttls_injection);
  g_test_add_func("/server/starttls/late-injection", test_starttls_late_injection);
  g_test_add_func("/server/starttls/slow-handshake", test_slow_handshake);
  g_test_add_func("/server/starttls/slow-command", test_slow_command_in_tls);
  return g_test_run();
}
