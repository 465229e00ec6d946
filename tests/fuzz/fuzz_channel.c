/* SPDX-License-Identifier: Apache-2.0 */
/* Input: what a peer writes; an octet first tells how it is cut. Holds: only bodies of their type
   are handed on, only from those who may send them; every question is answered once, with NULL at
   the latest when the channel ends; the channel ends once. */
#include "base/channel.h"
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>

#define BOTH (ROLE_BIT(ROLE_PARENT) | ROLE_BIT(ROLE_EDGE))
#define QUESTIONS 3
#define MAX_TURNS 20000

enum { NONE, TELL, ASK, ANSWER, TELL_FD, FOREIGN, COUNT };

static const ChannelKind kinds[COUNT] = {
    [TELL] = {"tell", "s", ROLE_BIT(ROLE_PARENT), BOTH, FALSE, 0, FALSE},
    [ASK] = {"ask", "(ua{s(msay)})", BOTH, BOTH, TRUE, 0, FALSE},
    [ANSWER] = {"answer", "u", BOTH, BOTH, FALSE, ASK, FALSE},
    [TELL_FD] = {"tell-fd", "ay", ROLE_BIT(ROLE_PARENT), ROLE_BIT(ROLE_EDGE), FALSE, 0, TRUE},
    [FOREIGN] = {"foreign", "s", ROLE_BIT(ROLE_CORE), ROLE_BIT(ROLE_EDGE), FALSE, 0, FALSE},
};
static const ChannelCatalogue catalogue = {kinds, COUNT};

typedef struct {
  guint answers, closed;
} Seen;

static void on_received(Channel *channel, guint kind, guint64 id, GVariant *body, int fd,
                        gpointer user) {
  const Seen *seen = user;
  g_assert_cmpuint(seen->closed, ==, 0);
  g_assert_true(kind == TELL || kind == ASK); /* no descriptor comes with the input */
  g_assert_cmpint(fd, ==, -1);
  g_assert_true(g_variant_is_of_type(body, G_VARIANT_TYPE(kinds[kind].type)));
  g_autoptr(GBytes) octets = g_variant_get_data_as_bytes(body);
  g_autoptr(GVariant) unseen =
      g_variant_ref_sink(g_variant_new_from_bytes(g_variant_get_type(body), octets, FALSE));
  g_assert_true(g_variant_is_normal_form(unseen)); /* of body the channel says so itself */
  g_autofree char *text G_GNUC_UNUSED = g_variant_print(body, TRUE);
  if (kind == ASK)
    channel_answer(channel, ANSWER, id, g_variant_new_uint32(1));
}

static void on_answered(GVariant *body, gpointer user) {
  Seen *seen = user;
  seen->answers++;
  g_assert_true(body == NULL || g_variant_is_of_type(body, G_VARIANT_TYPE_UINT32));
}

static void on_closed(Channel *channel, const char *nonsense, gpointer user) {
  Seen *seen = user;
  g_assert_cmpuint(channel_open_questions(channel), ==, 0);
  g_assert_true(nonsense == NULL || *nonsense != '\0');
  seen->closed++;
}

static void drain(int fd) {
  guint8 buffer[4096];
  while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
    ;
}

static void talk(struct event_base *base, int fd, FuzzInput *input, const Seen *seen) {
  gsize piece = 1 + fuzz_octet(input) * 8;
  for (guint turns = 0; seen->closed == 0 && input->size > 0 && turns < MAX_TURNS; turns++) {
    ssize_t sent = send(fd, input->data, MIN(piece, input->size), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      input->data += sent;
      input->size -= (gsize)sent;
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
    drain(fd);
  }
  g_assert_true(seen->closed > 0 || input->size == 0);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  static struct event_base *base;
  FuzzInput input = {data, size};
  Seen seen = {0, 0};
  int pair[2];
  if (base == NULL)
    base = event_base_new();
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
  Channel *channel =
      channel_new(base, pair[0], &catalogue, ROLE_EDGE, ROLE_PARENT, on_received, on_closed, &seen);
  for (guint i = 0; i < QUESTIONS; i++)
    g_assert_true(
        channel_ask(channel, ASK, g_variant_new("(ua{s(msay)})", i, NULL), on_answered, &seen));
  talk(base, pair[1], &input, &seen);
  close(pair[1]);
  for (guint turns = 0; seen.closed == 0 && turns < 10; turns++)
    event_base_loop(base, EVLOOP_NONBLOCK);
  g_assert_cmpuint(seen.closed, ==, 1);
  g_assert_cmpuint(seen.answers, ==, QUESTIONS);
  return 0;
}
