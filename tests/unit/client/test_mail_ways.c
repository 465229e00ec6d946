/* SPDX-License-Identifier: Apache-2.0 */
/* The ways of mail against real files, pipes and SMTP sessions: --mail listen is the mail server
   here that takes the responses of the others. */
#include "client/failure.h"
#include "client/line_input.h"
#include "client/mail_way.h"
#include "client/output.h"
#include "client/private_key.h"

#include <glib/gstdio.h>
#include <gmime/gmime.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOKEN "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"

static const char challenge[] = "Auto-Submitted: auto-generated; type=acme\n"
                                "Date: Sat, 5 Dec 2020 10:08:55 +0100\n"
                                "Message-ID: <A2299BB.FF7788@ca.example>\n"
                                "From: acme-challenge+a1@ca.example\n"
                                "To: ann@example.org\n"
                                "Subject: ACME: " TOKEN "\n"
                                "MIME-Version: 1.0\n"
                                "Content-Type: text/plain\n"
                                "\n"
                                "Text.\n";

static GPtrArray *make_proofs(void) {
  GPtrArray *proofs = proof_list_new();
  Proof *proof = g_new0(Proof, 1);
  proof->address = g_strdup("ann@example.org");
  proof->from = g_strdup("acme-challenge+a1@ca.example");
  g_ptr_array_add(proofs, proof);
  return proofs;
}

static void check_challenge(const ReceivedChallenge *mail) {
  g_assert_nonnull(mail);
  g_assert_cmpstr(mail->token, ==, TOKEN);
  g_assert_cmpstr(mail->from, ==, "acme-challenge+a1@ca.example");
  g_assert_cmpstr(mail->to, ==, "ann@example.org");
}

static ReceivedChallenge *receive(MailWay *way, const GPtrArray *proofs, gint64 milliseconds) {
  g_autoptr(GError) error = NULL;
  ReceivedChallenge *mail = NULL;
  g_assert_true(way->kind->receive(way, proofs, milliseconds, &mail, &error));
  g_assert_no_error(error);
  return mail;
}

static void expect_end(MailWay *way, const GPtrArray *proofs) {
  g_autoptr(GError) error = NULL;
  ReceivedChallenge *mail = NULL;
  g_assert_false(way->kind->receive(way, proofs, 1000, &mail, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
  g_assert_null(mail);
}

static void put(int fd, const char *text) {
  g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
}

static void test_lines(void) {
  int ends[2];
  g_assert_cmpint(pipe(ends), ==, 0);
  g_autoptr(LineInput) input = line_input_new(ends[0]);
  char *line = NULL;
  g_assert_cmpint(line_input_next(input, 10, &line), ==, LINE_INPUT_NOTHING);
  put(ends[1], "one\r\n\ntw");
  g_assert_cmpint(line_input_next(input, 10, &line), ==, LINE_INPUT_LINE);
  g_assert_cmpstr(line, ==, "one");
  g_free(line);
  g_assert_cmpint(line_input_next(input, 10, &line), ==, LINE_INPUT_LINE);
  g_assert_cmpstr(line, ==, "");
  g_free(line);
  g_assert_cmpint(line_input_next(input, 10, &line), ==, LINE_INPUT_NOTHING);
  put(ends[1], "o");
  close(ends[1]);
  g_assert_cmpint(line_input_next(input, 10, &line), ==, LINE_INPUT_LINE);
  g_assert_cmpstr(line, ==, "two");
  g_free(line);
  g_assert_cmpint(line_input_next(input, 10, &line), ==, LINE_INPUT_END);
  close(ends[0]);
}

static void test_print(void) {
  int ends[2];
  g_assert_cmpint(pipe(ends), ==, 0);
  g_autoptr(GPtrArray) proofs = make_proofs();
  g_autoptr(MailWay) way = mail_print_new(ends[0]);
  put(ends[1], "what?\nSubject: ACME: " TOKEN "\n");
  g_assert_null(receive(way, proofs, 100));
  g_autoptr(ReceivedChallenge) mail = receive(way, proofs, 100);
  check_challenge(mail);
  g_assert_cmpstr(mail->reply_to, ==, "acme-challenge+a1@ca.example");
  close(ends[1]);
  expect_end(way, proofs);
  /* With nothing awaited the end of the input does not matter. */
  ((Proof *)g_ptr_array_index(proofs, 0))->replied = TRUE;
  g_assert_null(receive(way, proofs, 10));
  close(ends[0]);
}

static void test_pipe(void) {
  int ends[2];
  g_assert_cmpint(pipe(ends), ==, 0);
  g_autoptr(GPtrArray) proofs = make_proofs();
  const MailReplier replier = {.server = {.server = "127.0.0.1:1"}};
  g_autoptr(MailWay) way = mail_pipe_new(ends[0], &replier);
  put(ends[1], "From: someone@else.example\nSubject: hello\n\nText\n.\n");
  put(ends[1], challenge);
  g_assert_null(receive(way, proofs, 100));
  g_assert_null(receive(way, proofs, 50)); /* not ended yet */
  put(ends[1], ".\n");
  g_autoptr(ReceivedChallenge) first = receive(way, proofs, 100);
  check_challenge(first);
  put(ends[1], challenge);
  close(ends[1]);
  g_autoptr(ReceivedChallenge) second = receive(way, proofs, 100);
  check_challenge(second);
  expect_end(way, proofs);
  close(ends[0]);
}

static void put_file(const char *folder, const char *name, const char *content) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static void test_maildir(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("signet-maildir-XXXXXX", NULL);
  const MailReplier replier = {.server = {.server = "127.0.0.1:1"}};
  g_assert_null(mail_maildir_new(folder, &replier, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
  g_autofree char *new_mail = g_build_filename(folder, "new", NULL);
  g_autofree char *cur = g_build_filename(folder, "cur", NULL);
  g_assert_cmpint(g_mkdir(new_mail, 0700) + g_mkdir(cur, 0700), ==, 0);
  put_file(new_mail, "1.old", challenge);
  g_autoptr(GPtrArray) proofs = make_proofs();
  g_autoptr(MailWay) way = mail_maildir_new(folder, &replier, NULL);
  g_assert_null(receive(way, proofs, 10)); /* what was there before does not count */
  put_file(new_mail, "2.other", "Subject: hello\n\n");
  put_file(cur, "3.challenge:2,S", challenge);
  g_autoptr(ReceivedChallenge) mail = receive(way, proofs, 1000);
  check_challenge(mail);
  put_file(new_mail, "3.challenge", challenge); /* the same message under its other name */
  g_assert_null(receive(way, proofs, 10));
  static const char *const names[] = {
      "new/1.old", "new/2.other", "new/3.challenge", "cur/3.challenge:2,S", "new", "cur", "."};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(folder, names[i], NULL);
    g_remove(path);
  }
}

/* --- SMTP ---------------------------------------------------------------------------------------
 */

static char *free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
  close(fd);
  return g_strdup_printf("127.0.0.1:%u", (guint)ntohs(address.sin_port));
}

typedef struct {
  const char *server;
  const char *to;
  const char *text;
  gint done;
} Sending;

static gpointer send_one(gpointer user) {
  Sending *sending = user;
  const MailServer server = {.server = sending->server};
  GString *text = g_string_new(sending->text);
  g_string_replace(text, "\n", "\r\n", 0);
  g_autoptr(GBytes) message = g_string_free_to_bytes(text);
  GError *error = NULL;
  mail_submission_send(&server, "acme-challenge+a1@ca.example", sending->to, message, &error);
  g_atomic_int_set(&sending->done, TRUE);
  return error;
}

static const struct {
  const char *to, *text, *refusal; /* NULL: taken */
} sendings[] = {
    {"ann@example.org", challenge, NULL},
    {"ANN@Example.org", challenge, NULL},
    {"eve@example.org", challenge, "550"},
    {"ann@example.org", "Subject: hello\n\nText\n", "554"},
};

static void test_listen(void) {
  static const char *const addresses[] = {"ann@example.org", NULL};
  g_autofree char *where = free_port();
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) proofs = make_proofs();
  const MailReplier replier = {.server = {.server = "127.0.0.1:1"}};
  g_autoptr(MailWay) way = mail_listen_new(where, addresses, &replier, &error);
  g_assert_no_error(error);
  for (gsize i = 0; i < G_N_ELEMENTS(sendings); i++) {
    Sending sending = {.server = where, .to = sendings[i].to, .text = sendings[i].text};
    GThread *thread = g_thread_new("sender", send_one, &sending);
    g_autoptr(ReceivedChallenge) mail = NULL;
    while (mail == NULL && !g_atomic_int_get(&sending.done))
      mail = receive(way, proofs, 100);
    g_autoptr(GError) refusal = g_thread_join(thread);
    if (sendings[i].refusal == NULL) {
      g_assert_no_error(refusal);
      check_challenge(mail);
    } else {
      g_assert_error(refusal, CLIENT_ERROR, CLIENT_NETWORK);
      g_assert_nonnull(strstr(refusal->message, sendings[i].refusal));
      g_assert_null(mail);
    }
  }
}

static void test_listen_refused(void) {
  static const char *const addresses[] = {"ann@example.org", NULL};
  g_autoptr(GError) error = NULL;
  const MailReplier replier = {.server = {.server = "127.0.0.1:1"}};
  g_assert_null(mail_listen_new("localhost", addresses, &replier, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_USAGE);
}

/* The response as it is sent: signed by a key of the user, right in every field that the server
 * reads. */
static void test_response(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(ReceivedChallenge) mail = mail_way_read(challenge, strlen(challenge));
  check_challenge(mail);
  g_autoptr(EVP_PKEY) key = private_key_make("RSA-2048", NULL);
  g_autoptr(DkimSigner) signer = dkim_signer_new("example.org", "s1", key, &error);
  g_assert_no_error(error);
  const MailReplier replier = {.server = {.server = "127.0.0.1:1"}, .signer = signer};
  g_autoptr(GBytes) message = mail_replier_compose(
      &replier, "ann@example.org", mail, "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo", &error);
  g_assert_no_error(error);
  const char *text = g_bytes_get_data(message, NULL);
  gssize size = (gssize)g_bytes_get_size(message);
  g_assert_true(g_str_has_prefix(text, "DKIM-Signature: "));
  g_assert_nonnull(g_strstr_len(text, size, "\r\nFrom: ann@example.org\r\n"));
  g_assert_nonnull(g_strstr_len(text, size, "\r\nTo: acme-challenge+a1@ca.example\r\n"));
  g_assert_nonnull(g_strstr_len(text, size, "\r\nSubject: Re: ACME: " TOKEN "\r\n"));
  g_assert_nonnull(g_strstr_len(text, size, "\r\nIn-Reply-To: <A2299BB.FF7788@ca.example>\r\n"));
  g_assert_nonnull(g_strstr_len(
      text, size, "-----BEGIN ACME RESPONSE-----\r\ng9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_mime_init();
  output_set_quiet(TRUE);
  g_test_add_func("/mail_ways/lines", test_lines);
  g_test_add_func("/mail_ways/print", test_print);
  g_test_add_func("/mail_ways/pipe", test_pipe);
  g_test_add_func("/mail_ways/maildir", test_maildir);
  g_test_add_func("/mail_ways/listen", test_listen);
  g_test_add_func("/mail_ways/listen_refused", test_listen_refused);
  g_test_add_func("/mail_ways/response", test_response);
  int result = g_test_run();
  g_mime_shutdown();
  return result;
}
