/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages as they go over HTTPS (RFC 8484 section 4.1), by libldns. No I/O. */
#ifndef SIGNET_BASE_DOH_MESSAGE_H
#define SIGNET_BASE_DOH_MESSAGE_H

#include "base/resolver.h"

#define DOH_MESSAGE_TYPE "application/dns-message"
#define DOH_MAX_OCTETS 8192 /* of an answer: ours are small, and many are kept */
#define DOH_MAX_ALIASES 16  /* CNAMEs that are followed */

/* The question for name (A-labels) and type, class IN, with recursion, and the AD bit, which asks
   for the answer's (RFC 6840 section 5.7). NULL when name is no domain name. */
GBytes *doh_message_question(const char *name, int type);

/* What a message says about name and type, as resolver_ask would: CNAMEs are followed within it;
   secure is the AD bit, which is the other resolver's word. RESOLVER_TEMPORARY with text unless it
   is an answer to exactly this question, whole, and of a resolver that could answer. The caller
   clears the answer. */
void doh_message_read(GBytes *message, const char *name, int type, ResolverAnswer *answer);

/* Frees what an answer has. */
void doh_message_clear(ResolverAnswer *answer);

#endif
