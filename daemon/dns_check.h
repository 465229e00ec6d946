/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what has to stand in the DNS does. */
#ifndef SIGNET_DAEMON_DNS_CHECK_H
#define SIGNET_DAEMON_DNS_CHECK_H

#include "daemon/dns_ask.h"
#include "daemon/dns_zone.h"

typedef enum { DNS_GOOD, DNS_MISSING, DNS_WRONG, DNS_UNKNOWN, DNS_STATES } DnsState;

/* What was found about one record. Texts are in zone-file form, fit for a terminal. */
typedef struct {
  const char *what; /* "MX", "SPF", "DKIM", "DMARC", "CAA", "address" */
  char *name;       /* whose record it is */
  DnsState state;
  gboolean secure;  /* what was answered is validated by DNSSEC */
  GPtrArray *found; /* of char*: the data of the records that are there */
  char *wanted;     /* the line that should be there; NULL: none */
  char *reason;     /* NULL: none */
} DnsFinding;

/* Everything for the server itself; of DnsFinding. */
GPtrArray *dns_check_zone(DnsAsk *ask, const Config *config, const DnsZone *zone);
/* Whether the CAA records of a domain, in A-labels, let us issue for its mailboxes. */
GPtrArray *dns_check_users(DnsAsk *ask, const Config *config, const DnsZone *zone,
                           const char *const *domains);

#endif
