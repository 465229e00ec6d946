/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/proxy_header.h"
#include "base/network.h"

#include <string.h>

#define COMMAND 12
#define FAMILY 13
#define LENGTH 14
#define LOCAL 0x20 /* version 2 in the upper half */
#define PROXY 0x21

static const guint8 signature[] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

/* What can be a client's address, and the octets that it needs. */
static const struct {
  guint8 octet; /* address family and transport */
  int family;
  gsize addresses; /* source, destination, two ports */
} families[] = {{0x11, AF_INET, 12}, {0x21, AF_INET6, 36}};

static gsize length_of(const guint8 *octets) {
  return (gsize)octets[LENGTH] << 8 | octets[LENGTH + 1];
}

static const char *fault_of_fixed(const guint8 *octets) {
  if (PROXY_HEADER_FIXED + length_of(octets) > PROXY_HEADER_MAX)
    return "the PROXY header is too long";
  if (octets[COMMAND] == LOCAL)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(families); i++)
    if (families[i].octet == octets[FAMILY])
      return length_of(octets) < families[i].addresses
                 ? "the PROXY header is too short for its addresses"
                 : NULL;
  return "the PROXY header is for neither TCP over IPv4 nor TCP over IPv6";
}

gsize proxy_header_missing(const guint8 *octets, gsize have, const char **fault) {
  *fault = NULL;
  if (memcmp(octets, signature, MIN(have, sizeof(signature))) != 0)
    *fault = "no PROXY header of version 2 where one is due";
  else if (have > COMMAND && octets[COMMAND] != LOCAL && octets[COMMAND] != PROXY)
    *fault = "the PROXY header has an unknown version or command";
  else if (have < PROXY_HEADER_FIXED)
    return PROXY_HEADER_FIXED - have;
  else if ((*fault = fault_of_fixed(octets)) == NULL)
    return PROXY_HEADER_FIXED + length_of(octets) - have;
  return 0;
}

char *proxy_header_client(const guint8 *octets) {
  for (gsize i = 0; octets[COMMAND] == PROXY && i < G_N_ELEMENTS(families); i++)
    if (families[i].octet == octets[FAMILY])
      return network_address_text(families[i].family, octets + PROXY_HEADER_FIXED);
  return NULL;
}
