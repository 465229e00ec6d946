/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway between a mail server and its port behind: what is passed on, kept, refused, cut into
   pieces of each size. */
#include "client/gateway_frame.h"
#include "client/gateway_session.h"

#include <string.h>

/* What both sides say, each whatever the other does, and what each of them hears. */
typedef struct {
  const char *client, *server;
  gboolean kept; /* of every message */
  const char *to_client, *to_server;
  GatewayEvent event; /* in the end */
} Talk;

#define GREETING "220 signet-gateway ESMTP\r\n"
#define EHLO "EHLO a.test\r\n"
#define LISTED "250-signet-gateway\r\n250 SIZE 100\r\n"
#define GO_ON "354 go on, end with a dot alone on a line\r\n"
#define TAKEN "250 2.0.0 the challenge is answered by the gateway\r\n"
#define ENVELOPE                                                                                   \
  "MAIL FROM:<a@a.test> BODY=8BITMIME RET=HDRS ENVID=x\r\nRCPT TO:<b@b.test> "                     \
  "NOTIFY=NEVER ORCPT=rfc822;c@b.test\r\n"
#define WELCOME                                                                                    \
  "220 me\r\n250-me\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-CHUNKING\r\n250 SIZE 100\r\n"
#define OK "250 ok\r\n"
#define MESSAGE "Subject: x\r\n\r\n..\r\n\r.\r\n\x80\0y\r\n.\r\n"
#define STRING(text) (text), sizeof(text) - 1

static const Talk talks[] = {
    /* No message: commands and answers as they are. */
    {EHLO "xforward NAME=a\r\nNOOP\r\nBDAT 3\r\nSTARTTLS\r\nQUIT\r\n",
     WELCOME "250-ok\r\n250 xforward\r\n451 busy\r\n221 bye\r\n", FALSE,
     GREETING LISTED "250-ok\r\n250 xforward\r\n451 busy\r\n502 5.5.1 command not known here\r\n"
                     "502 5.5.1 command not known here\r\n221 bye\r\n",
     EHLO "xforward NAME=a\r\nNOOP\r\nQUIT\r\n", GATEWAY_ENDS},
    /* Passed on. */
    {EHLO ENVELOPE "DATA\r\nA: b\r\n\r\n..\r\n.\r\nRSET\r\n",
     WELCOME OK OK "354 go\r\n250 queued\r\n" OK, FALSE,
     GREETING LISTED OK OK GO_ON "250 queued\r\n" OK,
     EHLO ENVELOPE "DATA\r\nA: b\r\n\r\n..\r\n.\r\nRSET\r\n", GATEWAY_GOES_ON},
    /* Kept, and one after it. */
    {EHLO ENVELOPE "DATA\r\nA: b\r\n.\r\n" ENVELOPE, WELCOME OK OK "250 reset\r\n" OK OK, TRUE,
     GREETING LISTED OK OK GO_ON TAKEN OK OK, EHLO ENVELOPE "RSET\r\n" ENVELOPE, GATEWAY_GOES_ON},
    /* LMTP: an answer for each recipient that was taken. */
    {"LHLO a.test\r\n" ENVELOPE "RCPT TO:<c@b.test>\r\nRCPT TO:<d@b.test>\r\nDATA\r\n.\r\nNOOP\r\n",
     WELCOME OK OK "550 no\r\n250 ok\r\n354 go\r\n250 queued\r\n" OK, FALSE,
     GREETING LISTED OK OK "550 no\r\n" OK GO_ON "250 queued\r\n250 queued\r\n" OK,
     EHLO ENVELOPE "RCPT TO:<c@b.test>\r\nRCPT TO:<d@b.test>\r\nDATA\r\n.\r\nNOOP\r\n",
     GATEWAY_GOES_ON},
    {"LHLO a.test\r\n" ENVELOPE "RCPT TO:<c@b.test>\r\nDATA\r\n.\r\n", WELCOME OK OK OK OK, TRUE,
     GREETING LISTED OK OK OK GO_ON TAKEN TAKEN, EHLO ENVELOPE "RCPT TO:<c@b.test>\r\nRSET\r\n",
     GATEWAY_GOES_ON},
    /* Without a recipient the server says so. */
    {EHLO "DATA\r\nQUIT\r\n", WELCOME "503 first RCPT\r\n221 bye\r\n", FALSE,
     GREETING LISTED "503 first RCPT\r\n221 bye\r\n", EHLO "DATA\r\nQUIT\r\n", GATEWAY_ENDS},
    /* The server refuses the message: first at DATA, then at its end. */
    {EHLO ENVELOPE "DATA\r\nx\r\n.\r\n" ENVELOPE "DATA\r\ny\r\n.\r\n",
     WELCOME OK OK "452-full\r\n452 disk\r\n" OK OK "354 go\r\n554 no\r\n", FALSE,
     GREETING LISTED OK OK GO_ON "452-full\r\n452 disk\r\n" OK OK GO_ON "554 no\r\n",
     EHLO ENVELOPE "DATA\r\n" ENVELOPE "DATA\r\ny\r\n.\r\n", GATEWAY_GOES_ON},
    /* Strange servers and clients. */
    {"", "554 go away\r\n", FALSE, "554 go away\r\n", "", GATEWAY_ENDS},
    {"HELO a\r\nNOOP\r\n", "220 me\r\n250 me\r\n200 ok\r\n", FALSE, GREETING "250 me\r\n200 ok\r\n",
     "HELO a\r\nNOOP\r\n", GATEWAY_GOES_ON},
    {EHLO, "220 me\r\n500 what\r\n", FALSE, GREETING "500 what\r\n", EHLO, GATEWAY_GOES_ON},
    {EHLO ENVELOPE "DATA\r\na\nb\r\n.\r\n", WELCOME OK OK, FALSE,
     GREETING LISTED OK OK GO_ON "421 4.3.0 signet-gateway a bare LF in a message\r\n",
     EHLO ENVELOPE, GATEWAY_ENDS},
};

typedef struct {
  GString *to_client, *to_server;
  GatewayEvent event;
} Heard;

static void collect(GatewaySession *session, Heard *heard, gboolean kept, GatewayEvent event) {
  while (event == GATEWAY_ASKS)
    event = gateway_session_answer(session, kept);
  heard->event = event;
  g_autoptr(GBytes) client = gateway_session_to_client(session);
  g_autoptr(GBytes) server = gateway_session_to_server(session);
  g_string_append_len(heard->to_client, g_bytes_get_data(client, NULL),
                      (gssize)g_bytes_get_size(client));
  g_string_append_len(heard->to_server, g_bytes_get_data(server, NULL),
                      (gssize)g_bytes_get_size(server));
}

static void check_talk(const Talk *talk, gsize piece) {
  g_autoptr(GatewaySession) session = gateway_session_new();
  Heard heard = {g_string_new(NULL), g_string_new(NULL), GATEWAY_GOES_ON};
  gsize client = strlen(talk->client), server = strlen(talk->server);
  for (gsize at = 0; at < MAX(client, server) && heard.event != GATEWAY_ENDS; at += piece) {
    if (at < server)
      collect(session, &heard, talk->kept,
              gateway_session_from_server(session, talk->server + at, MIN(piece, server - at)));
    if (at < client && heard.event != GATEWAY_ENDS)
      collect(session, &heard, talk->kept,
              gateway_session_from_client(session, talk->client + at, MIN(piece, client - at)));
  }
  g_assert_cmpstr(heard.to_client->str, ==, talk->to_client);
  g_assert_cmpstr(heard.to_server->str, ==, talk->to_server);
  g_assert_cmpint(heard.event, ==, talk->event);
  g_string_free(heard.to_client, TRUE);
  g_string_free(heard.to_server, TRUE);
}

static void test_talks(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(talks); i++)
    for (gsize piece = 1; piece <= 300; piece++)
      check_talk(&talks[i], piece);
}

/* --- messages -----------------------------------------------------------------------------------
 */

/* A session that waits for the text of a message. */
static GatewaySession *in_message(void) {
  GatewaySession *session = gateway_session_new();
  gateway_session_from_server(session, STRING(WELCOME OK OK));
  gateway_session_from_client(session, STRING(EHLO ENVELOPE "DATA\r\n"));
  g_bytes_unref(gateway_session_to_server(session));
  g_bytes_unref(gateway_session_to_client(session));
  return session;
}

static void assert_octets(GBytes *octets, const void *wanted, gsize length) {
  g_autoptr(GBytes) expected = g_bytes_new(wanted, length);
  g_assert_true(g_bytes_equal(octets, expected));
  g_bytes_unref(octets);
}

/* Octets of all kinds go through; what is judged has its dots as they were meant. */
static void test_octets(void) {
  g_autoptr(GatewaySession) session = in_message();
  g_assert_cmpint(gateway_session_from_client(session, STRING(MESSAGE)), ==, GATEWAY_ASKS);
  assert_octets(gateway_session_message(session),
                STRING("Subject: x\r\n\r\n.\r\n\r.\r\n\x80\0y\r\n"));
  gateway_session_answer(session, FALSE);
  assert_octets(gateway_session_to_server(session), STRING("DATA\r\n"));
  gateway_session_from_server(session, STRING("354 go\r\n"));
  assert_octets(gateway_session_to_server(session), STRING(MESSAGE));
}

/* The rest of the line would be lost on its way, and its end. */
static void test_nul(void) {
  g_autoptr(GatewaySession) session = gateway_session_new();
  gateway_session_from_server(session, STRING(WELCOME));
  gateway_session_from_client(session, STRING(EHLO));
  g_bytes_unref(gateway_session_to_server(session));
  g_bytes_unref(gateway_session_to_client(session));
  gateway_session_from_client(session, STRING("MAIL FROM:<a\0@b.test>\r\nNOOP\r\n"));
  assert_octets(gateway_session_to_client(session), STRING("500 5.5.2 a NUL in a command\r\n"));
  assert_octets(gateway_session_to_server(session), STRING("NOOP\r\n"));
}

/* A dot alone ends a message only between two CRLF. */
static void test_ends(void) {
  static const char *const whole[] = {".\r\n", "x\r\n.\r\n", "\r\n\r\n.\r\n", "x.\r\n\r.\r\n.\r\n"};
  static const char *const open[] = {".",       ".\r",          "..\r\n",     "x.\r\n",
                                     "\r.\r\n", "\r\n.\rx\r\n", "x\r\n. \r\n"};
  for (gsize i = 0; i < G_N_ELEMENTS(whole); i++) {
    g_autoptr(GatewaySession) session = in_message();
    g_assert_cmpint(gateway_session_from_client(session, whole[i], strlen(whole[i])), ==,
                    GATEWAY_ASKS);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(open); i++) {
    g_autoptr(GatewaySession) session = in_message();
    g_assert_cmpint(gateway_session_from_client(session, open[i], strlen(open[i])), ==,
                    GATEWAY_GOES_ON);
  }
}

/* One that is too long to be a challenge is not asked about, nor held. */
static void test_large(void) {
  g_autoptr(GatewaySession) session = in_message();
  g_autofree char *line = g_strnfill(998, 'x');
  guint lines = GATEWAY_MAX_HELD / 1000 + 1;
  gsize sent = 0;
  for (guint i = 0; i < 3 * lines; i++) {
    g_assert_cmpint(gateway_session_from_client(session, line, 998), ==, GATEWAY_GOES_ON);
    g_assert_cmpint(gateway_session_from_client(session, "\r\n", 2), ==, GATEWAY_GOES_ON);
    if (i == 2 * lines)
      gateway_session_from_server(session, STRING("354 go\r\n"));
    g_autoptr(GBytes) octets = gateway_session_to_server(session);
    sent += g_bytes_get_size(octets);
  }
  g_assert_cmpuint(sent, ==, strlen("DATA\r\n") + 3000 * (gsize)lines);
  gateway_session_from_client(session, STRING(".\r\n"));
  gateway_session_from_server(session, STRING("250 queued\r\n"));
  g_autoptr(GBytes) octets = gateway_session_to_client(session);
  g_assert_nonnull(g_strrstr_len(g_bytes_get_data(octets, NULL), (gssize)g_bytes_get_size(octets),
                                 "250 queued"));
}

/* The server goes at any time: the client is told to come again. */
static void test_gone(void) {
  static const char gone[] =
      "421 4.3.0 signet-gateway the mail server behind the gateway does not answer\r\n";
  g_autoptr(GatewaySession) fresh = gateway_session_new();
  g_autoptr(GatewaySession) session = in_message();
  g_assert_cmpint(gateway_session_server_gone(fresh), ==, GATEWAY_ENDS);
  assert_octets(gateway_session_to_client(fresh), STRING(gone));
  g_assert_cmpint(gateway_session_from_client(session, STRING(".\r\n")), ==, GATEWAY_ASKS);
  gateway_session_answer(session, FALSE);
  g_assert_cmpint(gateway_session_server_gone(session), ==, GATEWAY_ENDS);
  assert_octets(gateway_session_to_client(session), STRING(gone));
}

static void test_bounds(void) {
  g_autoptr(GatewaySession) client = gateway_session_new();
  g_autoptr(GatewaySession) server = gateway_session_new();
  g_autofree char *long_line = g_strnfill(GATEWAY_MAX_ANSWER + 1, 'x');
  gateway_session_from_server(client, STRING("220 me\r\n"));
  g_assert_cmpint(gateway_session_from_client(client, long_line, GATEWAY_MAX_LINE), ==,
                  GATEWAY_GOES_ON);
  g_assert_cmpint(gateway_session_from_client(client, "x", 1), ==, GATEWAY_ENDS);
  g_assert_cmpint(gateway_session_from_server(server, long_line, GATEWAY_MAX_ANSWER), ==,
                  GATEWAY_GOES_ON);
  g_assert_cmpint(gateway_session_from_server(server, "x", 1), ==, GATEWAY_ENDS);
}

/* --- frames -------------------------------------------------------------------------------------
 */

static void test_frames(void) {
  g_autoptr(GByteArray) output = g_byte_array_new();
  g_autoptr(GByteArray) input = g_byte_array_new();
  g_autoptr(GBytes) message = g_bytes_new_static("a\0b", 3);
  guint32 number = 0;
  gateway_frame_put(output, GATEWAY_FRAME_AWAIT, "x@y.test", 8);
  gateway_frame_put_numbered(output, GATEWAY_FRAME_MESSAGE, 70000, message);
  gateway_frame_put(output, GATEWAY_FRAME_STATUS, NULL, 0);
  guint found = 0;
  for (guint i = 0; i < output->len; i++) {
    g_auto(GatewayFrame) frame = {0};
    g_byte_array_append(input, output->data + i, 1);
    if (gateway_frame_take(input, &frame) != GATEWAY_FRAME_THERE)
      continue;
    g_assert_cmpint(frame.kind, ==, "AMS"[found++]);
    g_assert_cmpint(gateway_frame_number(&frame, &number), ==, found < 3);
    if (found == 2) {
      g_autoptr(GBytes) octets = g_bytes_new_from_bytes(frame.body, 4, 3);
      g_assert_cmpuint(number, ==, 70000);
      g_assert_true(g_bytes_equal(octets, message));
    }
  }
  g_assert_cmpuint(found, ==, 3);
  g_assert_cmpuint(input->len, ==, 0);
  GatewayFrame none = {0};
  g_byte_array_append(input, (const guint8 *)"\0\0\0\1X", 5);
  g_assert_cmpint(gateway_frame_take(input, &none), ==, GATEWAY_FRAME_BROKEN);
  g_byte_array_set_size(input, 0);
  g_byte_array_append(input, (const guint8 *)"\1\0\0\0A", 5);
  g_assert_cmpint(gateway_frame_take(input, &none), ==, GATEWAY_FRAME_BROKEN);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/gateway/talks", test_talks);
  g_test_add_func("/gateway/octets", test_octets);
  g_test_add_func("/gateway/nul", test_nul);
  g_test_add_func("/gateway/ends", test_ends);
  g_test_add_func("/gateway/large", test_large);
  g_test_add_func("/gateway/gone", test_gone);
  g_test_add_func("/gateway/bounds", test_bounds);
  g_test_add_func("/gateway/frames", test_frames);
  return g_test_run();
}
