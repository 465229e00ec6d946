/* SPDX-License-Identifier: Apache-2.0 */
#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static void test_parse(void) {
  static const char *const good[] = {"192.0.2.1",
                                     "192.0.2.0/24",
                                     "0.0.0.0/0",
                                     "255.255.255.255/32",
                                     "192.0.2.128/25",
                                     "2001:db8::/32",
                                     "::1",
                                     "::/0",
                                     "::1/128",
                                     "2001:db8:8000::/33",
                                     "::ffff:192.0.2.1"};
  static const char *const bad[] = {"",
                                    "/",
                                    "/8",
                                    "192.0.2.0/",
                                    "192.0.2.0/33",
                                    "192.0.2.0/-1",
                                    "192.0.2.0/+8",
                                    "192.0.2.0/8x",
                                    "192.0.2.0/ 8",
                                    "192.0.2.0/24/24",
                                    "192.0.2",
                                    "192.0.2.1/24",
                                    "192.0.2.128/24",
                                    "example.org",
                                    "[::1]",
                                    "::/129",
                                    "2001:db8::1/64",
                                    "2001:db8:8000::/32",
                                    "fe80::1%eth0",
                                    "::ffff:192.0.2.0/120",
                                    " 192.0.2.1",
                                    "192.0.2.1 ",
                                    "192.0.2.1:80"};
  Network network;
  const char *why = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
    g_assert_true(network_parse(good[i], &network, &why));
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    why = NULL;
    g_assert_false(network_parse(bad[i], &network, &why));
    g_assert_nonnull(why);
  }
}

static void test_contains(void) {
  static const struct {
    const char *network, *address;
    gboolean inside;
  } cases[] = {{"192.0.2.0/24", "192.0.2.0", TRUE},
               {"192.0.2.0/24", "192.0.2.255", TRUE},
               {"192.0.2.0/24", "192.0.3.0", FALSE},
               {"192.0.2.0/24", "192.0.1.255", FALSE},
               {"192.0.2.128/25", "192.0.2.127", FALSE},
               {"192.0.2.128/25", "192.0.2.128", TRUE},
               {"192.0.2.7", "192.0.2.7", TRUE},
               {"192.0.2.7", "192.0.2.6", FALSE},
               {"192.0.2.7", "::ffff:192.0.2.7", TRUE},
               {"::ffff:192.0.2.7", "192.0.2.7", TRUE},
               {"0.0.0.0/0", "203.0.113.9", TRUE},
               {"0.0.0.0/0", "::1", FALSE},
               {"::/0", "2001:db8::1", TRUE},
               {"::/0", "192.0.2.7", FALSE},
               {"::/0", "::ffff:192.0.2.7", FALSE},
               {"2001:db8::/33", "2001:db8:7fff::1", TRUE},
               {"2001:db8::/33", "2001:db8:8000::", FALSE},
               {"::1", "::1", TRUE},
               {"::1", "::2", FALSE},
               {"0.0.0.0/0", "?", FALSE},
               {"0.0.0.0/0", "", FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    Network network;
    const char *why = NULL;
    g_assert_true(network_parse(cases[i].network, &network, &why));
    g_test_message("%s in %s", cases[i].address, cases[i].network);
    g_assert_cmpint(network_contains(&network, cases[i].address), ==, cases[i].inside);
  }
}

static void test_of_holder(void) {
  static const char *const cases[][2] = {{"192.0.2.77", "192.0.2.0/24"},
                                         {"::ffff:192.0.2.77", "192.0.2.0/24"},
                                         {"2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"},
                                         {"2001:db8:1:ffff::", "2001:db8:1::/48"},
                                         {"::1", "::/48"},
                                         {"?", "?"},
                                         {"", ""}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *network = network_of(cases[i][0]);
    g_assert_cmpstr(network, ==, cases[i][1]);
  }
}

static void test_texts(void) {
  struct sockaddr_storage address = {.ss_family = AF_INET6};
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
  inet_pton(AF_INET6, "2001:db8::7", &six->sin6_addr);
  g_autofree char *text = network_peer_text(&address);
  g_assert_cmpstr(text, ==, "2001:db8::7");
  inet_pton(AF_INET6, "::ffff:192.0.2.7", &six->sin6_addr);
  g_autofree char *mapped = network_peer_text(&address);
  g_assert_cmpstr(mapped, ==, "192.0.2.7");
  memset(&address, 0, sizeof(address));
  g_autofree char *none = network_peer_text(&address);
  g_assert_cmpstr(none, ==, "?");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base/network/parse", test_parse);
  g_test_add_func("/base/network/contains", test_contains);
  g_test_add_func("/base/network/of-holder", test_of_holder);
  g_test_add_func("/base/network/texts", test_texts);
  return g_test_run();
}
