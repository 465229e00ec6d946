/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet that says how large the pieces are, one whose bits say which messages are kept,
   two of length, so many octets of a mail server in front, then those of the one behind. Holds:
   what both hear does not depend on how the octets are cut; a message that is asked about is within
   its bound. */
#include "client/gateway_session.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
  GatewaySession *session;
  GString *client, *server; /* what they heard */
  GatewayEvent event;
  guint kept, asked;
} Talk;

static void add(GString *all, GBytes *octets) {
  g_string_append_len(all, g_bytes_get_data(octets, NULL), (gssize)g_bytes_get_size(octets));
  g_bytes_unref(octets);
}

static void react(Talk *talk, GatewayEvent event) {
  while (event == GATEWAY_ASKS) {
    g_autoptr(GBytes) message = gateway_session_message(talk->session);
    g_assert_cmpuint(g_bytes_get_size(message), <=, GATEWAY_MAX_HELD);
    event = gateway_session_answer(talk->session, (talk->kept >> (talk->asked++ % 8) & 1) != 0);
  }
  talk->event = event;
  add(talk->client, gateway_session_to_client(talk->session));
  add(talk->server, gateway_session_to_server(talk->session));
}

/* All that both heard. */
static char *run(FuzzInput client, FuzzInput server, guint kept, gsize piece) {
  Talk talk = {.session = gateway_session_new(), .kept = kept};
  talk.client = g_string_new(NULL);
  talk.server = g_string_new(NULL);
  for (gsize at = 0; at < MAX(client.size, server.size); at += piece) {
    if (at < client.size && talk.event != GATEWAY_ENDS)
      react(&talk, gateway_session_from_client(talk.session, client.data + at,
                                               MIN(piece, client.size - at)));
    if (at < server.size && talk.event != GATEWAY_ENDS)
      react(&talk, gateway_session_from_server(talk.session, server.data + at,
                                               MIN(piece, server.size - at)));
  }
  g_string_append_c(talk.client, '|');
  g_string_append_len(talk.client, talk.server->str, (gssize)talk.server->len);
  gateway_session_free(talk.session);
  g_string_free(talk.server, TRUE);
  g_autofree guchar *octets = (guchar *)talk.client->str;
  char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, octets, talk.client->len);
  g_string_free(talk.client, FALSE);
  return digest;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  gsize piece = fuzz_octet(&input) % 64 + 1u;
  guint kept = fuzz_octet(&input);
  gsize high = fuzz_octet(&input);
  gsize low = fuzz_octet(&input);
  gsize length = MIN(high * 256 + low, input.size);
  FuzzInput client = {input.data, length}, server = {input.data + length, input.size - length};
  g_autofree char *whole = run(client, server, kept, MAX(MAX(client.size, server.size), 1));
  g_autofree char *pieces = run(client, server, kept, piece);
  g_assert_cmpstr(whole, ==, pieces);
  return 0;
}
