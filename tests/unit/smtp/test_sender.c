/* SPDX-License-Identifier: Apache-2.0 */
/* The sender (smtp/sender.h) against our own server in a thread, and against scripted relays that
   misbehave. security.md 18. */
#include "relay.h"
#include "smtp/sender_check.h"
#include "smtp/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

/* Our server, in a thread of its own. */

typedef struct {
  GThread *thread;
  struct event_base *base;
  SmtpServer *server;
  guint16 port;
  int stop[2];         /* a pipe */
  GPtrArray *messages; /* of GBytes, after server_join */
  GPtrArray *paths;    /* of char*, "from>to" */
} Server;

static void on_recipient(SmtpQuestion *question, const char *address, gpointer user G_GNUC_UNUSED) {
  if (g_str_has_prefix(address, "later@"))
    smtp_question_answer(question, 451, "4.3.0", "ask again later");
  else if (g_str_has_prefix(address, "bad@"))
    smtp_question_answer(question, 550, "5.1.1", "no such mailbox");
  else
    smtp_question_answer(question, 250, "2.1.5", "noted");
}

static void on_message(SmtpQuestion *question, const SmtpEnvelope *envelope, GBytes *message,
                       gpointer user) {
  Server *server = user;
  gsize size = 0;
  const char *text = g_bytes_get_data(message, &size);
  if (g_strstr_len(text, (gssize)size, "\r\ndefer me") != NULL) {
    smtp_question_answer(question, 452, "4.2.2", "no room");
  } else if (g_strstr_len(text, (gssize)size, "\r\nrefuse me") != NULL) {
    smtp_question_answer(question, 554, "5.7.1", "not wanted");
  } else {
    g_ptr_array_add(server->messages, g_bytes_ref(message));
    g_ptr_array_add(server->paths, g_strdup_printf("%s>%s", envelope->from,
                                                   (char *)envelope->recipients->pdata[0]));
    smtp_question_answer(question, 250, "2.0.0", "committed");
  }
}

static void on_stop(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Server *server = user;
  event_base_loopbreak(server->base);
}

static gpointer serve(gpointer user) {
  Server *server = user;
  struct event *stop = event_new(server->base, server->stop[0], EV_READ, on_stop, server);
  event_add(stop, NULL);
  event_base_dispatch(server->base);
  event_free(stop);
  smtp_server_free(server->server);
  event_base_free(server->base);
  return NULL;
}

static Server *server_new(gsize max_message) {
  static const SmtpServerHandlers handlers = {.recipient = on_recipient, .message = on_message};
  const SmtpServerOptions options = {.hostname = "mx.example.net",
                                     .max_message = max_message,
                                     .max_sessions = 10,
                                     .max_per_source = 10,
                                     .command_seconds = 120,
                                     .session_seconds = 300};
  Server *server = g_new0(Server, 1);
  server->messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  server->paths = g_ptr_array_new_with_free_func(g_free);
  g_assert_cmpint(pipe(server->stop), ==, 0);
  server->base = event_base_new();
  int fd = listen_on_loopback(&server->port, 16, SOCK_NONBLOCK);
  server->server = smtp_server_new(server->base, fd, &options, &handlers, server);
  server->thread = g_thread_new("server", serve, server);
  return server;
}

static void server_join(Server *server) {
  if (server->thread == NULL)
    return;
  g_assert_cmpint(write(server->stop[1], "x", 1), ==, 1);
  g_thread_join(g_steal_pointer(&server->thread));
}

static void server_free(Server *server) {
  server_join(server);
  close(server->stop[0]);
  close(server->stop[1]);
  g_ptr_array_unref(server->messages);
  g_ptr_array_unref(server->paths);
  g_free(server);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Server, server_free)

/* What arrives is the Received field and the message, octet by octet. */
static void test_accepted(void) {
  g_autoptr(Server) server = server_new(100000);
  g_autoptr(GPtrArray) messages = messages_new();
  const char *body = "first line\r\n.\r\n..\r\n.dots\r\n\r\nlast\r\n";
  g_ptr_array_add(messages, letter("user@example.org", body));
  send_all(server->port, 60, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "2.0.0 committed");
  server_join(server);
  g_assert_cmpuint(server->messages->len, ==, 1);
  g_assert_cmpstr(server->paths->pdata[0], ==, "bounce+1@example.net>user@example.org");
  gsize size = 0;
  const char *text = g_bytes_get_data(server->messages->pdata[0], &size);
  const char *start = g_strstr_len(text, (gssize)size, "DKIM-Signature");
  g_autofree char *sent = g_strconcat(HEADER, body, NULL);
  g_assert_true(g_str_has_prefix(text, "Received: from signet.example.net ([127.0.0.1])"));
  g_autofree char *arrived = g_strndup(start, size - (gsize)(start - text));
  g_assert_cmpstr(arrived, ==, sent);
}

/* A message that libesmtp reads in several pieces, with lines of many lengths about their ends. */
static void test_pieces(void) {
  g_autoptr(Server) server = server_new(1000000);
  g_autoptr(GPtrArray) messages = messages_new();
  g_autoptr(GString) body = g_string_new(NULL);
  for (guint length = 0; length < SENDER_MAX_LINE; length += 7) {
    for (guint i = 0; i < length; i++)
      g_string_append_c(body, i % 61 == 0 ? '.' : 'x');
    g_string_append(body, "\r\n");
  }
  g_ptr_array_add(messages, letter("user@example.org", body->str));
  send_all(server->port, 60, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "2.0.0 committed");
  server_join(server);
  g_assert_cmpuint(server->messages->len, ==, 1);
  gsize size = 0;
  const char *text = g_bytes_get_data(server->messages->pdata[0], &size);
  const char *start = g_strstr_len(text, (gssize)size, "DKIM-Signature");
  g_autofree char *sent = g_strconcat(HEADER, body->str, NULL);
  g_autofree char *arrived = g_strndup(start, size - (gsize)(start - text));
  g_assert_cmpstr(arrived, ==, sent);
}

/* Every message of a session has its own outcome. */
static void test_several(void) {
  g_autoptr(Server) server = server_new(1000);
  g_autoptr(GPtrArray) messages = messages_new();
  g_autofree char *large = g_strdup_printf("%0900d\r\n%0900d\r\n", 1, 2);
  g_ptr_array_add(messages, letter("one@example.org", "one\r\n"));
  g_ptr_array_add(messages, letter("later@example.org", "two\r\n"));
  g_ptr_array_add(messages, letter("bad@example.org", "three\r\n"));
  g_ptr_array_add(messages, letter("four@example.org", "defer me\r\n"));
  g_ptr_array_add(messages, letter("five@example.org", "refuse me\r\n"));
  g_ptr_array_add(messages, letter("six@example.org", large));
  g_ptr_array_add(messages, letter("seven@example.org", "a bare\nLF\r\n"));
  g_ptr_array_add(messages, letter("eight@example.org", "eight\r\n"));
  send_all(server->port, 60, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "committed");
  check(messages, 1, SENDER_TEMPORARY, 451, "4.3.0 ask again later");
  check(messages, 2, SENDER_PERMANENT, 550, "5.1.1 no such mailbox");
  check(messages, 3, SENDER_TEMPORARY, 452, "4.2.2 no room");
  check(messages, 4, SENDER_PERMANENT, 554, "5.7.1 not wanted");
  check(messages, 5, SENDER_PERMANENT, 552, "5.3.4 message too large");
  check(messages, 6, SENDER_PERMANENT, 0, "bare CR or LF");
  check(messages, 7, SENDER_ACCEPTED, 250, "committed");
  server_join(server);
  g_assert_cmpuint(server->messages->len, ==, 2);
}

static void test_null_path(void) {
  g_autoptr(Server) server = server_new(100000);
  g_autoptr(GPtrArray) messages = messages_new();
  g_autoptr(GBytes) bytes = g_bytes_new_static(HEADER "x\r\n", sizeof(HEADER "x\r\n") - 1);
  g_ptr_array_add(messages, sender_message_new("", "user@example.org", bytes));
  send_all(server->port, 60, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "committed");
  server_join(server);
  g_assert_cmpstr(server->paths->pdata[0], ==, ">user@example.org");
}

/* Refused here: nobody listens, and still the outcome is permanent. */
typedef struct {
  const char *to;
  const char *text;
  gsize length;
  const char *problem;
} Unfit;

#define UNFIT(to, text, problem)                                                                   \
  { to, text, sizeof(text) - 1, problem }

static const Unfit unfits[] = {
    UNFIT(GOOD, HEADER "a\n.\r\nMAIL FROM:<evil@example.org>\r\n", "bare CR or LF"),
    UNFIT(GOOD, HEADER "a\r.\r\n", "bare CR or LF"),
    UNFIT(GOOD, HEADER "a\r\n.\n", "bare CR or LF"),
    UNFIT(GOOD, HEADER "a\r\r\n", "bare CR or LF"),
    UNFIT(GOOD, HEADER "a\0b\r\n", "NUL"),
    UNFIT(GOOD, HEADER "no end", "line end"),
    UNFIT(GOOD, "", "line end"),
    UNFIT(GOOD, "Date: x\r\nFrom: x\r\nMessage-ID: x\r\n", "empty line"),
    UNFIT(GOOD, "From: x\r\nMessage-ID: x\r\n\r\nx\r\n", "exactly one Date"),
    UNFIT(GOOD, "Date: x\r\nMessage-ID: x\r\n\r\nx\r\n", "exactly one From"),
    UNFIT(GOOD, "Date: x\r\nFrom: x\r\nfrom: y\r\nMessage-ID: x\r\n\r\nx\r\n", "exactly one From"),
    UNFIT(GOOD, "Date: x\r\nFrom: x\r\n\r\nx\r\n", "exactly one Message-ID"),
    UNFIT(GOOD, "Return-Path: <>\r\n" HEADER "x\r\n", "Return-Path"),
    UNFIT(GOOD, "no colon here\r\n" HEADER "x\r\n", "malformed header line"),
    UNFIT(GOOD, " continued\r\n" HEADER "x\r\n", "malformed header line"),
    UNFIT("user@example.org>\r\nRCPT TO:<x@example.org", HEADER "x\r\n", "recipient address"),
    UNFIT("user @example.org", HEADER "x\r\n", "recipient address"),
    UNFIT("<user@example.org>", HEADER "x\r\n", "recipient address"),
    UNFIT("user@example.org> NOTIFY=NEVER", HEADER "x\r\n", "recipient address"),
    UNFIT("@relay.example:user@example.org", HEADER "x\r\n", "recipient address"),
    UNFIT("", HEADER "x\r\n", "recipient address"),
    UNFIT("\u00fcser@b\u00fccher.example", HEADER "x\r\n", "A-labels"),
    UNFIT("\u00fcser", HEADER "x\r\n", "recipient address"),
    UNFIT("\u00fcs er@example.org", HEADER "x\r\n", "recipient address"),
    UNFIT("\u00fcs\xC2\x85"
          "er@example.org",
          HEADER "x\r\n", "recipient address"),
    UNFIT("\xFFser@example.org", HEADER "x\r\n", "recipient address"),
    UNFIT("\u00fcser@example.org>\r\nRCPT TO:<x@example.org", HEADER "x\r\n", "recipient address"),
    UNFIT("\u00fcser@example.org", HEADER "a\n.\r\n", "bare CR or LF"),
};

static void test_unfit(void) {
  g_autoptr(GPtrArray) messages = messages_new();
  g_autofree char *line = g_strnfill(999, 'x');
  g_autofree char *long_line = g_strconcat(line, "\r\n", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(unfits); i++)
    g_ptr_array_add(messages, message_of(unfits[i].to, unfits[i].text, unfits[i].length));
  g_ptr_array_add(messages, letter(GOOD, long_line));
  send_all(1, 60, messages);
  for (guint i = 0; i < G_N_ELEMENTS(unfits); i++)
    check(messages, i, SENDER_PERMANENT, 0, unfits[i].problem);
  check(messages, G_N_ELEMENTS(unfits), SENDER_PERMANENT, 0, "too long");
}

static void test_nothing_listening(void) {
  guint16 port = 0;
  close(listen_on_loopback(&port, 1, 0));
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_all(port, 60, messages);
  check(messages, 0, SENDER_UNREACHED, 0, "Connection refused");
}

/* A full queue: our connection is neither taken nor refused. */
static void test_no_answer_to_connect(void) {
  guint16 port = 0;
  int fd = listen_on_loopback(&port, 0, 0);
  int fillers[8];
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (guint i = 0; i < G_N_ELEMENTS(fillers); i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fillers[i], (struct sockaddr *)&address, sizeof address) != 0)
      g_assert_cmpint(errno, ==, EINPROGRESS);
  }
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_all(port, 1, messages);
  check(messages, 0, SENDER_UNREACHED, 0, "Connection timed out");
  for (guint i = 0; i < G_N_ELEMENTS(fillers); i++)
    close(fillers[i]);
  close(fd);
}

typedef struct {
  const char *name;
  Script script;
  SenderOutcome outcome;
  int code;
  const char *text;
} Case;

static const Case cases[] = {
    {"accepted without enhanced codes",
     {TO_RCPT, .data = "354 go", .end = "250 queued"},
     SENDER_ACCEPTED,
     250,
     "queued"},
    {"many lines",
     {TO_RCPT, .data = "354 go", .end = "250-queued\r\n250 as 7"},
     SENDER_ACCEPTED,
     250,
     "queued"},
    {"dropped at once", {.greeting = NULL}, SENDER_UNREACHED, 0, "broke"},
    {"busy", {.greeting = "421 busy"}, SENDER_UNREACHED, 421, "busy"},
    {"not for us", {.greeting = "554 go away"}, SENDER_UNREACHED, 554, "go away"},
    {"no SMTP", {.greeting = "SSH-2.0-x"}, SENDER_UNREACHED, 0, "broke"},
    {"EHLO later", {.greeting = "220 relay", .ehlo = "450 wait"}, SENDER_UNREACHED, 450, "wait"},
    {"MAIL dropped", {.greeting = "220 relay", .mail = NULL}, SENDER_UNREACHED, 0, "broke"},
    {"MAIL 4xx",
     {.greeting = "220 relay", .mail = "451 4.7.1 greylisted"},
     SENDER_TEMPORARY,
     451,
     "greylisted"},
    {"MAIL 5xx",
     {.greeting = "220 relay", .mail = "553 5.7.1 not you"},
     SENDER_PERMANENT,
     553,
     "not you"},
    {"RCPT dropped",
     {.greeting = "220 relay", .mail = "250 ok", .rcpt = NULL},
     SENDER_TEMPORARY,
     0,
     "broke"},
    {"RCPT 4xx",
     {.greeting = "220 relay", .mail = "250 ok", .rcpt = "450 wait", .data = "503 no"},
     SENDER_TEMPORARY,
     450,
     "wait"},
    {"RCPT 5xx, DATA 354",
     {.greeting = "220 relay",
      .mail = "250 ok",
      .rcpt = "550 unknown",
      .data = "354 go",
      .end = "554 none"},
     SENDER_PERMANENT,
     550,
     "unknown"},
    {"RCPT 5xx, yet a 250 at the end",
     {.greeting = "220 relay",
      .mail = "250 ok",
      .rcpt = "550 unknown",
      .data = "354 go",
      .end = "250 ok"},
     SENDER_PERMANENT,
     550,
     "unknown"},
    {"DATA dropped", {TO_RCPT, .data = NULL}, SENDER_TEMPORARY, 0, "broke"},
    {"DATA 4xx", {TO_RCPT, .data = "451 wait"}, SENDER_TEMPORARY, 451, "wait"},
    {"DATA 5xx", {TO_RCPT, .data = "554 no"}, SENDER_PERMANENT, 554, "no"},
    {"a lie: 250 to DATA", {TO_RCPT, .data = "250 queued"}, SENDER_TEMPORARY, 0, "broke"},
    {"end dropped", {TO_RCPT, .data = "354 go", .end = NULL}, SENDER_TEMPORARY, 0, "broke"},
    {"end 4xx", {TO_RCPT, .data = "354 go", .end = "452 full"}, SENDER_TEMPORARY, 452, "full"},
    {"end 5xx", {TO_RCPT, .data = "354 go", .end = "554 spam"}, SENDER_PERMANENT, 554, "spam"},
    {"end 354 again",
     {TO_RCPT, .data = "354 go", .end = "354 go on"},
     SENDER_TEMPORARY,
     0,
     "broke"},
    {"end without sense", {TO_RCPT, .data = "354 go", .end = "fine"}, SENDER_TEMPORARY, 0, "broke"},
    {"end cut off",
     {TO_RCPT, .data = "354 go", .end = "250-half\r\n999 x"},
     SENDER_TEMPORARY,
     0,
     "broke"},
    {"control characters",
     {TO_RCPT, .data = "354 go", .end = "554 \x1B[31mred"},
     SENDER_PERMANENT,
     554,
     "\\x1B[31mred"},
};

static void test_scripts(void) {
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_test_message("%s", cases[i].name);
    g_autoptr(Relay) relay = relay_new(&cases[i].script);
    g_autoptr(GPtrArray) messages = messages_new();
    g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
    send_all(relay->port, 60, messages);
    check(messages, 0, cases[i].outcome, cases[i].code, cases[i].text);
  }
}

/* What libcurl brings: SMTPUTF8 */

static const Case utf8_cases[] = {
    {"accepted",
     {TO_RCPT8, .data = "354 go", .end = "250 2.0.0 queued"},
     SENDER_ACCEPTED,
     250,
     "queued"},
    {"many lines",
     {TO_RCPT8, .data = "354-go\r\n354 on", .end = "250-queued\r\n250 as 7"},
     SENDER_ACCEPTED,
     250,
     "as 7"},
    {"not offered",
     {TO_RCPT, .ehlo = "250-relay\r\n250 8BITMIME", .data = "354 go", .end = "250 ok"},
     SENDER_PERMANENT,
     0,
     "does not offer SMTPUTF8"},
    {"nothing offered",
     {TO_RCPT, .ehlo = "250 relay", .data = "354 go", .end = "250 ok"},
     SENDER_PERMANENT,
     0,
     "does not offer SMTPUTF8"},
    {"offered by another name",
     {TO_RCPT, .ehlo = "250-relay\r\n250 SMTPUTF8X", .data = "354 go", .end = "250 ok"},
     SENDER_PERMANENT,
     0,
     "does not offer SMTPUTF8"},
    {"no EHLO", {.greeting = "220 relay", .ehlo = "502 what"}, SENDER_UNREACHED, 502, "what"},
    {"EHLO later", {.greeting = "220 relay", .ehlo = "450 wait"}, SENDER_UNREACHED, 450, "wait"},
    {"dropped at once", {.greeting = NULL}, SENDER_UNREACHED, 0, "broke"},
    {"busy", {.greeting = "421 busy"}, SENDER_UNREACHED, 421, "busy"},
    {"not for us", {.greeting = "554 go away"}, SENDER_UNREACHED, 554, "go away"},
    {"no SMTP", {.greeting = "SSH-2.0-x"}, SENDER_UNREACHED, 0, "broke"},
    {"MAIL dropped", {OFFERED, .mail = NULL}, SENDER_UNREACHED, 0, "broke"},
    {"MAIL 4xx",
     {OFFERED, .mail = "451 4.7.1 greylisted"},
     SENDER_TEMPORARY,
     451,
     "4.7.1 greylisted"},
    {"MAIL 5xx", {OFFERED, .mail = "550 5.6.7 no"}, SENDER_PERMANENT, 550, "5.6.7 no"},
    {"RCPT dropped", {OFFERED, .mail = "250 ok", .rcpt = NULL}, SENDER_TEMPORARY, 0, "broke"},
    {"RCPT 4xx",
     {OFFERED, .mail = "250 ok", .rcpt = "450 wait", .data = "503 no"},
     SENDER_TEMPORARY,
     450,
     "wait"},
    {"RCPT 5xx",
     {OFFERED, .mail = "250 ok", .rcpt = "553 5.6.7 no", .data = "354 go", .end = "250 ok"},
     SENDER_PERMANENT,
     553,
     "5.6.7 no"},
    {"DATA dropped", {TO_RCPT8, .data = NULL}, SENDER_TEMPORARY, 0, "broke"},
    {"DATA 5xx", {TO_RCPT8, .data = "554 no"}, SENDER_PERMANENT, 554, "no"},
    {"a lie: 250 to DATA", {TO_RCPT8, .data = "250 queued"}, SENDER_TEMPORARY, 0, "broke"},
    {"end dropped", {TO_RCPT8, .data = "354 go", .end = NULL}, SENDER_TEMPORARY, 0, "broke"},
    {"end 4xx", {TO_RCPT8, .data = "354 go", .end = "452 full"}, SENDER_TEMPORARY, 452, "full"},
    {"end 5xx",
     {TO_RCPT8, .data = "354 go", .end = "554 5.6.9 no"},
     SENDER_PERMANENT,
     554,
     "5.6.9 no"},
    {"end 354 again",
     {TO_RCPT8, .data = "354 go", .end = "354 go on"},
     SENDER_TEMPORARY,
     0,
     "broke"},
    {"end without sense",
     {TO_RCPT8, .data = "354 go", .end = "fine"},
     SENDER_TEMPORARY,
     0,
     "broke"},
    {"end cut off",
     {TO_RCPT8, .data = "354 go", .end = "250-half\r\n999 x"},
     SENDER_TEMPORARY,
     0,
     "broke"},
    {"control characters",
     {TO_RCPT8, .data = "354 go", .end = "554 \x1B[31mred"},
     SENDER_PERMANENT,
     554,
     "\\x1B[31mred"},
};

static void test_utf8_scripts(void) {
  for (guint i = 0; i < G_N_ELEMENTS(utf8_cases); i++) {
    g_test_message("%s", utf8_cases[i].name);
    g_autoptr(Relay) relay = relay_new(&utf8_cases[i].script);
    g_autoptr(GPtrArray) messages = messages_new();
    g_ptr_array_add(messages, letter(ANNA, "x\r\n"));
    send_all(relay->port, 60, messages);
    check(messages, 0, utf8_cases[i].outcome, utf8_cases[i].code, utf8_cases[i].text);
  }
}

/* The recipient and the message arrive octet by octet, beside messages that go by the other way. */
static void test_utf8_accepted(void) {
  g_autoptr(Server) server = server_new(100000);
  g_autoptr(GPtrArray) messages = messages_new();
  const char *body = ".first\r\n.\r\n..\r\n\u0430\r\n\r\nlast\r\n";
  g_ptr_array_add(messages, letter(ANNA, body));
  g_ptr_array_add(messages, letter("user@example.org", "two\r\n"));
  g_ptr_array_add(messages, letter("\u00fc@example.org", "refuse me\r\n"));
  g_ptr_array_add(messages, letter("\u00fc@example.org", "four\r\n"));
  send_all(server->port, 60, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "2.0.0 committed");
  check(messages, 1, SENDER_ACCEPTED, 250, "2.0.0 committed");
  check(messages, 2, SENDER_PERMANENT, 554, "5.7.1 not wanted");
  check(messages, 3, SENDER_ACCEPTED, 250, "2.0.0 committed");
  server_join(server);
  g_assert_cmpuint(server->messages->len, ==, 3);
  g_assert_cmpstr(server->paths->pdata[1], ==, "bounce+1@example.net>" ANNA);
  gsize size = 0;
  const char *text = g_bytes_get_data(server->messages->pdata[1], &size);
  const char *start = g_strstr_len(text, (gssize)size, "DKIM-Signature");
  g_autofree char *sent = g_strconcat(HEADER, body, NULL);
  g_autofree char *arrived = g_strndup(start, size - (gsize)(start - text));
  g_assert_cmpstr(arrived, ==, sent);
  g_assert_nonnull(g_strstr_len(text, start - text, "with UTF8SMTP"));
}

/* What befell the session befalls the rest unasked; what befell the message does not. */
static void test_utf8_several(void) {
  static const Script without = {.greeting = "220 relay", .ehlo = "250 relay"};
  g_autoptr(Relay) relay = relay_new(&without);
  g_autoptr(GPtrArray) messages = messages_new();
  for (guint i = 0; i < 3; i++)
    g_ptr_array_add(messages, letter(ANNA, "x\r\n"));
  send_all(relay->port, 60, messages);
  for (guint i = 0; i < 3; i++)
    check(messages, i, SENDER_PERMANENT, 0, "does not offer SMTPUTF8");
}

static void test_utf8_slow(void) {
  static const Script silent = {.silent = TRUE};
  static const Script endless = {.greeting = "220 relay", .repeated = "250-and"};
  static const Script *const scripts[] = {&silent, &endless};
  for (guint i = 0; i < G_N_ELEMENTS(scripts); i++) {
    g_autoptr(Relay) relay = relay_new(scripts[i]);
    g_autoptr(GPtrArray) messages = messages_new();
    g_ptr_array_add(messages, letter(ANNA, "x\r\n"));
    send_all(relay->port, 1, messages);
    check(messages, 0, SENDER_UNREACHED, 0, "did not answer in time");
  }
}

static void test_utf8_nothing_listening(void) {
  guint16 port = 0;
  close(listen_on_loopback(&port, 1, 0));
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(ANNA, "x\r\n"));
  send_all(port, 60, messages);
  check(messages, 0, SENDER_UNREACHED, 0, "Connection refused");
}

/* No piece of a message waits for the acknowledgement of the one before it. */
static void test_no_delay(void) {
  static const Script script = {TO_RCPT, .data = "354 go", .end = "250 taken"};
  g_autoptr(Relay) relay = relay_new(&script);
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(GOOD, "text\r\n"));
  send_all(relay->port, 60, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "taken");
  relay_stop(relay);
  g_assert_true(relay->hurried);
}

static void test_text_is_short(void) {
  g_autofree char *words = g_strnfill(480, 'w');
  g_autofree char *reply = g_strconcat("550 ", words, NULL);
  const Script script = {.greeting = "220 relay", .mail = reply};
  g_autoptr(Relay) relay = relay_new(&script);
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_all(relay->port, 60, messages);
  check(messages, 0, SENDER_PERMANENT, 550, "www");
  g_assert_cmpuint(strlen(((SenderMessage *)messages->pdata[0])->text), ==, 200);
}

/* What a relay says of a message's secret is nobody's to read. */
static void test_secret_is_hidden(void) {
  static const Script script = {.greeting = "220 relay", .mail = "550 ACME: AQIDBAUGBwgJ is spam"};
  for (int utf8 = 0; utf8 < 2; utf8++) {
    static const Script script8 = {OFFERED, .mail = "550 ACME: AQIDBAUGBwgJ is spam"};
    g_autoptr(Relay) relay = relay_new(utf8 ? &script8 : &script);
    g_autoptr(GPtrArray) messages = messages_new();
    SenderMessage *message = letter(utf8 ? ANNA : GOOD, "x\r\n");
    message->secret = g_strdup("AQIDBAUGBwgJ");
    g_ptr_array_add(messages, message);
    send_all(relay->port, 60, messages);
    check(messages, 0, SENDER_PERMANENT, 550, "ACME: [hidden] is spam");
  }
}

static void test_silent_relay(void) {
  static const Script script = {.silent = TRUE};
  g_autoptr(Relay) relay = relay_new(&script);
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_all(relay->port, 1, messages);
  check(messages, 0, SENDER_UNREACHED, 0, "did not answer in time");
}

/* Says something all the time and comes to no end: libesmtp alone would listen for ever. */
static void test_endless_relay(void) {
  static const Script script = {.greeting = "220 relay", .repeated = "250-and"};
  g_autoptr(Relay) relay = relay_new(&script);
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_all(relay->port, 1, messages);
  check(messages, 0, SENDER_UNREACHED, 0, "did not answer in time");
}

/* A slow relay takes what there is time for; what it has not heard of is free for another one. */
static void test_slow_session(void) {
  static const Script script = {TO_RCPT8, .data = "354 go", .end = "250 ok", .pause = 100};
  static const char *const to[] = {GOOD, ANNA};
  for (guint i = 0; i < G_N_ELEMENTS(to); i++) {
    g_autoptr(Relay) relay = relay_new(&script);
    g_autoptr(GPtrArray) messages = messages_new();
    for (guint n = 0; n < 100; n++)
      g_ptr_array_add(messages, letter(to[i], "x\r\n"));
    send_all(relay->port, 1, messages);
    check(messages, 0, SENDER_ACCEPTED, 250, "ok");
    check(messages, 99, SENDER_UNREACHED, 0, "did not answer in time");
  }
}

/* A relay that takes a message a line at a time ends with the session's time, with most of it
 * unsent. */
static void test_slow_reader(void) {
  static const Script script = {TO_RCPT, .data = "354 go", .end = "250 ok", .drip = 20};
  g_autoptr(Relay) relay = relay_new(&script);
  g_autoptr(GPtrArray) messages = messages_new();
  g_autoptr(GString) body = g_string_new(NULL);
  while (body->len < 16 * 1024 * 1024)
    g_string_append(body, "a line of a message that is far too long for what the relay reads\r\n");
  g_ptr_array_add(messages, letter(GOOD, body->str));
  send_all(relay->port, 1, messages);
  check(messages, 0, SENDER_TEMPORARY, 0, "did not answer in time");
}

/* The relay has no 8BITMIME: the 8-bit message cannot go, the other can go without it. */
static void test_eight_bit(void) {
  static const Script script = {TO_RCPT, .data = "354 go", .end = "250 ok"};
  g_autoptr(Relay) relay = relay_new(&script);
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, letter(GOOD, "gr\xC3\xBC\xC3\x9F\x65\r\n"));
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_all(relay->port, 60, messages);
  check(messages, 0, SENDER_PERMANENT, 0, "8-bit");
  check(messages, 1, SENDER_UNREACHED, 0, "8-bit");
  g_autoptr(Server) server = server_new(100000);
  send_all(server->port, 60, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "committed");
  check(messages, 1, SENDER_ACCEPTED, 250, "committed");
}

/* --- several relays --- */

typedef struct {
  const char *name;
  Script first, second; /* NULL greeting and not silent: nobody listens */
  const char *to;
  SenderOutcome outcome;
  int code;
  const char *text;
  gboolean second_asked;
} Several;

#define FULL .data = "354 go", .end = "250 queued"
#define ABSENT                                                                                     \
  { .greeting = NULL }
#define SECOND SENDER_ACCEPTED, 250, "queued", TRUE

static const Several several[] = {
    {"the first is good",
     {TO_RCPT, FULL},
     {TO_RCPT, FULL},
     GOOD,
     SENDER_ACCEPTED,
     250,
     "queued",
     FALSE},
    {"the first is away", ABSENT, {TO_RCPT, FULL}, GOOD, SECOND},
    {"refuses the session", {.greeting = "554 go away"}, {TO_RCPT, FULL}, GOOD, SECOND},
    {"is busy", {.greeting = "421 busy"}, {TO_RCPT, FULL}, GOOD, SECOND},
    {"is silent", {.silent = TRUE}, {TO_RCPT, FULL}, GOOD, SECOND},
    {"drops at MAIL", {.greeting = "220 relay"}, {TO_RCPT, FULL}, GOOD, SECOND},
    {"closes at RCPT",
     {.greeting = "220 relay", .mail = "250 ok", .rcpt = "421 4.3.2 closing"},
     {TO_RCPT, FULL},
     GOOD,
     SECOND},
    {"is full",
     {.greeting = "220 relay", .mail = "452 4.3.1 no space"},
     {TO_RCPT, FULL},
     GOOD,
     SECOND},
    {"cannot write",
     {TO_RCPT, .data = "354 go", .end = "451 4.3.0 queue file write error"},
     {TO_RCPT, FULL},
     GOOD,
     SECOND},
    {"both are full",
     {.greeting = "220 relay", .mail = "452 4.3.1 one"},
     {.greeting = "220 relay", .mail = "452 4.3.1 two"},
     GOOD,
     SENDER_TEMPORARY,
     452,
     "two",
     TRUE},
    {"is full, the second away",
     {.greeting = "220 relay", .mail = "452 4.3.1 one"},
     ABSENT,
     GOOD,
     SENDER_TEMPORARY,
     452,
     "one",
     FALSE},
    {"the second greylists",
     {.greeting = "220 relay", .mail = "452 4.3.1 one"},
     {.greeting = "220 relay", .mail = "250 ok", .rcpt = "450 4.2.0 later", .data = "503 no"},
     GOOD,
     SENDER_TEMPORARY,
     450,
     "later",
     TRUE},
    {"greylists",
     {.greeting = "220 relay", .mail = "250 ok", .rcpt = "450 4.2.0 later", .data = "503 no"},
     {TO_RCPT, FULL},
     GOOD,
     SENDER_TEMPORARY,
     450,
     "later",
     FALSE},
    {"knows no such user",
     {.greeting = "220 relay", .mail = "250 ok", .rcpt = "550 5.1.1 no", .data = "503 no"},
     {TO_RCPT, FULL},
     GOOD,
     SENDER_PERMANENT,
     550,
     "5.1.1 no",
     FALSE},
    {"drops at RCPT", {.greeting = "220 relay", .mail = "250 ok"}, {TO_RCPT, FULL}, GOOD, SECOND},
    {"drops at DATA", {TO_RCPT}, {TO_RCPT, FULL}, GOOD, SECOND},
    {"drops at DATA, SMTPUTF8", {TO_RCPT8}, {TO_RCPT8, FULL}, ANNA, SECOND},
    {"drops at the end, SMTPUTF8",
     {TO_RCPT8, .data = "354 go"},
     {TO_RCPT8, FULL},
     ANNA,
     SENDER_TEMPORARY,
     0,
     "broke",
     FALSE},
    {"drops at the end",
     {TO_RCPT, .data = "354 go"},
     {TO_RCPT, FULL},
     GOOD,
     SENDER_TEMPORARY,
     0,
     "broke",
     FALSE},
    {"both are away", ABSENT, ABSENT, GOOD, SENDER_UNREACHED, 0, "Connection refused", FALSE},
    {"the first tells more",
     {.greeting = "554 go away"},
     ABSENT,
     GOOD,
     SENDER_UNREACHED,
     554,
     "go away",
     FALSE},
    {"the second tells more",
     ABSENT,
     {.greeting = "554 go away"},
     GOOD,
     SENDER_UNREACHED,
     554,
     "go away",
     TRUE},
    {"both tell",
     {.greeting = "554 one"},
     {.greeting = "421 two"},
     GOOD,
     SENDER_UNREACHED,
     421,
     "two",
     TRUE},
    {"without SMTPUTF8", {TO_RCPT, FULL}, {TO_RCPT8, FULL}, ANNA, SECOND},
    {"both without SMTPUTF8",
     {TO_RCPT, FULL},
     {TO_RCPT, FULL},
     ANNA,
     SENDER_PERMANENT,
     0,
     "does not offer SMTPUTF8",
     TRUE},
    {"without SMTPUTF8, and away",
     {TO_RCPT, FULL},
     ABSENT,
     ANNA,
     SENDER_UNREACHED,
     0,
     "does not offer SMTPUTF8",
     FALSE},
    {"away, and without SMTPUTF8",
     ABSENT,
     {TO_RCPT, FULL},
     ANNA,
     SENDER_UNREACHED,
     0,
     "does not offer SMTPUTF8",
     TRUE},
};

static Relay *relay_or_none(const Script *script, guint16 *port) {
  if (script->greeting == NULL && !script->silent) {
    close(listen_on_loopback(port, 1, 0));
    return NULL;
  }
  Relay *relay = relay_new(script);
  *port = relay->port;
  return relay;
}

static void test_fail_over(void) {
  for (guint i = 0; i < G_N_ELEMENTS(several); i++) {
    const Several *test = &several[i];
    guint16 ports[2] = {0};
    g_test_message("%s", test->name);
    g_autoptr(Relay) first = relay_or_none(&test->first, &ports[0]);
    g_autoptr(Relay) second = relay_or_none(&test->second, &ports[1]);
    const SenderRelay one = relay_at(ports[0], test->first.silent ? 1 : 60),
                      other = relay_at(ports[1], 60);
    g_autoptr(GPtrArray) messages = messages_new();
    g_ptr_array_add(messages, letter(test->to, "x\r\n"));
    send_by(&one, &other, messages);
    check(messages, 0, test->outcome, test->code, test->text);
    if (second == NULL)
      continue;
    relay_stop(second);
    g_assert_cmpint(second->heard->len > 0, ==, test->second_asked); /* it says EHLO at least */
  }
}

/* What the first relay may have taken stays with it; what it did not hear of goes on, together. */
static void test_fail_over_of_the_rest(void) {
  static const Script first = {TO_RCPT, .data = "354 go"}, second = {TO_RCPT, FULL};
  g_autoptr(Relay) one = relay_new(&first), other = relay_new(&second);
  const SenderRelay at_one = relay_at(one->port, 60), at_other = relay_at(other->port, 60);
  g_autoptr(GPtrArray) messages = messages_new();
  for (guint i = 0; i < 3; i++)
    g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_by(&at_one, &at_other, messages);
  check(messages, 0, SENDER_TEMPORARY, 0, "broke");
  check(messages, 1, SENDER_ACCEPTED, 250, "queued");
  check(messages, 2, SENDER_ACCEPTED, 250, "queued");
  relay_stop(other);
  g_auto(GStrv) greetings = g_strsplit(other->heard->str, "EHLO ", -1);
  g_assert_cmpuint(g_strv_length(greetings), ==, 2); /* one session */
}

/* Each message begins with its own relay and goes round, those of one relay in one session. */
static void test_first_relay(void) {
  static const Script dropping = {TO_RCPT, .data = "354 go"}, good = {TO_RCPT, FULL};
  g_autoptr(Relay) one = relay_new(&dropping), other = relay_new(&good);
  const SenderRelay at_one = relay_at(one->port, 60), at_other = relay_at(other->port, 60);
  g_autoptr(GPtrArray) messages = messages_new();
  for (guint i = 0; i < 4; i++) {
    g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
    ((SenderMessage *)messages->pdata[i])->first = i == 0 ? 2 : 1; /* two relays: 2 is 0 */
  }
  send_by(&at_one, &at_other, messages);
  check(messages, 0, SENDER_TEMPORARY, 0, "broke");
  for (guint i = 1; i < 4; i++)
    check(messages, i, SENDER_ACCEPTED, 250, "queued");
  send_by(&at_other, &at_one, messages);
  check(messages, 0, SENDER_ACCEPTED, 250, "queued");
  check(messages, 1, SENDER_TEMPORARY, 0, "broke");
  check(messages, 2, SENDER_ACCEPTED, 250, "queued");
  relay_stop(other);
  g_auto(GStrv) greetings = g_strsplit(other->heard->str, "EHLO ", -1);
  g_assert_cmpuint(g_strv_length(greetings), ==, 4); /* three sessions */
}

static void test_settings(void) {
  static const SenderRelay relays[] = {
      {.host = "::1", .port = 25, .ehlo = "x", .timeout_seconds = 1},
      {.host = "", .port = 25, .ehlo = "x", .timeout_seconds = 1},
      {.host = "relay\r\n", .port = 25, .ehlo = "x", .timeout_seconds = 1},
      {.host = "relay", .port = 0, .ehlo = "x", .timeout_seconds = 1},
      {.host = "relay", .port = 25, .ehlo = "x\r\nQUIT", .timeout_seconds = 1},
      {.host = "relay", .port = 25, .ehlo = NULL, .timeout_seconds = 1},
      {.host = "relay", .port = 25, .ehlo = "x", .timeout_seconds = 0},
      {.host = "relay", .port = 25, .ehlo = "x", .timeout_seconds = 1, .tls = SENDER_TLS_STARTTLS},
      {.host = "relay",
       .port = 25,
       .ehlo = "x",
       .timeout_seconds = 1,
       .user = "u",
       .password = "p"},
  };
  g_autoptr(GPtrArray) messages = messages_new();
  for (guint i = 0; i < G_N_ELEMENTS(relays); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    g_ptr_array_add(list, (gpointer)&relays[i]);
    g_assert_false(sender_send(list, messages, &error));
    g_assert_error(error, SENDER_ERROR, SENDER_ERROR_SETTING);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  signal(SIGPIPE, SIG_IGN);
  g_test_add_func("/sender/accepted", test_accepted);
  g_test_add_func("/sender/pieces", test_pieces);
  g_test_add_func("/sender/several", test_several);
  g_test_add_func("/sender/null-path", test_null_path);
  g_test_add_func("/sender/unfit", test_unfit);
  g_test_add_func("/sender/nothing-listening", test_nothing_listening);
  g_test_add_func("/sender/no-answer-to-connect", test_no_answer_to_connect);
  g_test_add_func("/sender/scripts", test_scripts);
  g_test_add_func("/sender/utf8/scripts", test_utf8_scripts);
  g_test_add_func("/sender/utf8/accepted", test_utf8_accepted);
  g_test_add_func("/sender/utf8/several", test_utf8_several);
  g_test_add_func("/sender/utf8/slow", test_utf8_slow);
  g_test_add_func("/sender/utf8/nothing-listening", test_utf8_nothing_listening);
  g_test_add_func("/sender/no-delay", test_no_delay);
  g_test_add_func("/sender/text", test_text_is_short);
  g_test_add_func("/sender/secret", test_secret_is_hidden);
  g_test_add_func("/sender/silent", test_silent_relay);
  g_test_add_func("/sender/endless", test_endless_relay);
  g_test_add_func("/sender/slow-session", test_slow_session);
  g_test_add_func("/sender/slow-reader", test_slow_reader);
  g_test_add_func("/sender/eight-bit", test_eight_bit);
  g_test_add_func("/sender/fail-over", test_fail_over);
  g_test_add_func("/sender/fail-over-of-the-rest", test_fail_over_of_the_rest);
  g_test_add_func("/sender/first-relay", test_first_relay);
  g_test_add_func("/sender/settings", test_settings);
  return g_test_run();
}
