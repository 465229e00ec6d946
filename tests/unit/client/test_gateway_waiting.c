/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a message is, and who is told of it: over the gateway's own socket. */
#include "client/gateway_frame.h"
#include "client/gateway_waiting.h"
#include "client/listen_socket.h"
#include "client/mail_way.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define FORM                                                                                       \
  "From: acme@ca.test\r\nTo: %s\r\nSubject: %s\r\nAuto-Submitted: auto-generated; "                \
  "type=acme\r\n\r\n"
#define TOKEN "ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME"

typedef struct {
  char *folder, *path;
  struct event_base *base;
  GatewayWaiting *waiting;
  GString *verdicts; /* K and P, in their order */
} Desk;

static char *status(gpointer user) {
  (void)user;
  return g_strdup("it runs\n");
}

static void desk_open(Desk *desk) {
  g_autoptr(GError) error = NULL;
  desk->folder = g_dir_make_tmp("signet-gateway-XXXXXX", &error);
  g_assert_no_error(error);
  desk->path = g_build_filename(desk->folder, "socket", NULL);
  desk->base = event_base_new();
  desk->verdicts = g_string_new(NULL);
  desk->waiting = gateway_waiting_new(desk->base, desk->path, status, NULL, &error);
  g_assert_no_error(error);
}

static void desk_close(Desk *desk) {
  gateway_waiting_free(desk->waiting);
  event_base_free(desk->base);
  g_assert_cmpint(g_rmdir(desk->folder), ==, 0); /* the socket is gone */
  g_string_free(desk->verdicts, TRUE);
  g_free(desk->folder);
  g_free(desk->path);
}

static void on_verdict(gboolean kept, gpointer user) {
  g_string_append_c(((Desk *)user)->verdicts, kept ? 'K' : 'P');
}

static GatewayQuestion *ask(Desk *desk, const char *to, const char *subject) {
  g_autofree char *text = g_strdup_printf(FORM, to, subject);
  g_autoptr(GBytes) message = g_bytes_new(text, strlen(text));
  return gateway_waiting_ask(desk->waiting, message, on_verdict, desk);
}

static void turn(Desk *desk) {
  for (guint i = 0; i < 5; i++)
    event_base_loop(desk->base, EVLOOP_NONBLOCK);
}

static void say(Desk *desk, int fd, GByteArray *frames) {
  g_assert_cmpint(write(fd, frames->data, frames->len), ==, frames->len);
  g_byte_array_unref(frames);
  turn(desk);
}

static void say_text(Desk *desk, int fd, GatewayFrameKind kind, const char *text) {
  GByteArray *frames = g_byte_array_new();
  gateway_frame_put(frames, kind, text, strlen(text));
  say(desk, fd, frames);
}

static void say_verdict(Desk *desk, int fd, GatewayFrameKind kind, guint32 number) {
  GByteArray *frames = g_byte_array_new();
  gateway_frame_put_numbered(frames, kind, number, NULL);
  say(desk, fd, frames);
}

static void hear(Desk *desk, int fd, GatewayFrameKind kind, guint32 *number) {
  g_autoptr(GByteArray) input = g_byte_array_new();
  g_auto(GatewayFrame) frame = {0};
  guint8 octets[4096];
  turn(desk);
  ssize_t got = read(fd, octets, sizeof octets);
  g_assert_cmpint(got, >, 0);
  g_byte_array_append(input, octets, (guint)got);
  g_assert_cmpint(gateway_frame_take(input, &frame), ==, GATEWAY_FRAME_THERE);
  g_assert_cmpint(frame.kind, ==, kind);
  if (number != NULL)
    g_assert_true(gateway_frame_number(&frame, number));
}

static int await(Desk *desk, const char *addresses) {
  g_autoptr(GError) error = NULL;
  int fd = listen_socket_connect(desk->path, &error);
  g_assert_no_error(error);
  say_text(desk, fd, GATEWAY_FRAME_AWAIT, addresses);
  hear(desk, fd, GATEWAY_FRAME_READY, NULL);
  return fd;
}

/* What nobody awaits, or is no challenge, is passed on at once. */
static void test_others(void) {
  Desk desk;
  desk_open(&desk);
  g_assert_null(ask(&desk, "ann@user.test", TOKEN));
  int fd = await(&desk, "ann@user.test\nbob@user.test");
  g_assert_cmpuint(gateway_waiting_counts(desk.waiting).awaiting, ==, 1);
  static const char *const to[] = {"eve@user.test", "ann@user.test, bob@user.test", "ann", ""};
  for (gsize i = 0; i < G_N_ELEMENTS(to); i++)
    g_assert_null(ask(&desk, to[i], TOKEN));
  static const char *const subjects[] = {"ACME: invoice", "Re: " TOKEN, "lunch",
                                         TOKEN "\r\nTo: x@y"};
  for (gsize i = 0; i < G_N_ELEMENTS(subjects); i++)
    g_assert_null(ask(&desk, "ann@user.test", subjects[i]));
  g_autofree char *filling = g_strnfill(GATEWAY_MAX_HEADER, 'x');
  g_autofree char *wide = g_strconcat(TOKEN "\r\nX: ", filling, NULL);
  g_assert_null(ask(&desk, "ann@user.test", wide));
  g_assert_cmpstr(desk.verdicts->str, ==, "PPPPPPPPPP");
  g_assert_cmpuint(gateway_waiting_counts(desk.waiting).others, ==, 2);
  close(fd);
  desk_close(&desk);
}

/* Those who await it decide; whoever leaves has decided nothing. */
static void test_verdicts(void) {
  Desk desk;
  guint32 first = 0, second = 0;
  desk_open(&desk);
  int ann = await(&desk, "ann@USER.test"), bob = await(&desk, "bob@user.test");
  g_assert_nonnull(ask(&desk, "Ann@user.test", TOKEN));
  hear(&desk, ann, GATEWAY_FRAME_MESSAGE, &first);
  g_assert_nonnull(ask(&desk, "bob@user.test", TOKEN));
  hear(&desk, bob, GATEWAY_FRAME_MESSAGE, &second);
  say_verdict(&desk, ann, GATEWAY_FRAME_KEEP, second); /* not its own */
  g_assert_cmpstr(desk.verdicts->str, ==, "");
  say_verdict(&desk, ann, GATEWAY_FRAME_KEEP, first);
  say_verdict(&desk, ann, GATEWAY_FRAME_KEEP, first);
  g_assert_cmpstr(desk.verdicts->str, ==, "K");
  say_verdict(&desk, bob, GATEWAY_FRAME_PASS, second);
  g_assert_cmpstr(desk.verdicts->str, ==, "KP");
  g_assert_nonnull(ask(&desk, "bob@user.test", TOKEN));
  close(bob);
  turn(&desk);
  g_assert_cmpstr(desk.verdicts->str, ==, "KPP");
  GatewayQuestion *question = ask(&desk, "ann@user.test", TOKEN);
  gateway_question_cancel(question);
  GatewayCounts counts = gateway_waiting_counts(desk.waiting);
  g_assert_cmpuint(counts.kept, ==, 1);
  g_assert_cmpuint(counts.others, ==, 2);
  g_assert_nonnull(ask(&desk, "ann@user.test", TOKEN));
  close(ann);
  turn(&desk);
  g_assert_cmpstr(desk.verdicts->str, ==, "KPPP");
  desk_close(&desk);
}

/* Several that await mail for one mailbox are asked in turn, until one of them keeps it. */
static void test_in_turn(void) {
  Desk desk;
  guint32 number = 0;
  desk_open(&desk);
  int first = await(&desk, "ann@user.test"), other = await(&desk, "bob@user.test"),
      second = await(&desk, "bob@user.test\nann@user.test");
  g_assert_nonnull(ask(&desk, "ann@user.test", TOKEN));
  hear(&desk, first, GATEWAY_FRAME_MESSAGE, &number);
  say_verdict(&desk, first, GATEWAY_FRAME_PASS, number);
  g_assert_cmpstr(desk.verdicts->str, ==, "");
  hear(&desk, second, GATEWAY_FRAME_MESSAGE, &number);
  say_verdict(&desk, first, GATEWAY_FRAME_KEEP, number); /* its turn is over */
  say_verdict(&desk, second, GATEWAY_FRAME_KEEP, number);
  g_assert_cmpstr(desk.verdicts->str, ==, "K");
  /* Nobody's: to the mailbox, once. One that leaves has its turn taken by the next. */
  g_assert_nonnull(ask(&desk, "ann@user.test", TOKEN));
  hear(&desk, first, GATEWAY_FRAME_MESSAGE, &number);
  close(first);
  hear(&desk, second, GATEWAY_FRAME_MESSAGE, &number);
  say_verdict(&desk, second, GATEWAY_FRAME_PASS, number);
  g_assert_cmpstr(desk.verdicts->str, ==, "KP");
  g_assert_cmpuint(gateway_waiting_counts(desk.waiting).others, ==, 1);
  /* The gateway ends meanwhile. */
  first = await(&desk, "ann@user.test");
  g_assert_nonnull(ask(&desk, "ann@user.test", TOKEN));
  GString *verdicts = desk.verdicts;
  gateway_waiting_free(desk.waiting);
  g_assert_cmpstr(verdicts->str, ==, "KPP");
  desk.waiting = NULL;
  close(first);
  close(second);
  close(other);
  desk_close(&desk);
}

/* Nonsense ends the connection of who says it; a second gateway is told of the first. */
static void test_strangers(void) {
  Desk desk;
  char octet = 0;
  g_autoptr(GError) error = NULL;
  desk_open(&desk);
  int fd = await(&desk, "ann@user.test");
  g_assert_cmpint(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), ==, 18);
  turn(&desk);
  g_assert_cmpint(read(fd, &octet, 1), <=, 0);
  close(fd);
  g_assert_null(ask(&desk, "ann@user.test", TOKEN));
  g_assert_null(gateway_waiting_new(desk.base, desk.path, status, NULL, &error));
  g_assert_nonnull(strstr(error->message, "another program listens there"));
  GStatBuf found;
  g_assert_cmpint(g_stat(desk.path, &found), ==, 0);
  g_assert_cmpint(found.st_mode & 0777, ==, 0600);
  desk_close(&desk);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/waiting/others", test_others);
  g_test_add_func("/waiting/verdicts", test_verdicts);
  g_test_add_func("/waiting/in_turn", test_in_turn);
  g_test_add_func("/waiting/strangers", test_strangers);
  return g_test_run();
}
