/* SPDX-License-Identifier: Apache-2.0 */
/* The engine without I/O (smtp/session.h). Every dialogue runs twice, in whole steps and octet by
   octet, and must read the same. security.md 11-13. */
#include "smtp/session.h"

#include <string.h>

#define NOW G_GINT64_CONSTANT(1700000000000) /* Tue, 14 Nov 2023 22:13:20 +0000 */

typedef struct {
  SmtpSession *session;
  GString *transcript;
  GPtrArray *messages; /* of GBytes */
  guint questions;
  gboolean closed;
} Talk;

static Talk *talk_new_as(const SmtpSessionOptions *options, const char *peer) {
  Talk *talk = g_new0(Talk, 1);
  talk->session = smtp_session_new(options, peer);
  talk->transcript = g_string_new(NULL);
  talk->messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  return talk;
}

static Talk *talk_new(gsize max_message, gboolean starttls) {
  const SmtpSessionOptions options = {
      .hostname = "mx.example.net", .max_message = max_message, .offer_starttls = starttls};
  return talk_new_as(&options, "192.0.2.7");
}

static Talk *talk_new_lmtp(gsize max_message) {
  const SmtpSessionOptions options = {
      .hostname = "mx.example.net", .max_message = max_message, .lmtp = TRUE};
  return talk_new_as(&options, SMTP_LOCAL_PEER);
}

static void talk_free(Talk *talk) {
  smtp_session_free(talk->session);
  g_string_free(talk->transcript, TRUE);
  g_ptr_array_unref(talk->messages);
  g_free(talk);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Talk, talk_free)

static void take(Talk *talk) {
  g_autoptr(GBytes) output = smtp_session_take_output(talk->session);
  g_string_append_len(talk->transcript, g_bytes_get_data(output, NULL),
                      (gssize)g_bytes_get_size(output));
}

/* The owner: local parts starting with "bad" are unknown, with "later" fail for now, with "full"
   fail behind the message; one that holds "refuse me" is refused. */
static void answer_recipient(Talk *talk) {
  const char *address = smtp_session_recipient(talk->session);
  g_string_append_printf(talk->transcript, "[rcpt %s]\r\n", address);
  if (g_str_has_prefix(address, "bad"))
    smtp_session_answer(talk->session, 550, "5.1.1", "no such mailbox");
  else if (g_str_has_prefix(address, "later"))
    smtp_session_answer(talk->session, 451, "4.3.0", "ask again later");
  else
    smtp_session_answer(talk->session, 250, "2.1.5", "recipient\r\nnoted");
}

static void answer_message(Talk *talk) {
  GBytes *message = smtp_session_message(talk->session);
  const SmtpEnvelope *envelope = smtp_session_envelope(talk->session);
  g_ptr_array_add(talk->messages, g_bytes_ref(message));
  const char *first = envelope->recipients->pdata[0];
  g_string_append_printf(talk->transcript, "[message from <%s> to %u, utf8 %d, tls %d]\r\n",
                         envelope->from, envelope->recipients->len, envelope->utf8, envelope->tls);
  gsize size = 0;
  const char *text = g_bytes_get_data(message, &size);
  if (g_str_has_prefix(first, "full"))
    smtp_session_answer(talk->session, 452, "4.2.2", first);
  else if (g_strstr_len(text, (gssize)size, "refuse me") != NULL)
    smtp_session_answer(talk->session, 554, "5.7.1", "not wanted");
  else
    smtp_session_answer(talk->session, 250, "2.0.0", "committed");
}

static void feed(Talk *talk, const char *data, gsize length) {
  SmtpSessionEvent event = smtp_session_feed(talk->session, data, length, NOW);
  take(talk);
  while (event == SMTP_ASK_RECIPIENT || event == SMTP_ASK_MESSAGE) {
    talk->questions++;
    if (event == SMTP_ASK_RECIPIENT)
      answer_recipient(talk);
    else
      answer_message(talk);
    event = smtp_session_feed(talk->session, NULL, 0, NOW);
    take(talk);
  }
  if (event == SMTP_START_TLS) {
    g_string_append(talk->transcript, "[tls]\r\n");
    smtp_session_tls_started(talk->session);
  }
  if (event == SMTP_CLOSE && !talk->closed) {
    talk->closed = TRUE;
    g_string_append(talk->transcript, "[close]\r\n");
  }
}

static void say(Talk *talk, const char *data, gsize length, gboolean by_octet) {
  for (gsize i = 0; by_octet && i < length; i++)
    feed(talk, data + i, 1);
  if (!by_octet)
    feed(talk, data, length);
}

/* A string as data and length, NULs inside included. */
#define OCTETS(text) (text), sizeof(text) - 1

#define HELLO                                                                                      \
  "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 2000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"      \
  "250 ENHANCEDSTATUSCODES\r\n"
#define HELLO_TLS                                                                                  \
  "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 2000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"      \
  "250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n"
#define MAIL_OK "250 2.1.0 sender noted\r\n"
#define RCPT_OK(address) "[rcpt " address "]\r\n250 2.1.5 recipient??noted\r\n"
#define DATA_OK "354 send the message, end with a dot alone on a line\r\n"
#define COMMITTED "250 2.0.0 committed\r\n"

typedef struct {
  const char *name;
  const char *steps[8]; /* the client waits for the answers between steps */
  const char *expected; /* behind the banner */
  gboolean starttls, lmtp;
} Dialogue;

static const Dialogue dialogues[] = {
    {.name = "one message",
     .steps = {"EHLO client.example\r\n", "MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME\r\n",
               "RCPT TO:<x@example.net>\r\n", "DATA\r\n", "Subject: hi\r\n\r\n..dot\r\n.\r\n",
               "QUIT\r\n"},
     .expected = HELLO MAIL_OK RCPT_OK("x@example.net") DATA_OK
     "[message from <a@example.org> to 1, utf8 0, tls 0]\r\n" COMMITTED
     "221 2.0.0 goodbye\r\n[close]\r\n"},
    {.name = "pipelined group, null reverse-path, two messages",
     .steps = {"EHLO c\r\n",
               "MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nRCPT TO:<bad@example.net>\r\nDATA\r\n",
               "a\r\n.\r\nMAIL FROM:<b@example.org>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n",
               "\r\n.\r\nQUIT\r\n"},
     .expected = HELLO MAIL_OK RCPT_OK(
         "x@example.net") "[rcpt bad@example.net]\r\n550 5.1.1 no such mailbox\r\n" DATA_OK
                          "[message from <> to 1, utf8 0, tls 0]\r\n" COMMITTED MAIL_OK RCPT_OK(
                              "Postmaster") DATA_OK
     "[message from <b@example.org> to 1, utf8 0, tls 0]\r\n" COMMITTED
     "221 2.0.0 goodbye\r\n[close]\r\n"},
    {.name = "no recipient accepted",
     .steps = {"EHLO c\r\n", "MAIL FROM:<a@example.org>\r\n", "DATA\r\n",
               "RCPT TO:<bad@example.net>\r\nRCPT TO:<later@example.net>\r\nDATA\r\n", "RSET\r\n",
               "DATA\r\n"},
     .expected = HELLO MAIL_OK "503 5.5.1 no recipient was accepted\r\n"
                               "[rcpt bad@example.net]\r\n550 5.1.1 no such mailbox\r\n[rcpt "
                               "later@example.net]\r\n451 4.3.0 ask again later\r\n"
                               "554 5.5.1 no recipient was accepted\r\n250 2.0.0 reset\r\n503 "
                               "5.5.1 bad sequence of commands\r\n"},
    {.name = "message refused by its owner",
     .steps = {"EHLO c\r\n", "MAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n",
               "refuse me\r\n.\r\n", "DATA\r\n"},
     .expected = HELLO MAIL_OK RCPT_OK("x@example.net") DATA_OK
     "[message from <a@example.org> to 1, utf8 0, tls 0]\r\n554 5.7.1 not wanted\r\n"
     "503 5.5.1 bad sequence of commands\r\n"},
    {.name = "the other commands",
     .steps = {"NOOP\r\nhelp me\r\nVRFY x\r\nRSET\r\nEXPN x\r\nMAIL "
               "FROM:<a@example.org>\r\nSTARTTLS\r\n",
               "HELO c\r\n", "RSET now\r\nHELO\r\n"},
     .expected = "250 2.0.0 here\r\n214 2.0.0 see RFC 5321; this host takes replies to challenge "
                 "mails only\r\n"
                 "252 2.5.0 send mail and see\r\n250 2.0.0 reset\r\n500 5.5.2 command not known\r\n"
                 "503 5.5.1 bad sequence of commands\r\n503 5.5.1 bad sequence of commands\r\n250 "
                 "mx.example.net\r\n"
                 "501 5.5.4 the command takes no argument\r\n501 5.5.4 a host name or address "
                 "literal must follow\r\n"},
    {.name = "no parameters after HELO",
     .steps = {"HELO c\r\n", "MAIL FROM:<a@example.org> SIZE=1\r\n"},
     .expected = "250 mx.example.net\r\n555 5.5.4 parameter not known\r\n"},
    {.name = "STARTTLS is not offered",
     .steps = {"EHLO c\r\n", "STARTTLS\r\n"},
     .expected = HELLO "502 5.5.1 TLS is not offered\r\n"},
    {.name = "STARTTLS forgets what was before",
     .steps = {"EHLO c\r\n", "MAIL FROM:<a@example.org>\r\n", "STARTTLS\r\n",
               "RCPT TO:<x@example.net>\r\n", "MAIL FROM:<a@example.org>\r\n", "EHLO d\r\n",
               "STARTTLS\r\n", "MAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\n"},
     .expected = HELLO_TLS MAIL_OK
     "220 2.0.0 ready for TLS\r\n[tls]\r\n503 5.5.1 bad sequence of commands\r\n"
     "503 5.5.1 bad sequence of commands\r\n" HELLO
     "503 5.5.1 TLS is on already\r\n" MAIL_OK RCPT_OK("x@example.net"),
     .starttls = TRUE},
    {.name = "SMTPUTF8",
     .steps = {"EHLO c\r\n", "MAIL FROM:<\xC3\xA4@example.org>\r\n",
               "MAIL FROM:<\xC3\xA4@example.org> SMTPUTF8\r\n",
               "RCPT TO:<\xC3\xB6@example.net>\r\nRCPT TO:<\xC3\x28@example.net>\r\nDATA\r\n",
               "x\r\n.\r\n", "MAIL FROM:<a@example.org>\r\nRCPT TO:<\xC3\xB6@example.net>\r\n"},
     .expected = HELLO "550 5.6.7 a non-ASCII address needs SMTPUTF8\r\n" MAIL_OK RCPT_OK(
         "\xC3\xB6@example.net") "501 5.1.3 malformed path\r\n" DATA_OK
                                 "[message from <\xC3\xA4@example.org> to 1, utf8 1, tls "
                                 "0]\r\n" COMMITTED MAIL_OK
                                 "553 5.6.7 a non-ASCII address needs SMTPUTF8\r\n"},
    {.name = "ten refused commands",
     .steps = {"EHLO c\r\n", "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\nNOOP\r\n"},
     .expected = HELLO
     "500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n"
     "500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n"
     "500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n"
     "500 5.5.2 command not known\r\n421 4.7.0 too many refused commands\r\n[close]\r\n"},
    {.name = "HTTP",
     .steps = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
     .expected = "554 5.5.2 this is not a web server\r\n[close]\r\n"},
    {.name = "HTTP POST",
     .steps = {"POST / HTTP/1.1\r\nEHLO x\r\n"},
     .expected = "554 5.5.2 this is not a web server\r\n[close]\r\n"},
    {.name = "HTTP CONNECT",
     .steps = {"CONNECT mx:25 HTTP/1.1\r\n\r\n"},
     .expected = "554 5.5.2 this is not a web server\r\n[close]\r\n"},
    {.name = "LHLO is of LMTP",
     .steps = {"LHLO c\r\n", "QUIT\r\n"},
     .expected = "500 5.5.1 this is SMTP, say EHLO\r\n221 2.0.0 goodbye\r\n[close]\r\n"},
    {.name = "LMTP, one answer for each accepted recipient in their order",
     .lmtp = TRUE,
     .steps = {"LHLO c\r\n",
               "MAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\n"
               "RCPT TO:<bad@example.net>\r\nRCPT TO:<full@example.net>\r\n"
               "RCPT TO:<z@example.net>\r\nDATA\r\n",
               "\r\nhello\r\n.\r\n", "MAIL FROM:<>\r\nRCPT TO:<y@example.net>\r\nDATA\r\n",
               "\r\nrefuse me\r\n.\r\n", "QUIT\r\n"},
     .expected = HELLO MAIL_OK
         RCPT_OK("x@example.net") "[rcpt bad@example.net]\r\n550 5.1.1 no such mailbox\r\n" RCPT_OK(
             "full@example.net") RCPT_OK("z@example.net") DATA_OK
     "[message from <a@example.org> to 1, utf8 0, tls 0]\r\n" COMMITTED
     "[message from <a@example.org> to 1, utf8 0, tls 0]\r\n452 4.2.2 full@example.net\r\n"
     "[message from <a@example.org> to 1, utf8 0, tls 0]\r\n" COMMITTED MAIL_OK RCPT_OK(
         "y@example.net") DATA_OK "[message from <> to 1, utf8 0, tls 0]\r\n"
                                  "554 5.7.1 not wanted\r\n221 2.0.0 goodbye\r\n[close]\r\n"},
    {.name = "LMTP, no recipient accepted",
     .lmtp = TRUE,
     .steps = {"LHLO c\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<bad@example.net>\r\n", "DATA\r\n"},
     .expected = HELLO MAIL_OK "[rcpt bad@example.net]\r\n550 5.1.1 no such mailbox\r\n"
                               "503 5.5.1 no recipient was accepted\r\n"},
    {.name = "LMTP, not after EHLO",
     .lmtp = TRUE,
     .steps = {"EHLO c\r\n", "HELO c\r\n", "MAIL FROM:<>\r\n"},
     .expected = "500 5.5.1 this is LMTP, say LHLO\r\n500 5.5.1 this is LMTP, say LHLO\r\n"
                 "503 5.5.1 bad sequence of commands\r\n"},
    {.name = "LMTP, errors of others end nothing",
     .lmtp = TRUE,
     .steps = {"LHLO c\r\n", "a\r\na\r\na\r\na\r\na\r\na\r\na\r\na\r\na\r\na\r\na\r\n", "NOOP\r\n"},
     .expected = HELLO
     "500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n"
     "500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n"
     "500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n"
     "500 5.5.2 command not known\r\n500 5.5.2 command not known\r\n250 2.0.0 here\r\n"},
};

static void run_dialogue(const Dialogue *dialogue, gboolean by_octet) {
  g_autoptr(Talk) talk = dialogue->lmtp ? talk_new_lmtp(2000) : talk_new(2000, dialogue->starttls);
  take(talk);
  g_assert_cmpstr(talk->transcript->str, ==,
                  dialogue->lmtp ? "220 mx.example.net LMTP\r\n" : "220 mx.example.net ESMTP\r\n");
  g_string_truncate(talk->transcript, 0);
  for (guint i = 0; i < G_N_ELEMENTS(dialogue->steps) && dialogue->steps[i] != NULL; i++)
    say(talk, dialogue->steps[i], strlen(dialogue->steps[i]), by_octet);
  g_assert_cmpstr(talk->transcript->str, ==, dialogue->expected);
}

static void test_dialogues(void) {
  for (guint i = 0; i < G_N_ELEMENTS(dialogues); i++) {
    g_test_message("%s", dialogues[i].name);
    run_dialogue(&dialogues[i], FALSE);
    run_dialogue(&dialogues[i], TRUE);
  }
}

/* One command line after EHLO (and MAIL when mail is set): the code of its reply. */
typedef struct {
  gboolean mail;
  const char *line;
  const char *code;
} Syntax;

static const Syntax syntaxes[] = {
    {FALSE, "MAIL FROM:<a@example.org>", "250"},
    {FALSE, "mail from: <a@example.org>   ", "250"},
    {FALSE, "MAIL FROM:<\"a b\\\"@>\"@example.org>", "250"},
    {FALSE, "MAIL FROM:<a@[192.0.2.1]>", "250"},
    {FALSE, "MAIL FROM:<a@[IPv6:2001:db8::1]>", "250"},
    {FALSE, "MAIL FROM:<> BODY=7bit", "250"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE=2000", "250"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE=2001", "552"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE=99999999999999999999", "552"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE=123456789012345678901", "501"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE=", "501"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE", "501"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE=-1", "501"},
    {FALSE, "MAIL FROM:<a@example.org> SIZE=1 SIZE=1", "501"},
    {FALSE, "MAIL FROM:<a@example.org> BODY=BINARYMIME", "501"},
    {FALSE, "MAIL FROM:<a@example.org> SMTPUTF8=1", "501"},
    {FALSE, "MAIL FROM:<a@example.org> AUTH=<>", "555"},
    {FALSE, "MAIL FROM:<a@example.org> RET=HDRS", "555"},
    {FALSE, "MAIL FROM:<a@example.org>SIZE=1", "501"},
    {FALSE, "MAIL FROM:a@example.org", "501"},
    {FALSE, "MAIL FROM:", "501"},
    {FALSE, "MAIL", "501"},
    {FALSE, "MAIL TO:<a@example.org>", "501"},
    {FALSE, "MAIL FROM:<postmaster>", "501"},
    {FALSE, "MAIL FROM:<@relay.example:a@example.org>", "501"},
    {FALSE, "MAIL FROM:<a@b@example.org>", "501"},
    {FALSE, "MAIL FROM:<a b@example.org>", "501"},
    {FALSE, "MAIL FROM:<a@example.org", "501"},
    {FALSE, "MAIL FROM:<\"a@example.org>", "501"},
    {FALSE, "MAIL FROM:<.a@example.org>", "501"},
    {FALSE, "MAIL FROM:<a@example..org>", "501"},
    {FALSE, "MAIL FROM:<a@>", "501"},
    {FALSE, "MAIL FROM:<a\t@example.org>", "500"},
    {FALSE, "MAIL FROM:<a@example.org>\x01", "500"},
    {FALSE, "MAIL FROM:<\xC2\x85@example.org> SMTPUTF8", "501"},
    {FALSE, "MAIL FROM:<\xFF@example.org> SMTPUTF8", "501"},
    {FALSE, "EHLO a b", "501"},
    {FALSE, "EHLO \xC3\xA4", "501"},
    {FALSE, " NOOP", "500"},
    {FALSE, "", "500"},
    {FALSE, "RCPT TO:<x@example.net>", "503"},
    {TRUE, "MAIL FROM:<a@example.org>", "503"},
    {TRUE, "RCPT TO:<x@example.net>", "250"},
    {TRUE, "RCPT TO:<postmaster>", "250"},
    {TRUE, "RCPT TO:<x>", "501"},
    {TRUE, "RCPT TO:<>", "501"},
    {TRUE, "RCPT TO:<@a,@b:x@example.net>", "501"},
    {TRUE, "RCPT TO:<x@example.net> NOTIFY=NEVER", "555"},
    {TRUE, "RCPT TO:<bad@example.net>", "550"},
};

static void test_syntax(void) {
  for (guint i = 0; i < G_N_ELEMENTS(syntaxes); i++) {
    g_test_message("%s", syntaxes[i].line);
    g_autoptr(Talk) talk = talk_new(2000, FALSE);
    take(talk);
    feed(talk, OCTETS("EHLO c\r\n"));
    if (syntaxes[i].mail)
      feed(talk, OCTETS("MAIL FROM:<a@example.org>\r\n"));
    g_autofree char *line = g_strconcat(syntaxes[i].line, "\r\n", NULL);
    g_string_truncate(talk->transcript, 0);
    feed(talk, line, strlen(line));
    const char *reply = talk->transcript->str;
    reply = reply[0] == '[' ? strchr(reply, '\n') + 1 : reply;
    g_assert_true(g_str_has_prefix(reply, syntaxes[i].code));
  }
}

/* From here on: to the 354. */
static Talk *talk_to_data(gsize max_message) {
  Talk *talk = talk_new(max_message, FALSE);
  take(talk);
  feed(talk, OCTETS("EHLO client.example\r\n"));
  feed(talk, OCTETS("MAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n"));
  g_assert_true(g_str_has_suffix(talk->transcript->str, DATA_OK));
  g_string_truncate(talk->transcript, 0);
  return talk;
}

static void test_message_bytes(void) {
  for (int by_octet = 0; by_octet < 2; by_octet++) {
    g_autoptr(Talk) talk = talk_to_data(2000);
    say(talk, OCTETS("Subject: x\r\n\r\n..a\r\n...\r\n.b\r\n\r\nend\xFF\r\n.\r\n"), by_octet);
    g_assert_cmpuint(talk->messages->len, ==, 1);
    g_autoptr(GBytes) expected = g_bytes_new_static(OCTETS(
        "Received: from client.example ([192.0.2.7])\r\n\tby mx.example.net with ESMTP;\r\n\t"
        "Tue, 14 Nov 2023 22:13:20 +0000\r\nSubject: x\r\n\r\n.a\r\n..\r\nb\r\n\r\nend\xFF\r\n"));
    g_assert_true(g_bytes_equal(talk->messages->pdata[0], expected));
  }
}

/* A hostile EHLO name must not shape the Received field. */
static void test_received_name(void) {
  g_autoptr(Talk) talk = talk_new(2000, FALSE);
  take(talk);
  feed(talk, OCTETS("EHLO a;(by\"x<\r\n"));
  feed(talk, OCTETS("MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n"));
  feed(talk, OCTETS(".\r\n"));
  g_assert_cmpuint(talk->messages->len, ==, 1);
  const char *text = g_bytes_get_data(talk->messages->pdata[0], NULL);
  g_assert_true(g_str_has_prefix(text, "Received: from a__by_x_ ([192.0.2.7])\r\n"));
}

/* RFC 2033 section 4.2: as many answers as recipients, also for a message that is not taken; and
   each question about it is of one recipient, the same octets each time. */
static void test_lmtp_messages(void) {
  g_autoptr(Talk) talk = talk_new_lmtp(2000);
  g_autoptr(GString) large = g_string_new(NULL);
  while (large->len <= 2000)
    g_string_append(large, "0123456789\r\n");
  g_string_append(large, ".\r\n");
  take(talk);
  feed(talk, OCTETS("LHLO c\r\n"));
  feed(talk, OCTETS("MAIL FROM:<>\r\nRCPT TO:<x@a>\r\nRCPT TO:<y@a>\r\nDATA\r\n"));
  g_string_truncate(talk->transcript, 0);
  say(talk, large->str, large->len, FALSE);
  g_assert_cmpstr(talk->transcript->str, ==,
                  "552 5.3.4 message too large\r\n552 5.3.4 message too large\r\n");
  feed(talk, OCTETS("MAIL FROM:<>\r\nRCPT TO:<x@a>\r\nRCPT TO:<y@a>\r\nDATA\r\n"));
  feed(talk, OCTETS("\r\nsmall\r\n.\r\n"));
  g_assert_cmpuint(talk->messages->len, ==, 2);
  g_assert_true(g_bytes_equal(talk->messages->pdata[0], talk->messages->pdata[1]));
  const char *text = g_bytes_get_data(talk->messages->pdata[0], NULL);
  g_assert_true(g_str_has_prefix(
      text, "Received: from c (local)\r\n\tby mx.example.net with LMTP;\r\n\tTue"));
  g_assert_null(smtp_session_envelope(talk->session));
}

/* The client leaves between two answers: what is left of the transaction goes with the session. */
static void test_lmtp_cut_off(void) {
  g_autoptr(Talk) talk = talk_new_lmtp(2000);
  take(talk);
  feed(talk, OCTETS("LHLO c\r\n"));
  feed(talk, OCTETS("MAIL FROM:<>\r\nRCPT TO:<x@a>\r\nRCPT TO:<y@a>\r\nDATA\r\n"));
  g_assert_cmpint(smtp_session_feed(talk->session, OCTETS("\r\nx\r\n.\r\n"), NOW), ==,
                  SMTP_ASK_MESSAGE);
  smtp_session_answer(talk->session, 250, "2.0.0", "one");
  g_assert_cmpint(smtp_session_feed(talk->session, NULL, 0, NOW), ==, SMTP_ASK_MESSAGE);
  g_assert_cmpstr(smtp_session_envelope(talk->session)->recipients->pdata[0], ==, "y@a");
  smtp_session_timed_out(talk->session);
  g_assert_cmpint(smtp_session_feed(talk->session, NULL, 0, NOW), ==, SMTP_CLOSE);
}

/* The same by LMTP, with two recipients, so that each message is asked about twice. */
static Talk *talk_to_lmtp_data(gsize max_message) {
  Talk *talk = talk_new_lmtp(max_message);
  take(talk);
  feed(talk, OCTETS("LHLO client.example\r\n"));
  feed(talk, OCTETS("MAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\n"
                    "RCPT TO:<y@example.net>\r\nDATA\r\n"));
  g_assert_true(g_str_has_suffix(talk->transcript->str, DATA_OK));
  g_string_truncate(talk->transcript, 0);
  return talk;
}

/* Smuggling, by SMTP and by LMTP. Each pair of line ends around the dot but CRLF CRLF holds a bare
 * CR, LF or NUL somewhere. */

static const struct {
  const char *octets;
  gsize length;
} ends[] = {
    {OCTETS("\r\n")},   {OCTETS("\n")},     {OCTETS("\r")},     {OCTETS("\r\r\n")},
    {OCTETS("\n\r")},   {OCTETS("\n\n")},   {OCTETS("\r\r")},   {OCTETS("\r\n\n")},
    {OCTETS("\r\n\r")}, {OCTETS("\n\r\n")}, {OCTETS("\0\r\n")}, {OCTETS("\r\0\n")},
    {OCTETS("\r\n\0")}, {OCTETS("\r \n")},  {OCTETS(" \n")},    {OCTETS("\r\t\r\n")},
    {OCTETS("\x1A\r")},
};

static const struct {
  const char *octets;
  gsize length;
} dots[] = {{OCTETS(".")}, {OCTETS("..")}};

#define INNER                                                                                      \
  "MAIL FROM:<evil@example.org>\r\nRCPT "                                                          \
  "TO:<victim@example.net>\r\nDATA\r\nsmuggled\r\n.\r\nQUIT\r\n"

/* Feeds a variant in two pieces (cut 0 or its length: in one), or octet by octet. ended: the true
   end comes first, and the forbidden octet is in what follows it. */
static void try_smuggling(const GString *variant, gboolean lmtp, gsize cut, gboolean by_octet,
                          gboolean ended) {
  g_autoptr(Talk) talk = lmtp ? talk_to_lmtp_data(20000) : talk_to_data(20000);
  const guint questions_due = lmtp ? 2 : 1;
  guint questions = talk->questions;
  say(talk, variant->str, cut, by_octet);
  if (!talk->closed)
    say(talk, variant->str + cut, variant->len - cut, by_octet);
  g_assert_cmpuint(talk->messages->len, ==, ended ? questions_due : 0);
  g_assert_cmpuint(talk->questions - questions, ==, talk->messages->len);
  g_assert_true(talk->closed);
  g_assert_null(strstr(talk->transcript->str, "victim"));
  if (ended)
    g_assert_true(g_str_has_suffix(
        talk->transcript->str, "500 5.5.2 bare CR, bare LF or NUL in a command\r\n[close]\r\n"));
  else
    g_assert_cmpstr(talk->transcript->str, ==,
                    "554 5.6.0 bare CR, bare LF or NUL in the message\r\n[close]\r\n");
}

/* The variant whole, octet by octet, and cut at each octet around what looks like its end. */
static void try_all_pieces(gboolean lmtp, guint before, guint dot, guint after) {
  g_autoptr(GString) variant = g_string_new("Subject: x\r\n\r\ntext");
  gsize start = variant->len;
  g_string_append_len(variant, ends[before].octets, (gssize)ends[before].length);
  g_string_append_len(variant, dots[dot].octets, (gssize)dots[dot].length);
  g_string_append_len(variant, ends[after].octets, (gssize)ends[after].length);
  gsize end = variant->len;
  g_string_append(variant, INNER);
  gboolean ended = before == 0 && dot == 0 && g_str_has_prefix(ends[after].octets, "\r\n");
  try_smuggling(variant, lmtp, 0, TRUE, ended);
  try_smuggling(variant, lmtp, 0, FALSE, ended);
  for (gsize cut = start; cut <= end; cut++)
    try_smuggling(variant, lmtp, cut, FALSE, ended);
}

static void test_smuggling_ends(gconstpointer lmtp) {
  guint variants = 0;
  for (guint before = 0; before < G_N_ELEMENTS(ends); before++)
    for (guint after = 0; after < G_N_ELEMENTS(ends); after++)
      for (guint dot = 0; dot < G_N_ELEMENTS(dots); dot++) {
        if (before == 0 && after == 0)
          continue;
        try_all_pieces(lmtp != NULL, before, dot, after);
        variants++;
      }
  g_assert_cmpuint(variants, >=, 500);
}

/* Not an end of the message, and no forbidden octet either: all is one message. */
static const char *const looks_like_end[] = {
    "\r\n..\r\n",        "\r\n. \r\n",
    "\r\n.\t\r\n",       "\r\n .\r\n",
    "\r\n.\v\r\n",       "\r\n.\f\r\n",
    "\r\n.\b\r\n",       "\r\n.\xC2\x85\r\n",
    "\r\n\xC2\x85.\r\n", "\r\n.\xE2\x80\xA8\r\n",
    "\r\n.\x85\r\n",     "\r\n.\\r\\n\r\n",
    "\r\n...\r\n",       "\r\n\x1A.\r\n",
    "\r\n.=0D=0A\r\n",
};

static void test_smuggling_lookalikes(gconstpointer lmtp) {
  const guint recipients = lmtp != NULL ? 2 : 1;
  for (guint i = 0; i < G_N_ELEMENTS(looks_like_end) * 2; i++) {
    g_autoptr(Talk) talk = lmtp != NULL ? talk_to_lmtp_data(20000) : talk_to_data(20000);
    g_autofree char *variant = g_strconcat("text", looks_like_end[i / 2], INNER, NULL);
    say(talk, variant, strlen(variant), i % 2 == 1);
    g_assert_cmpuint(talk->messages->len, ==, recipients);
    g_assert_cmpuint(talk->questions, ==, 2 * recipients);
    gsize size = 0;
    const char *text = g_bytes_get_data(talk->messages->pdata[0], &size);
    g_assert_nonnull(g_strstr_len(text, (gssize)size, "victim@example.net"));
  }
}

static const struct {
  const char *octets;
  gsize length;
} bad_commands[] = {
    {OCTETS("MAIL FROM:<a@example.org>\nRCPT TO:<x@example.net>\r\n")},
    {OCTETS("MAIL FROM:<a@example.org>\rRCPT TO:<x@example.net>\r\n")},
    {OCTETS("MAIL FROM:<a@example.org>\r\r\nRCPT TO:<x@example.net>\r\n")},
    {OCTETS("MAIL FROM:<a@example.org>\n\rRCPT TO:<x@example.net>\r\n")},
    {OCTETS("MAIL FROM:<a@example.org>\0\r\nRCPT TO:<x@example.net>\r\n")},
    {OCTETS("MAIL FROM:<a@example.org\0@evil>\r\nRCPT TO:<x@example.net>\r\n")},
    {OCTETS("MAIL FROM:<a\n@example.org>\r\nRCPT TO:<x@example.net>\r\n")},
    {OCTETS("\nMAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\n")},
    {OCTETS("\0\r\nMAIL FROM:<a@example.org>\r\n")},
    {OCTETS("NOOP\nMAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\n")},
    {OCTETS("RSET\n\nQUIT\r\n")},
    {OCTETS("QUIT\n")},
    {OCTETS("DATA\n")},
    {OCTETS("NOOP x\ry\r\n")},
};

static void test_bad_commands(gconstpointer lmtp) {
  for (guint i = 0; i < G_N_ELEMENTS(bad_commands) * 2; i++) {
    g_autoptr(Talk) talk = lmtp != NULL ? talk_new_lmtp(2000) : talk_new(2000, FALSE);
    take(talk);
    feed(talk, lmtp != NULL ? "LHLO c\r\n" : "EHLO c\r\n", 8);
    g_string_truncate(talk->transcript, 0);
    say(talk, bad_commands[i / 2].octets, bad_commands[i / 2].length, i % 2 == 1);
    g_assert_cmpstr(talk->transcript->str, ==,
                    "500 5.5.2 bare CR, bare LF or NUL in a command\r\n[close]\r\n");
    g_assert_cmpuint(talk->questions, ==, 0);
    g_assert_cmpstr(smtp_session_refusal(talk->session), ==,
                    "bare CR, bare LF or NUL in a command");
  }
}

/* Octets in one piece behind a command that must be answered first (security.md 12). */
static const struct {
  const char *before;
  const char *last;
} impatient[] = {
    {"", "EHLO c\r\nMAIL FROM:<a@example.org>\r\n"},
    {"", "HELO c\r\nMAIL FROM:<a@example.org>\r\n"},
    {"EHLO c\r\n", "STARTTLS\r\nEHLO injected\r\n"},
    {"EHLO c\r\n", "STARTTLS\r\nx"},
    {"EHLO c\r\n", "MAIL FROM:<a@example.org>\r\nRCPT TO:<x@example.net>\r\nDATA\r\ntext\r\n.\r\n"},
    {"EHLO c\r\n", "MAIL FROM:<a@example.org>\r\nDATA\r\nMAIL FROM:<b@example.org>\r\n"},
    {"EHLO c\r\n", "DATA\r\n."},
};

static void test_impatient(void) {
  for (guint i = 0; i < G_N_ELEMENTS(impatient); i++) {
    g_autoptr(Talk) talk = talk_new(2000, TRUE);
    take(talk);
    feed(talk, impatient[i].before, strlen(impatient[i].before));
    feed(talk, impatient[i].last, strlen(impatient[i].last));
    g_assert_true(talk->closed);
    g_assert_cmpuint(talk->messages->len, ==, 0);
    g_assert_true(g_str_has_suffix(
        talk->transcript->str,
        "554 5.5.0 octets sent before the answer to a command that needs it\r\n[close]\r\n"));
    g_assert_null(strstr(talk->transcript->str, "[tls]"));
  }
}

static void test_before_greeting(void) {
  g_autoptr(Talk) talk = talk_new(2000, FALSE);
  feed(talk, OCTETS("EHLO c\r\n"));
  g_assert_cmpstr(talk->transcript->str, ==,
                  "554 5.5.0 octets sent before the greeting\r\n[close]\r\n");
  feed(talk, OCTETS("EHLO c\r\n"));
  g_assert_cmpuint(smtp_session_pending(talk->session), ==, 0);
}

static void test_between_starttls_and_handshake(void) {
  g_autoptr(Talk) talk = talk_new(2000, TRUE);
  take(talk);
  feed(talk, OCTETS("EHLO c\r\n"));
  g_assert_cmpint(smtp_session_feed(talk->session, OCTETS("STARTTLS\r\n"), NOW), ==,
                  SMTP_START_TLS);
  g_assert_cmpint(smtp_session_feed(talk->session, OCTETS("NOOP\r\n"), NOW), ==, SMTP_CLOSE);
}

/* Sizes. A message of exactly the limit passes, one octet more does not; the rest is read, then
 * refused. */

static char *letters(gsize count) {
  char *text = g_malloc(count + 1);
  memset(text, 'x', count);
  text[count] = '\0';
  return text;
}

/* Two lines, the second with a stuffed dot that does not count. */
static void try_size(gsize total, gboolean by_octet, guint messages, const char *expected) {
  g_autoptr(Talk) talk = talk_to_data(1000);
  g_autofree char *first = letters(498);
  g_autofree char *second = letters(total - 500 - 3);
  g_autofree char *text = g_strdup_printf("%s\r\n..%s\r\n.\r\nNOOP\r\n", first, second);
  say(talk, text, strlen(text), by_octet);
  g_assert_cmpuint(talk->messages->len, ==, messages);
  g_assert_true(g_str_has_suffix(talk->transcript->str, expected));
}

static void test_message_size(void) {
  for (int by_octet = 0; by_octet < 2; by_octet++) {
    try_size(1000, by_octet, 1, COMMITTED "250 2.0.0 here\r\n");
    try_size(1001, by_octet, 0, "552 5.3.4 message too large\r\n250 2.0.0 here\r\n");
  }
}

static void test_far_too_large(void) {
  g_autoptr(Talk) talk = talk_to_data(1000);
  g_autofree char *line = letters(900);
  g_autofree char *crlf = g_strconcat(line, "\r\n", NULL);
  for (guint i = 0; i < 100 && !talk->closed; i++)
    feed(talk, crlf, strlen(crlf));
  g_assert_true(talk->closed);
  g_assert_cmpstr(talk->transcript->str, ==, "552 5.3.4 message far too large\r\n[close]\r\n");
}

static void test_long_lines(void) {
  for (int by_octet = 0; by_octet < 2; by_octet++) {
    for (gsize extra = 0; extra < 2; extra++) {
      g_autoptr(Talk) talk = talk_to_data(100000);
      g_autofree char *line = letters(SMTP_MAX_LINE + extra);
      g_autofree char *text = g_strdup_printf("%s\r\n.\r\n", line);
      say(talk, text, strlen(text), by_octet);
      g_assert_cmpuint(talk->messages->len, ==, extra == 0 ? 1 : 0);
      g_assert_true(g_str_has_suffix(talk->transcript->str,
                                     extra == 0 ? COMMITTED : "554 5.6.0 line too long\r\n"));
    }
  }
  /* A dot inside a line that was taken in pieces is no end. */
  g_autoptr(Talk) talk = talk_to_data(100000);
  g_autofree char *line = letters(SMTP_MAX_LINE + 1);
  feed(talk, line, strlen(line));
  feed(talk, OCTETS(".\r\n"));
  g_assert_cmpuint(talk->transcript->len, ==, 0);
  feed(talk, OCTETS(".\r\n"));
  g_assert_cmpstr(talk->transcript->str, ==, "554 5.6.0 line too long\r\n");
}

static void test_long_command(void) {
  for (gsize extra = 0; extra < 2; extra++) {
    g_autoptr(Talk) talk = talk_new(2000, FALSE);
    take(talk);
    g_autofree char *word = letters(SMTP_MAX_COMMAND - 2 - 5 + extra);
    g_autofree char *line = g_strdup_printf("NOOP %s\r\n", word);
    g_string_truncate(talk->transcript, 0);
    say(talk, line, strlen(line), TRUE);
    g_assert_true(g_str_has_prefix(talk->transcript->str,
                                   extra == 0 ? "250" : "500 5.5.2 command line too long"));
    g_assert_cmpint(talk->closed, ==, extra != 0);
  }
}

static void test_too_many_recipients(void) {
  g_autoptr(Talk) talk = talk_new(2000, FALSE);
  take(talk);
  feed(talk, OCTETS("EHLO c\r\n"));
  feed(talk, OCTETS("MAIL FROM:<a@example.org>\r\n"));
  for (guint i = 0; i < SMTP_MAX_RECIPIENTS; i++)
    feed(talk, OCTETS("RCPT TO:<x@example.net>\r\n"));
  g_assert_cmpuint(talk->questions, ==, SMTP_MAX_RECIPIENTS);
  feed(talk, OCTETS("RCPT TO:<x@example.net>\r\n"));
  g_assert_cmpuint(talk->questions, ==, SMTP_MAX_RECIPIENTS);
  g_assert_true(g_str_has_suffix(talk->transcript->str, "452 4.5.3 too many recipients\r\n"));
}

/* Unknown recipients count as refused commands: no harvest of addresses. */
static void test_harvest(void) {
  g_autoptr(Talk) talk = talk_new(2000, FALSE);
  take(talk);
  feed(talk, OCTETS("EHLO c\r\n"));
  feed(talk, OCTETS("MAIL FROM:<a@example.org>\r\n"));
  for (guint i = 0; i < 50; i++)
    feed(talk, OCTETS("RCPT TO:<bad@example.net>\r\n"));
  g_assert_true(talk->closed);
  g_assert_cmpuint(talk->questions, ==, SMTP_MAX_ERRORS);
}

/* While a question is open nothing is handled. */
static void test_question_waits(void) {
  g_autoptr(Talk) talk = talk_new(2000, FALSE);
  take(talk);
  feed(talk, OCTETS("EHLO c\r\n"));
  feed(talk, OCTETS("MAIL FROM:<a@example.org>\r\n"));
  g_string_truncate(talk->transcript, 0);
  g_assert_cmpint(
      smtp_session_feed(talk->session, OCTETS("RCPT TO:<x@example.net>\r\nNOOP\r\n"), NOW), ==,
      SMTP_ASK_RECIPIENT);
  g_assert_cmpint(smtp_session_feed(talk->session, OCTETS("QUIT\r\n"), NOW), ==,
                  SMTP_ASK_RECIPIENT);
  take(talk);
  g_assert_cmpuint(talk->transcript->len, ==, 0);
  g_assert_cmpuint(smtp_session_pending(talk->session), ==, strlen("NOOP\r\nQUIT\r\n"));
  smtp_session_answer(talk->session, 250, "2.1.5", "noted");
  g_assert_cmpint(smtp_session_feed(talk->session, NULL, 0, NOW), ==, SMTP_CLOSE);
  take(talk);
  g_assert_cmpstr(talk->transcript->str, ==,
                  "250 2.1.5 noted\r\n250 2.0.0 here\r\n221 2.0.0 goodbye\r\n");
}

static void test_timed_out(void) {
  g_autoptr(Talk) talk = talk_to_data(2000);
  feed(talk, OCTETS("half a message\r\n"));
  smtp_session_timed_out(talk->session);
  feed(talk, OCTETS(".\r\n"));
  g_assert_cmpstr(talk->transcript->str, ==, "421 4.4.2 too slow\r\n[close]\r\n");
  g_assert_cmpuint(talk->messages->len, ==, 0);
}

static void test_bad_answer(void) {
  if (g_test_subprocess()) {
    g_autoptr(Talk) talk = talk_new(2000, FALSE);
    take(talk);
    feed(talk, OCTETS("EHLO c\r\n"));
    feed(talk, OCTETS("MAIL FROM:<a@example.org>\r\n"));
    smtp_session_feed(talk->session, OCTETS("RCPT TO:<x@example.net>\r\n"), NOW);
    smtp_session_answer(talk->session, 354, "3.0.0", "no");
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_failed();
  g_test_trap_assert_stderr("*CRITICAL*smtp_session_answer*");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/session/dialogues", test_dialogues);
  g_test_add_func("/session/syntax", test_syntax);
  g_test_add_func("/session/message-bytes", test_message_bytes);
  g_test_add_func("/session/received-name", test_received_name);
  g_test_add_func("/session/lmtp/messages", test_lmtp_messages);
  g_test_add_func("/session/lmtp/cut-off", test_lmtp_cut_off);
  g_test_add_data_func("/session/smuggling/ends", NULL, test_smuggling_ends);
  g_test_add_data_func("/session/smuggling/lmtp-ends", "LMTP", test_smuggling_ends);
  g_test_add_data_func("/session/smuggling/lookalikes", NULL, test_smuggling_lookalikes);
  g_test_add_data_func("/session/smuggling/lmtp-lookalikes", "LMTP", test_smuggling_lookalikes);
  g_test_add_data_func("/session/smuggling/commands", NULL, test_bad_commands);
  g_test_add_data_func("/session/smuggling/lmtp-commands", "LMTP", test_bad_commands);
  g_test_add_func("/session/impatient", test_impatient);
  g_test_add_func("/session/before-greeting", test_before_greeting);
  g_test_add_func("/session/before-handshake", test_between_starttls_and_handshake);
  g_test_add_func("/session/size/message", test_message_size);
  g_test_add_func("/session/size/far-over", test_far_too_large);
  g_test_add_func("/session/size/lines", test_long_lines);
  g_test_add_func("/session/size/command", test_long_command);
  g_test_add_func("/session/recipients", test_too_many_recipients);
  g_test_add_func("/session/harvest", test_harvest);
  g_test_add_func("/session/question-waits", test_question_waits);
  g_test_add_func("/session/timed-out", test_timed_out);
  g_test_add_func("/session/bad-answer", test_bad_answer);
  return g_test_run();
}
