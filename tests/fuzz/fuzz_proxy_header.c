/* SPDX-License-Identifier: Apache-2.0 */
/* Input: what a connection begins with. Holds: the header is found whole, or refused, the same way
   however it is cut; nothing behind its end is asked for; its client is an address. */
#include "acme/proxy_header.h"
#include "base/network.h"
#include "tests/fuzz/fuzz.h"

/* Reads at most step octets at a time; returns how many it took. */
static gsize read_in_steps(const guint8 *data, gsize size, gsize step, gboolean *whole) {
  guint8 octets[PROXY_HEADER_MAX];
  gsize have = 0;
  const char *fault = NULL;
  for (gsize missing = proxy_header_missing(octets, 0, &fault); missing > 0;
       missing = proxy_header_missing(octets, have, &fault)) {
    gsize count = MIN(MIN(missing, step), size - have);
    g_assert_cmpuint(have + missing, <=, PROXY_HEADER_MAX);
    if (count == 0)
      break;
    memcpy(octets + have, data + have, count);
    have += count;
  }
  *whole = fault == NULL && have >= PROXY_HEADER_FIXED &&
           proxy_header_missing(octets, have, &fault) == 0;
  if (*whole) {
    Network network;
    const char *why = NULL;
    g_autofree char *client = proxy_header_client(octets);
    g_assert_true(client == NULL || network_parse(client, &network, &why));
  }
  return have;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  gboolean at_once = FALSE, by_octet = FALSE;
  gsize taken = read_in_steps(data, size, PROXY_HEADER_MAX, &at_once);
  gsize taken_by_octet = read_in_steps(data, size, 1, &by_octet);
  g_assert_cmpint(at_once, ==, by_octet);
  if (at_once)
    g_assert_cmpuint(taken, ==, taken_by_octet);
  return 0;
}
