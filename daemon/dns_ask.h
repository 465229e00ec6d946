/* SPDX-License-Identifier: Apache-2.0 */
/* DNS questions one after the other, for a command that waits for each answer. */
#ifndef SIGNET_DAEMON_DNS_ASK_H
#define SIGNET_DAEMON_DNS_ASK_H

#include "base/config.h"
#include "base/resolver.h"
#include "ca/caa.h"

typedef struct DnsAsk DnsAsk;

/* With the [dns] section of config. */
DnsAsk *dns_ask_new(const Config *config, GError **error);
void dns_ask_free(DnsAsk *ask);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsAsk, dns_ask_free)

/* An answer, as ResolverAnswer has it. */
typedef struct {
  ResolverOutcome outcome;
  gboolean secure;
  GPtrArray *rdata; /* of GBytes */
  char *text;
} DnsAnswer;

DnsAnswer *dns_ask(DnsAsk *ask, const char *name, int type);
void dns_answer_free(DnsAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsAnswer, dns_answer_free)

/* The relevant CAA records of a domain, by climbing. */
CaaRecordSet *dns_ask_caa(DnsAsk *ask, const char *domain);

#endif
