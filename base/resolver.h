/* SPDX-License-Identifier: Apache-2.0 */
/* DNS questions with DNSSEC verdicts: libunbound on a libevent loop. */
#ifndef SIGNET_BASE_RESOLVER_H
#define SIGNET_BASE_RESOLVER_H

#include <event2/event.h>
#include <glib.h>

#define RESOLVER_ERROR (resolver_error_quark())
GQuark resolver_error_quark(void);
typedef enum { RESOLVER_ERROR_OPTION } ResolverError;

/* What became of a question, in the order in which an answer is looked at. */
typedef enum {
  RESOLVER_TEMPORARY, /* time-out, SERVFAIL, network: ask again later */
  RESOLVER_BOGUS,     /* DNSSEC says the answer is forged */
  RESOLVER_NONE,      /* NXDOMAIN or no record of that type */
  RESOLVER_FOUND
} ResolverOutcome;

typedef struct {
  ResolverOutcome outcome;
  gboolean secure;  /* validated to a trust anchor (NONE and FOUND only) */
  gint64 ttl;       /* seconds (FOUND: the smallest of the records') */
  GPtrArray *rdata; /* of GBytes: the records' wire data, as they came; empty unless FOUND */
  const char *text; /* for a person: why, never NULL */
} ResolverAnswer;

/* Every field may be NULL. Lists are NULL-terminated. */
typedef struct {
  const char *trust_anchor_file; /* e.g. /usr/share/dns/root.key; NULL: no validation */
  const char *const *stubs;      /* "zone ip@port": ask this authoritative server for zone */
  const char *const *forwarders; /* "ip@port": ask these instead of the root */
  const char *const *local_data; /* records in zone-file form, answered from here, insecure */
  const char *const *insecure;   /* domains below which validation is switched off (private use) */
} ResolverOptions;

typedef struct Resolver Resolver;
typedef struct ResolverQuestion ResolverQuestion;

/* Called once a question, never inside resolver_ask; answer lives for the call only. */
typedef void (*ResolverAnswered)(const ResolverAnswer *answer, gpointer user);

/* Questions run on base. NULL with RESOLVER_ERROR_OPTION when an option is unusable (a trust anchor
   file that is missing or holds no key is found here, not at the first question). */
Resolver *resolver_new(struct event_base *base, const ResolverOptions *options, GError **error);
void resolver_free(Resolver *resolver); /* open questions are dropped unanswered */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Resolver, resolver_free)

/* Asks for name (A-labels) and type, class IN. After timeout milliseconds without an answer the
   outcome is RESOLVER_TEMPORARY; a name that cannot be asked for (too long) is RESOLVER_NONE.
   CNAMEs are followed. For A, AAAA, MX, TXT, CAA and newer types: names in the data of other old
   types are still compressed. */
ResolverQuestion *resolver_ask(Resolver *resolver, const char *name, int type, int timeout,
                               ResolverAnswered answered, gpointer user);
/* answered will not be called; not for a question whose answered was. */
void resolver_cancel(ResolverQuestion *question);

/* The types that are asked for. */
enum {
  RESOLVER_A = 1,
  RESOLVER_CNAME = 5, /* whether there is one: its data is not read */
  RESOLVER_MX = 15,
  RESOLVER_TXT = 16,
  RESOLVER_AAAA = 28,
  RESOLVER_CAA = 257
};

/* The host of one MX record's wire data, without a dot at its end; "." for the null MX (RFC 7505).
   NULL when malformed. The caller frees it. */
char *resolver_mx(GBytes *rdata, guint *preference);

/* The text of one TXT record's wire data: its strings joined (RFC 7208 section 3.3, RFC 6376
   section 3.6.2.2); NULL when malformed or with a NUL. The caller frees it. */
char *resolver_txt(GBytes *rdata);

#endif
