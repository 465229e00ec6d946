/* SPDX-License-Identifier: Apache-2.0 */
#include "base/channel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_SECONDS 60
#define BOTH (ROLE_BIT(ROLE_PARENT) | ROLE_BIT(ROLE_EDGE))

enum { NONE, TELL, TELL_FD, ASK, ANSWER, ASK_OTHER, ANSWER_OTHER, FOREIGN, COUNT };

static const ChannelKind kinds[COUNT] = {
    [TELL] = {"tell", "s", ROLE_BIT(ROLE_PARENT), BOTH, FALSE, 0, FALSE},
    [TELL_FD] = {"tell-fd", "s", ROLE_BIT(ROLE_PARENT), ROLE_BIT(ROLE_EDGE), FALSE, 0, TRUE},
    [ASK] = {"ask", "u", BOTH, BOTH, TRUE, 0, FALSE},
    [ANSWER] = {"answer", "u", BOTH, BOTH, FALSE, ASK, FALSE},
    [ASK_OTHER] = {"ask-other", "u", BOTH, BOTH, TRUE, 0, FALSE},
    [ANSWER_OTHER] = {"answer-other", "u", BOTH, BOTH, FALSE, ASK_OTHER, FALSE},
    [FOREIGN] = {"foreign", "s", ROLE_BIT(ROLE_PARENT), ROLE_BIT(ROLE_CORE), FALSE, 0, FALSE},
};
static const ChannelCatalogue catalogue = {kinds, COUNT};

/* One end, and what it heard. */
typedef struct {
  Channel *channel; /* NULL once closed was called */
  guint messages;
  GString *text;    /* of every TELL */
  GArray *ids;      /* of every ASK */
  GArray *fds;      /* that came */
  GString *answers; /* of every answer: its number, "-" for none */
  guint closed;
  char *nonsense;
  gboolean free_at_message, free_at_answer, ask_at_answer, asked;
} Side;

/* The parent's end and the edge's; for tests of a peer that lies, the parent's end is a socket. */
typedef struct {
  struct event_base *base;
  Side parent, edge;
  int raw;
} Fixture;

static Side *side_of(Fixture *fixture, const Channel *channel) {
  return fixture->parent.channel == channel ? &fixture->parent : &fixture->edge;
}

static void drop(Side *side) {
  channel_free(side->channel);
  side->channel = NULL;
}

static void on_received(Channel *channel, guint kind, guint64 id, GVariant *body, int fd,
                        gpointer user) {
  Side *side = side_of(user, channel);
  side->messages++;
  g_assert_cmpint(fd >= 0, ==, kind == TELL_FD);
  if (fd >= 0)
    g_array_append_val(side->fds, fd);
  if (kind == TELL || kind == TELL_FD)
    g_string_append(side->text, g_variant_get_string(body, NULL));
  else
    g_array_append_val(side->ids, id);
  if (side->free_at_message)
    drop(side);
}

static void on_closed(Channel *channel, const char *nonsense, gpointer user) {
  Side *side = side_of(user, channel);
  side->channel = NULL;
  side->closed++;
  side->nonsense = g_strdup(nonsense);
}

static void on_answered(GVariant *body, gpointer user) {
  Side *side = user;
  g_assert_cmpuint(side->closed, ==, 0); /* answers come first */
  if (body == NULL)
    g_string_append(side->answers, "-");
  else
    g_string_append_printf(side->answers, "%u", g_variant_get_uint32(body));
  if (side->ask_at_answer)
    side->asked = channel_ask(side->channel, ASK, g_variant_new_uint32(9), on_answered, side);
  if (side->free_at_answer && side->channel != NULL)
    drop(side);
}

static void side_open(Fixture *fixture, Side *side, int fd, Role own, Role peer) {
  side->text = g_string_new(NULL);
  side->answers = g_string_new(NULL);
  side->ids = g_array_new(FALSE, FALSE, sizeof(guint64));
  side->fds = g_array_new(FALSE, FALSE, sizeof(int));
  side->channel =
      channel_new(fixture->base, fd, &catalogue, own, peer, on_received, on_closed, fixture);
}

static void side_close(Side *side) {
  if (side->text == NULL)
    return;
  channel_free(side->channel);
  g_string_free(side->text, TRUE);
  g_string_free(side->answers, TRUE);
  for (guint i = 0; i < side->fds->len; i++)
    close(g_array_index(side->fds, int, i));
  g_array_unref(side->fds);
  g_array_unref(side->ids);
  g_free(side->nonsense);
}

static void make_pair(int pair[2]) {
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static void set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  int pair[2];
  make_pair(pair);
  fixture->raw = -1;
  fixture->base = event_base_new();
  side_open(fixture, &fixture->parent, pair[0], ROLE_PARENT, ROLE_EDGE);
  side_open(fixture, &fixture->edge, pair[1], ROLE_EDGE, ROLE_PARENT);
}

static void set_up_raw(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  int pair[2];
  make_pair(pair);
  fixture->raw = pair[0];
  fixture->base = event_base_new();
  side_open(fixture, &fixture->edge, pair[1], ROLE_EDGE, ROLE_PARENT);
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  side_close(&fixture->parent);
  side_close(&fixture->edge);
  if (fixture->raw >= 0)
    close(fixture->raw);
  event_base_free(fixture->base);
}

/* Runs the loop until the condition holds. */
#define UNTIL(fixture, condition)                                                                  \
  do {                                                                                             \
    gint64 end = g_get_monotonic_time() + DEADLINE_SECONDS * G_USEC_PER_SEC;                       \
    while (!(condition)) {                                                                         \
      g_assert_cmpint(g_get_monotonic_time(), <, end);                                             \
      event_base_loop((fixture)->base, EVLOOP_NONBLOCK);                                           \
    }                                                                                              \
  } while (0)

/* --- what good peers do --- */

static void test_messages(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_assert_cmpint(channel_peer(fixture->parent.channel), ==, ROLE_EDGE);
  for (guint i = 0; i < 3; i++)
    channel_send(fixture->parent.channel, TELL, g_variant_new_string("ab"), -1);
  channel_send(fixture->parent.channel, TELL, g_variant_new_string(""), -1);
  UNTIL(fixture, fixture->edge.messages == 4);
  g_assert_cmpstr(fixture->edge.text->str, ==, "ababab");
}

/* Both sides ask at once; the answers come in another order, each to its question. */
static void test_questions(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *parent = &fixture->parent, *edge = &fixture->edge;
  for (guint i = 0; i < 3; i++)
    g_assert_true(channel_ask(parent->channel, ASK, g_variant_new_uint32(i), on_answered, parent));
  g_assert_true(channel_ask(edge->channel, ASK, g_variant_new_uint32(7), on_answered, edge));
  g_assert_cmpuint(channel_open_questions(parent->channel), ==, 3);
  UNTIL(fixture, edge->ids->len == 3 && parent->ids->len == 1);
  g_assert_cmpuint(channel_owed_answers(edge->channel), ==, 3);
  static const guint order[] = {2, 0, 1};
  for (guint i = 0; i < 3; i++)
    channel_answer(edge->channel, ANSWER, g_array_index(edge->ids, guint64, order[i]),
                   g_variant_new_uint32(order[i]));
  channel_answer(parent->channel, ANSWER, g_array_index(parent->ids, guint64, 0),
                 g_variant_new_uint32(8));
  UNTIL(fixture, parent->answers->len == 3 && edge->answers->len == 1);
  g_assert_cmpstr(parent->answers->str, ==, "201");
  g_assert_cmpstr(edge->answers->str, ==, "8");
  g_assert_cmpuint(channel_open_questions(parent->channel), ==, 0);
  g_assert_cmpuint(channel_owed_answers(edge->channel), ==, 0);
}

static char *long_text(gsize length) {
  char *text = g_malloc(length + 1);
  memset(text, 'x', length);
  text[length] = '\0';
  return text;
}

/* The largest body passes; what the socket cannot take waits, and stays in order. */
static void test_large(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autofree char *text = long_text(CHANNEL_MAX_FRAME - 1);
  for (guint i = 0; i < 4; i++)
    channel_send(fixture->parent.channel, TELL, g_variant_new_string(text), -1);
  channel_send(fixture->parent.channel, TELL, g_variant_new_string("end"), -1);
  g_assert_cmpuint(channel_owed_answers(fixture->parent.channel), >, 0); /* the socket is full */
  UNTIL(fixture, fixture->edge.messages == 5);
  g_assert_cmpuint(fixture->edge.text->len, ==, 4 * (CHANNEL_MAX_FRAME - 1) + 3);
  g_assert_true(g_str_has_suffix(fixture->edge.text->str, "xend"));
}

static void send_too_large(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  if (g_test_subprocess()) {
    g_autofree char *text = long_text(CHANNEL_MAX_FRAME);
    channel_send(fixture->parent.channel, TELL, g_variant_new_string(text), -1);
    return;
  }
  g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed();
  g_test_trap_assert_stderr("*message tell to edge does not fit the catalogue*");
}

static void send_wrong_type(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  if (g_test_subprocess()) {
    channel_send(fixture->parent.channel, TELL, g_variant_new_uint32(1), -1);
    return;
  }
  g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed();
  g_test_trap_assert_stderr("*message tell to edge does not fit the catalogue*");
}

/* The limit of open questions holds where they are asked, and is free again with an answer. */
static void test_question_limit(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *parent = &fixture->parent, *edge = &fixture->edge;
  for (guint i = 0; i < CHANNEL_MAX_OPEN; i++)
    g_assert_true(channel_ask(parent->channel, ASK, g_variant_new_uint32(i), on_answered, parent));
  g_assert_false(channel_ask(parent->channel, ASK, g_variant_new_uint32(0), on_answered, parent));
  g_assert_cmpuint(channel_open_questions(parent->channel), ==, CHANNEL_MAX_OPEN);
  UNTIL(fixture, edge->ids->len == CHANNEL_MAX_OPEN);
  channel_answer(edge->channel, ANSWER, g_array_index(edge->ids, guint64, 0),
                 g_variant_new_uint32(1));
  UNTIL(fixture, parent->answers->len == 1);
  g_assert_true(channel_ask(parent->channel, ASK, g_variant_new_uint32(0), on_answered, parent));
  UNTIL(fixture, edge->ids->len == CHANNEL_MAX_OPEN + 1);
  g_assert_cmpuint(edge->closed, ==, 0);
}

static void test_flush(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autofree char *text = long_text(1000000);
  g_autofree guint8 *buffer = g_malloc(CHANNEL_MAX_FRAME);
  gsize read_octets = 0, expected = 3 * (16 + 1000001);
  int pair[2];
  make_pair(pair);
  Channel *channel = channel_new(fixture->base, pair[0], &catalogue, ROLE_PARENT, ROLE_EDGE,
                                 on_received, on_closed, fixture);
  for (guint i = 0; i < 3; i++)
    channel_send(channel, TELL, g_variant_new_string(text), -1);
  channel_flush(channel, 0); /* nobody reads: returns all the same */
  for (;;) {
    ssize_t got = read(pair[1], buffer, CHANNEL_MAX_FRAME);
    if (got > 0) {
      read_octets += (gsize)got;
      continue;
    }
    if (read_octets == expected)
      break;
    gsize before = read_octets;
    channel_flush(channel, 0); /* without the loop */
    got = read(pair[1], buffer, CHANNEL_MAX_FRAME);
    g_assert_cmpint(got, >, 0);
    read_octets += (gsize)got;
    g_assert_cmpuint(read_octets, >, before);
  }
  close(pair[1]);
  channel_flush(channel, 0); /* nothing is left */
  channel_free(channel);
}

/* Reads what lies at the other end: how many octets, and the letter of each message, with "!"
   behind what a descriptor came with. */
static gsize drain(int fd, GString *letters) {
  guint8 buffer[256];
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {buffer, sizeof(buffer)};
  gsize octets = 0;
  for (;;) {
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
    if (got <= 0)
      return octets;
    for (ssize_t at = 16; at < got; at += 18)
      g_string_append_c(letters, (char)buffer[at]);
    octets += (gsize)got;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL) {
      int received = -1;
      memcpy(&received, CMSG_DATA(header), sizeof(int));
      close(received);
      g_string_append_c(letters, '!');
    }
  }
}

/* What is sent in one turn of the loop leaves at its end, in one piece; a descriptor comes with its
   own message, and what is queued leaves before the channel goes. */
static void test_joined(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GString) letters = g_string_new(NULL);
  guint8 buffer[256];
  int pair[2];
  make_pair(pair);
  Channel *channel = channel_new(fixture->base, pair[0], &catalogue, ROLE_PARENT, ROLE_EDGE,
                                 on_received, on_closed, fixture);
  channel_send(channel, TELL, g_variant_new_string("a"), -1);
  channel_send(channel, TELL, g_variant_new_string("b"), -1);
  g_assert_cmpint(recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT), ==, -1);
  event_base_loop(fixture->base, EVLOOP_NONBLOCK);
  g_assert_cmpint(recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT), ==, 2 * (16 + 2));
  channel_send(channel, TELL, g_variant_new_string("c"), -1);
  channel_send(channel, TELL_FD, g_variant_new_string("d"), dup(pair[1]));
  channel_send(channel, TELL, g_variant_new_string("e"), -1);
  channel_send(channel, TELL_FD, g_variant_new_string("f"), dup(pair[1]));
  channel_free(channel);
  g_assert_cmpuint(drain(pair[1], letters), ==, 4 * (16 + 2));
  g_assert_cmpstr(letters->str, ==, "cde!f!");
  close(pair[1]);
}

/* --- descriptors --- */

/* Each message has its own descriptor, between others that have none. */
static void test_descriptors(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *edge = &fixture->edge;
  int readers[3];
  for (guint i = 0; i < 3; i++) {
    int pair[2];
    g_assert_cmpint(pipe2(pair, O_CLOEXEC | O_NONBLOCK), ==, 0);
    readers[i] = pair[0];
    channel_send(fixture->parent.channel, TELL_FD, g_variant_new_string("fd "), pair[1]);
    channel_send(fixture->parent.channel, TELL, g_variant_new_string("none "), -1);
  }
  UNTIL(fixture, edge->messages == 6);
  g_assert_cmpstr(edge->text->str, ==, "fd none fd none fd none ");
  for (guint i = 0; i < 3; i++) {
    int fd = g_array_index(edge->fds, int, i);
    char letter = (char)('a' + i), read_letter = 0;
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_cmpint(write(fd, &letter, 1), ==, 1);
    g_assert_cmpint(read(readers[i], &read_letter, 1), ==, 1);
    g_assert_cmpint(read_letter, ==, letter);
    close(fd);
    g_assert_cmpint(read(readers[i], &read_letter, 1), ==, 0); /* the sender's own is closed */
    close(readers[i]);
  }
  g_array_set_size(edge->fds, 0);
}

/* One that nobody took does not stay open. */
static void test_descriptor_unsent(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autofree char *text = long_text(1000000);
  int pair[2];
  char octet;
  g_assert_cmpint(pipe2(pair, O_CLOEXEC | O_NONBLOCK), ==, 0);
  for (guint i = 0; i < 4; i++)
    channel_send(fixture->parent.channel, TELL, g_variant_new_string(text), -1);
  channel_send(fixture->parent.channel, TELL_FD, g_variant_new_string(""), pair[1]);
  g_assert_cmpint(read(pair[0], &octet, 1), ==, -1); /* it is open */
  drop(&fixture->parent);
  g_assert_cmpint(read(pair[0], &octet, 1), ==, 0);
  close(pair[0]);
}

/* --- what a peer that lies does --- */

typedef struct {
  guint32 length, kind;
  guint64 id;
  char body[16];
} Frame;

static void send_raw(Fixture *fixture, const void *octets, gsize length, int fd) {
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {(void *)octets, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  g_assert_cmpint(sendmsg(fixture->raw, &message, MSG_NOSIGNAL), ==, (ssize_t)length);
}

static void send_frame(Fixture *fixture, const Frame *frame, int fd) {
  send_raw(fixture, frame, 16 + MIN(frame->length, sizeof(frame->body)), fd);
}

static const struct {
  const char *name, *reason;
  Frame frame;
  gboolean with_fd, asked_before;
} lies[] = {
    {"kind 0", "unknown kind", {2, NONE, 0, "a"}, FALSE, FALSE},
    {"kind beyond the catalogue", "unknown kind", {2, COUNT, 0, "a"}, FALSE, FALSE},
    {"kind far beyond", "unknown kind", {2, G_MAXUINT32, 0, "a"}, FALSE, FALSE},
    {"too large", "too large", {CHANNEL_MAX_FRAME + 1, TELL, 0, ""}, FALSE, FALSE},
    {"far too large", "too large", {G_MAXUINT32, TELL, 0, ""}, FALSE, FALSE},
    {"for another role", "may not send", {2, FOREIGN, 0, "a"}, FALSE, FALSE},
    {"text without end", "not of its type", {2, TELL, 0, "ab"}, FALSE, FALSE},
    {"text with two ends", "not of its type", {3, TELL, 0, "a\0"}, FALSE, FALSE},
    {"text that is not UTF-8", "not of its type", {2, TELL, 0, "\xff"}, FALSE, FALSE},
    {"empty body", "not of its type", {0, TELL, 0, ""}, FALSE, FALSE},
    {"short number", "not of its type", {3, ASK, 1, "abc"}, FALSE, FALSE},
    {"long number", "not of its type", {5, ASK, 1, "abcde"}, FALSE, FALSE},
    {"answer to no question", "answer to no question", {4, ANSWER, 1, "abcd"}, FALSE, FALSE},
    {"answer with another id", "answer to no question", {4, ANSWER, 77, "abcd"}, FALSE, TRUE},
    {"answer of another kind", "answer to no question", {4, ANSWER_OTHER, 1, "abcd"}, FALSE, TRUE},
    {"no descriptor", "without its descriptor", {2, TELL_FD, 0, "a"}, FALSE, FALSE},
    {"descriptor too many", "descriptor without", {2, TELL, 0, "a"}, TRUE, FALSE},
};

static void test_lie(Fixture *fixture, gconstpointer data) {
  gsize i = GPOINTER_TO_SIZE(data);
  Side *edge = &fixture->edge;
  if (lies[i].asked_before)
    g_assert_true(channel_ask(edge->channel, ASK, g_variant_new_uint32(1), on_answered, edge));
  send_frame(fixture, &lies[i].frame, lies[i].with_fd ? fixture->raw : -1);
  UNTIL(fixture, edge->closed == 1);
  g_assert_nonnull(edge->nonsense);
  g_assert_nonnull(strstr(edge->nonsense, lies[i].reason));
  g_assert_cmpuint(edge->messages, ==, lies[i].with_fd ? 1 : 0);
  g_assert_cmpstr(edge->answers->str, ==, lies[i].asked_before ? "-" : "");
}

/* The other direction: an edge that speaks like the parent. */
static void test_wrong_direction(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const Frame frame = {2, TELL, 0, "a"};
  int pair[2];
  Side *parent = &fixture->parent;
  make_pair(pair);
  fixture->raw = pair[1];
  drop(parent);
  parent->channel = channel_new(fixture->base, pair[0], &catalogue, ROLE_PARENT, ROLE_EDGE,
                                on_received, on_closed, fixture);
  send_frame(fixture, &frame, -1);
  UNTIL(fixture, parent->closed == 1);
  g_assert_nonnull(strstr(parent->nonsense, "may not send"));
  g_assert_cmpuint(parent->messages, ==, 0);
}

/* An answer is taken once; what stands behind the nonsense is not read any more. */
static void test_answered_twice(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const Frame answer = {4, ANSWER, 1, {1, 0, 0, 0}}, more = {2, TELL, 0, "a"};
  Side *edge = &fixture->edge;
  g_assert_true(channel_ask(edge->channel, ASK, g_variant_new_uint32(1), on_answered, edge));
  send_frame(fixture, &answer, -1);
  send_frame(fixture, &answer, -1);
  send_frame(fixture, &more, -1);
  UNTIL(fixture, edge->closed == 1);
  g_assert_cmpstr(edge->answers->str, ==, "1");
  g_assert_nonnull(strstr(edge->nonsense, "answer to no question"));
  g_assert_cmpuint(edge->messages, ==, 0);
}

static void test_id_in_use(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const Frame question = {4, ASK, 5, "abcd"};
  Side *edge = &fixture->edge;
  send_frame(fixture, &question, -1);
  UNTIL(fixture, edge->messages == 1);
  channel_answer(edge->channel, ANSWER, 5, g_variant_new_uint32(1));
  send_frame(fixture, &question, -1); /* free again */
  UNTIL(fixture, edge->messages == 2);
  send_frame(fixture, &question, -1);
  UNTIL(fixture, edge->closed == 1);
  g_assert_nonnull(strstr(edge->nonsense, "id in use"));
}

static void test_too_many_questions(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *edge = &fixture->edge;
  for (guint64 i = 1; i <= CHANNEL_MAX_OPEN + 1; i++) {
    Frame question = {4, ASK, i, "abcd"};
    send_frame(fixture, &question, -1);
    if (i % 64 == 0)
      UNTIL(fixture, edge->messages == i);
  }
  UNTIL(fixture, edge->closed == 1);
  g_assert_cmpuint(edge->messages, ==, CHANNEL_MAX_OPEN);
  g_assert_nonnull(strstr(edge->nonsense, "too many questions"));
}

/* A frame may come octet by octet, and several in one read. */
static void test_pieces(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const Frame frames[2] = {{16, TELL, 0, "123456789012345"},
                                  {16, TELL, 0, "abcdefghijklmno"}};
  for (gsize i = 0; i < sizeof(frames[0]); i++) {
    g_assert_cmpuint(fixture->edge.messages, ==, 0);
    send_raw(fixture, (const guint8 *)&frames[0] + i, 1, -1);
    event_base_loop(fixture->base, EVLOOP_NONBLOCK);
  }
  UNTIL(fixture, fixture->edge.messages == 1);
  send_raw(fixture, frames, sizeof(frames) - 1, -1);
  UNTIL(fixture, fixture->edge.messages == 2);
  send_raw(fixture, "", 1, -1);
  UNTIL(fixture, fixture->edge.messages == 3);
  g_assert_cmpstr(fixture->edge.text->str, ==, "123456789012345123456789012345abcdefghijklmno");
}

/* A peer that leaves in the middle of a frame has just closed. */
static void test_cut_short(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const Frame frame = {16, TELL, 0, "123456789012345"};
  send_raw(fixture, &frame, 20, -1);
  event_base_loop(fixture->base, EVLOOP_NONBLOCK);
  close(fixture->raw);
  fixture->raw = -1;
  UNTIL(fixture, fixture->edge.closed == 1);
  g_assert_null(fixture->edge.nonsense);
  g_assert_cmpuint(fixture->edge.messages, ==, 0);
}

/* A descriptor whose message is not whole yet is closed with the channel. */
static void test_descriptor_untaken(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const Frame frame = {16, TELL_FD, 0, "123456789012345"};
  int pair[2];
  char octet;
  g_assert_cmpint(pipe2(pair, O_CLOEXEC | O_NONBLOCK), ==, 0);
  send_raw(fixture, &frame, 20, pair[1]);
  close(pair[1]);
  event_base_loop(fixture->base, EVLOOP_NONBLOCK);
  g_assert_cmpint(read(pair[0], &octet, 1), ==, -1);
  drop(&fixture->edge);
  g_assert_cmpint(read(pair[0], &octet, 1), ==, 0);
  close(pair[0]);
}

/* --- the end --- */

static void ask_three(Side *side) {
  for (guint i = 0; i < 3; i++)
    g_assert_true(channel_ask(side->channel, ASK, g_variant_new_uint32(i), on_answered, side));
}

static void test_peer_leaves(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  ask_three(&fixture->parent);
  drop(&fixture->edge);
  UNTIL(fixture, fixture->parent.closed == 1);
  g_assert_cmpstr(fixture->parent.answers->str, ==, "---");
  g_assert_null(fixture->parent.nonsense);
}

/* What was sent before the end is still heard. */
static void test_last_words(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  ask_three(&fixture->edge);
  channel_send(fixture->parent.channel, TELL, g_variant_new_string("last"), -1);
  drop(&fixture->parent);
  UNTIL(fixture, fixture->edge.closed == 1);
  g_assert_cmpstr(fixture->edge.text->str, ==, "last");
  g_assert_cmpstr(fixture->edge.answers->str, ==, "---");
}

/* Whoever asks once more because no answer came is told at once, and does not wait for ever. */
static void test_asked_at_the_end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *parent = &fixture->parent;
  ask_three(parent);
  parent->ask_at_answer = parent->asked = TRUE;
  drop(&fixture->edge);
  UNTIL(fixture, parent->closed == 1);
  g_assert_cmpstr(parent->answers->str, ==, "---");
  g_assert_false(parent->asked);
}

static void test_ended(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *parent = &fixture->parent;
  ask_three(parent);
  channel_end(parent->channel);
  g_assert_cmpuint(parent->closed, ==, 1);
  g_assert_cmpstr(parent->answers->str, ==, "---");
  UNTIL(fixture, fixture->edge.closed == 1);
  g_assert_cmpuint(fixture->edge.messages, ==, 3);
}

static void test_freed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  ask_three(&fixture->parent);
  drop(&fixture->parent);
  channel_free(NULL);
  UNTIL(fixture, fixture->edge.closed == 1);
  g_assert_cmpuint(fixture->parent.closed, ==, 0);
  g_assert_cmpstr(fixture->parent.answers->str, ==, "");
}

static void test_freed_at_message(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fixture->edge.free_at_message = TRUE;
  for (guint i = 0; i < 3; i++)
    channel_send(fixture->parent.channel, TELL, g_variant_new_string("a"), -1);
  UNTIL(fixture, fixture->parent.closed == 1);
  g_assert_cmpuint(fixture->edge.messages, ==, 1);
  g_assert_cmpuint(fixture->edge.closed, ==, 0);
}

static void test_freed_at_answer(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *parent = &fixture->parent, *edge = &fixture->edge;
  parent->free_at_answer = TRUE;
  ask_three(parent);
  UNTIL(fixture, edge->ids->len == 3);
  for (guint i = 0; i < 3; i++)
    channel_answer(edge->channel, ANSWER, g_array_index(edge->ids, guint64, i),
                   g_variant_new_uint32(i));
  UNTIL(fixture, edge->closed == 1);
  g_assert_cmpstr(parent->answers->str, ==, "0");
  g_assert_cmpuint(parent->closed, ==, 0);
}

/* Freed by the first answer that does not come: the others hear it all the same, the owner does
   not. */
static void test_freed_at_the_end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Side *parent = &fixture->parent;
  parent->free_at_answer = TRUE;
  ask_three(parent);
  drop(&fixture->edge);
  UNTIL(fixture, parent->answers->len == 3);
  g_assert_cmpstr(parent->answers->str, ==, "---");
  g_assert_cmpuint(parent->closed, ==, 0);
}

#define PAIR_TEST(path, function)                                                                  \
  g_test_add("/channel/" path, Fixture, NULL, set_up, function, tear_down)
#define RAW_TEST(path, function)                                                                   \
  g_test_add("/channel/" path, Fixture, NULL, set_up_raw, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  PAIR_TEST("messages", test_messages);
  PAIR_TEST("questions", test_questions);
  PAIR_TEST("large", test_large);
  PAIR_TEST("send-too-large", send_too_large);
  PAIR_TEST("send-wrong-type", send_wrong_type);
  PAIR_TEST("question-limit", test_question_limit);
  PAIR_TEST("flush", test_flush);
  PAIR_TEST("joined", test_joined);
  PAIR_TEST("descriptors", test_descriptors);
  PAIR_TEST("descriptor-unsent", test_descriptor_unsent);
  for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
    g_autofree char *path = g_strconcat("/channel/lies/", lies[i].name, NULL);
    g_test_add(path, Fixture, GSIZE_TO_POINTER(i), set_up_raw, test_lie, tear_down);
  }
  PAIR_TEST("lies/wrong-direction", test_wrong_direction);
  RAW_TEST("lies/answered-twice", test_answered_twice);
  RAW_TEST("lies/id-in-use", test_id_in_use);
  RAW_TEST("lies/too-many-questions", test_too_many_questions);
  RAW_TEST("pieces", test_pieces);
  RAW_TEST("cut-short", test_cut_short);
  RAW_TEST("descriptor-untaken", test_descriptor_untaken);
  PAIR_TEST("peer-leaves", test_peer_leaves);
  PAIR_TEST("last-words", test_last_words);
  PAIR_TEST("asked-at-the-end", test_asked_at_the_end);
  PAIR_TEST("ended", test_ended);
  PAIR_TEST("freed", test_freed);
  PAIR_TEST("freed-at-message", test_freed_at_message);
  PAIR_TEST("freed-at-answer", test_freed_at_answer);
  PAIR_TEST("freed-at-the-end", test_freed_at_the_end);
  return g_test_run();
}
