/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to DNS resolvers elsewhere, over HTTPS (RFC 8484): libcurl on a libevent loop. */
#ifndef SIGNET_BASE_DOH_H
#define SIGNET_BASE_DOH_H

#include "base/resolver.h"

typedef struct Doh Doh;

/* Questions run on base. ca is PEM: who may have issued the resolvers' certificates, nobody else.
 */
Doh *doh_new(struct event_base *base, GBytes *ca);
void doh_free(Doh *doh); /* open questions are dropped unanswered */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Doh, doh_free)

/* Asks the resolver at url (https, without a template's variables) as resolver_ask does: by POST,
   over HTTP/2 where it can, certificate and name checked, no redirect followed, no proxy. Secure is
   the resolver's own word (its AD bit); whatever fails is RESOLVER_TEMPORARY with text, after
   timeout milliseconds at the latest. answered is called once, never inside doh_ask; it may ask on
   but not free doh. */
void doh_ask(Doh *doh, const char *url, const char *name, int type, int timeout,
             ResolverAnswered answered, gpointer user);

#endif
