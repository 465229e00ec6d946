/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/proxy_header.h"

#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR "\xc0\0\2\7\xc6\x33\x64\1\x12\x34\1\xbb"
#define SIX                                                                                        \
  "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x12\x34\1\xbb"
#define MAPPED                                                                                     \
  "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\7\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1\x12\x34\1\xbb"

typedef struct {
  const char *name;
  const char *octets;
  gsize size;
  const char *client; /* NULL: the proxy's own connection, or no header */
  gboolean bad;
} Case;

#define CASE(name, octets, client, bad)                                                            \
  { name, octets, sizeof(octets) - 1, client, bad }

static const Case cases[] = {
    CASE("IPv4", SIGNATURE "\x21\x11\0\xc" FOUR, "192.0.2.7", FALSE),
    CASE("IPv4 and TLVs", SIGNATURE "\x21\x11\0\x13" FOUR "\4\0\4\0\0\0\0", "192.0.2.7", FALSE),
    CASE("IPv4 and what is no TLV", SIGNATURE "\x21\x11\0\xd" FOUR "x", "192.0.2.7", FALSE),
    CASE("IPv6", SIGNATURE "\x21\x21\0\x24" SIX, "2001:db8::7", FALSE),
    CASE("IPv4 as IPv6", SIGNATURE "\x21\x21\0\x24" MAPPED, "192.0.2.7", FALSE),
    CASE("local", SIGNATURE "\x20\0\0\0", NULL, FALSE),
    CASE("local with addresses", SIGNATURE "\x20\x11\0\xc" FOUR, NULL, FALSE),
    CASE("version 1", "PROXY TCP4 192.0.2.7 198.51.100.1 4660 443\r\n", NULL, TRUE),
    CASE("HTTP", "GET / HTTP/1.1\r\n\r\n", NULL, TRUE),
    CASE("TLS", "\x16\3\1\2\0\1\0\1\xfc\3\3", NULL, TRUE),
    CASE("signature changed", "\r\n\r\n\0\r\nQUIT\r\x21\x11\0\xc" FOUR, NULL, TRUE),
    CASE("version 1 in binary", SIGNATURE "\x11\x11\0\xc" FOUR, NULL, TRUE),
    CASE("version 3", SIGNATURE "\x31\x11\0\xc" FOUR, NULL, TRUE),
    CASE("unknown command", SIGNATURE "\x22\x11\0\xc" FOUR, NULL, TRUE),
    CASE("UDP", SIGNATURE "\x21\x12\0\xc" FOUR, NULL, TRUE),
    CASE("unix", SIGNATURE "\x21\x31\0\xd8", NULL, TRUE),
    CASE("unspecified", SIGNATURE "\x21\0\0\0", NULL, TRUE),
    CASE("short for IPv4", SIGNATURE "\x21\x11\0\xb\xc0\0\2\7\xc6\x33\x64\1\x12\x34\1", NULL, TRUE),
    CASE("short for IPv6", SIGNATURE "\x21\x21\0\xc" FOUR, NULL, TRUE),
    CASE("too long", SIGNATURE "\x21\x11\x8\1" FOUR, NULL, TRUE),
    CASE("longest length", SIGNATURE "\x20\0\xff\xff", NULL, TRUE),
};

/* The header is found whole exactly at its last octet, and no octet behind it is ever asked for. */
static void test_table(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    const guint8 *octets = (const guint8 *)cases[i].octets;
    const char *fault = NULL;
    gsize have = 0, missing = proxy_header_missing(octets, 0, &fault);
    g_test_message("%s", cases[i].name);
    while (missing > 0) {
      g_assert_null(fault);
      g_assert_cmpuint(have + missing, <=, cases[i].bad ? PROXY_HEADER_MAX : cases[i].size);
      g_assert_cmpuint(have, <, cases[i].size);
      missing = proxy_header_missing(octets, ++have, &fault);
    }
    g_assert_cmpint(fault != NULL, ==, cases[i].bad);
    if (cases[i].bad)
      continue;
    g_assert_cmpuint(have, ==, cases[i].size);
    g_autofree char *client = proxy_header_client(octets);
    g_assert_cmpstr(client, ==, cases[i].client);
  }
}

/* What is no header is known at its first wrong octet, not after the sixteenth. */
static void test_early(void) {
  const char *fault = NULL;
  g_assert_cmpuint(proxy_header_missing((const guint8 *)"G", 1, &fault), ==, 0);
  g_assert_nonnull(fault);
  g_assert_cmpuint(proxy_header_missing((const guint8 *)"\r", 1, &fault), ==, 15);
  g_assert_null(fault);
}

static void test_longest(void) {
  guint8 octets[PROXY_HEADER_MAX] = {0};
  const char *fault = NULL;
  memcpy(octets, SIGNATURE "\x21\x11\x8\0" FOUR, 28);
  g_assert_cmpuint(proxy_header_missing(octets, 28, &fault), ==, PROXY_HEADER_MAX - 28);
  g_assert_cmpuint(proxy_header_missing(octets, PROXY_HEADER_MAX, &fault), ==, 0);
  g_assert_null(fault);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/proxy-header/table", test_table);
  g_test_add_func("/acme/proxy-header/early", test_early);
  g_test_add_func("/acme/proxy-header/longest", test_longest);
  return g_test_run();
}
