/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of IP addresses, and the network that stands for whoever holds an address. An IPv4
   address that is written as an IPv6 one (::ffff:192.0.2.1) counts as IPv4. */
#ifndef SIGNET_BASE_NETWORK_H
#define SIGNET_BASE_NETWORK_H

#include <glib.h>
#include <sys/socket.h>

typedef struct {
  int family; /* AF_INET or AF_INET6 */
  guint bits; /* that count */
  guint8 address[16];
} Network;

/* "ADDRESS" or "ADDRESS/BITS"; FALSE when it is neither, with the reason. */
gboolean network_parse(const char *text, Network *network, const char **why);
/* FALSE also when address is none. */
gboolean network_contains(const Network *network, const char *address);
/* Of an address as text: its /24 (IPv4) or /48 (IPv6), "192.0.2.0/24"; a copy of what is no
   address. The caller frees it. */
char *network_of(const char *address);
/* 4 or 16 octets as text; the caller frees it. */
char *network_address_text(int family, const void *octets);
/* The address of a socket's other end, without port; "?" when there is none. */
char *network_peer_text(const struct sockaddr_storage *address);

#endif
