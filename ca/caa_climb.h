/* SPDX-License-Identifier: Apache-2.0 */
/* The relevant CAA record set of a domain: the climb of RFC 8659 section 3. Whoever asks the
   questions is the caller's. */
#ifndef SIGNET_CA_CAA_CLIMB_H
#define SIGNET_CA_CAA_CLIMB_H

#include "ca/caa.h"

/* Asks source for the CAA records of name; answered is called once, later, with user. */
typedef void (*CaaAsk)(gpointer source, const char *name, ResolverAnswered answered, gpointer user);

/* The set belongs to the callee. */
typedef void (*CaaClimbed)(CaaRecordSet *set, gpointer user);

/* Climbs from domain (A-labels) until there are records, a question fails, or the top is reached.
   climbed is called once, never inside caa_climb unless ask answers inside itself. */
void caa_climb(const char *domain, CaaAsk ask, gpointer source, CaaClimbed climbed, gpointer user);

#endif
