/* SPDX-License-Identifier: Apache-2.0 */
/* The header of the PROXY protocol, version 2, in which a load balancer says whose connection it
   hands on (haproxy's proxy-protocol.txt, section 2.2). Octets in, verdict out. */
#ifndef SIGNET_ACME_PROXY_HEADER_H
#define SIGNET_ACME_PROXY_HEADER_H

#include <glib.h>

#define PROXY_HEADER_FIXED 16                        /* signature, command, family, length */
#define PROXY_HEADER_MAX (PROXY_HEADER_FIXED + 2048) /* addresses and TLVs, which are skipped */

/* How many octets must follow the first have ones: never more than belong to the header; 0 when it
   is whole. When it is no header that is taken, fault says why (and stays NULL otherwise). */
gsize proxy_header_missing(const guint8 *octets, gsize have, const char **fault);
/* The client's address from a whole header; NULL: the connection is the proxy's own (LOCAL). The
   caller frees it. */
char *proxy_header_client(const guint8 *octets);

#endif
