/* SPDX-License-Identifier: Apache-2.0 */
/* The DMARC record of a reply's From domain, looked for as RFC 7489 section 6.6.3 says. It is kept
   with the evidence and decides nothing. No I/O: the caller asks the DNS. */
#ifndef SIGNET_MIME_DMARC_H
#define SIGNET_MIME_DMARC_H

#include "base/resolver.h"

#define DMARC_MAX_RECORD_OCTETS 500

typedef struct {
  char *domain; /* asked last, in lower-case A-labels: that of From, or its organisational domain */
  ResolverOutcome outcome; /* NONE also: no DMARC record among those there, or several;
                              TEMPORARY also: not answered yet */
  char *record;            /* FOUND only, else NULL: cut at DMARC_MAX_RECORD_OCTETS, UTF-8, control
                              characters as "?" */
  gboolean secure;         /* validated by DNSSEC (NONE and FOUND only) */
} DmarcFinding;

void dmarc_finding_free(DmarcFinding *finding); /* not for one that a search owns */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmarcFinding, dmarc_finding_free)

/* RFC 7489 section 3.2, of lower-case A-labels; NULL for a public suffix. It points into domain. */
const char *dmarc_organisational_domain(const char *domain);

typedef struct DmarcSearch DmarcSearch;

/* For the addr-spec of From; NULL when it is NULL or no name can be asked for. */
DmarcSearch *dmarc_search_new(const char *from);
void dmarc_search_free(DmarcSearch *search);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmarcSearch, dmarc_search_free)

/* The DNS name to ask for TXT records; NULL: the search is over. Owned by search. */
const char *dmarc_search_question(const DmarcSearch *search);

/* Gives the answer to that question: records are the TXT texts (FOUND only), NULL-terminated. */
void dmarc_search_answer(DmarcSearch *search, ResolverOutcome outcome, const char *const *records,
                         gboolean secure);

/* What is known so far, whether the search is over or not; owned by search. */
const DmarcFinding *dmarc_search_finding(const DmarcSearch *search);

#endif
