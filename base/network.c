/* SPDX-License-Identifier: Apache-2.0 */
#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define BITS_4_OF_HOLDER 24
#define BITS_6_OF_HOLDER 48 /* what a site is given (RFC 6177) */

static guint all_bits(int family) {
  return family == AF_INET ? 32 : 128;
}

/* An address as a network of its own. */
static gboolean parse_address(const char *text, Network *network) {
  struct in6_addr six;
  memset(network, 0, sizeof(*network));
  network->family = AF_INET;
  network->bits = all_bits(AF_INET);
  if (inet_pton(AF_INET, text, network->address) == 1)
    return TRUE;
  if (inet_pton(AF_INET6, text, &six) != 1)
    return FALSE;
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    memcpy(network->address, six.s6_addr + 12, 4);
    return TRUE;
  }
  network->family = AF_INET6;
  network->bits = all_bits(AF_INET6);
  memcpy(network->address, six.s6_addr, sizeof(network->address));
  return TRUE;
}

/* Clears what stands behind the first bits; FALSE when there was something. */
static gboolean cut(Network *network, guint bits) {
  guint8 cleared = 0;
  network->bits = bits;
  for (guint i = 0; i < sizeof(network->address); i++) {
    guint kept = CLAMP(bits, 8 * i, 8 * i + 8) - 8 * i;
    guint8 mask = (guint8)(0xff00u >> kept);
    cleared |= network->address[i] & (guint8)~mask;
    network->address[i] &= mask;
  }
  return cleared == 0;
}

gboolean network_parse(const char *text, Network *network, const char **why) {
  const char *slash = strchr(text, '/');
  g_autofree char *address =
      slash == NULL ? g_strdup(text) : g_strndup(text, (gsize)(slash - text));
  guint64 bits = 0;
  if (!parse_address(address, network)) {
    *why = "it begins with no IP address";
    return FALSE;
  }
  if (slash == NULL)
    return TRUE;
  if (network->family == AF_INET && strchr(address, ':') != NULL) {
    *why = "an IPv4 network is written as one";
    return FALSE;
  }
  if (!g_ascii_string_to_unsigned(slash + 1, 10, 0, all_bits(network->family), &bits, NULL)) {
    *why = "the number of bits is none, or larger than the address";
    return FALSE;
  }
  if (!cut(network, (guint)bits)) {
    *why = "the address has bits beyond those that count";
    return FALSE;
  }
  return TRUE;
}

gboolean network_contains(const Network *network, const char *address) {
  Network own;
  if (!parse_address(address, &own) || own.family != network->family)
    return FALSE;
  cut(&own, network->bits);
  return memcmp(own.address, network->address, sizeof(own.address)) == 0;
}

char *network_of(const char *address) {
  Network own;
  if (!parse_address(address, &own))
    return g_strdup(address);
  cut(&own, own.family == AF_INET ? BITS_4_OF_HOLDER : BITS_6_OF_HOLDER);
  g_autofree char *text = network_address_text(own.family, own.address);
  return g_strdup_printf("%s/%u", text, own.bits);
}

char *network_address_text(int family, const void *octets) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)octets))
    return network_address_text(AF_INET, (const guint8 *)octets + 12);
  inet_ntop(family, octets, text, sizeof(text));
  return g_strdup(text);
}

char *network_peer_text(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET)
    return network_address_text(AF_INET, &((const struct sockaddr_in *)address)->sin_addr);
  if (address->ss_family == AF_INET6)
    return network_address_text(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr);
  return g_strdup("?");
}
