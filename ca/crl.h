/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate revocation lists (RFC 5280 section 5, S/MIME BR 7.2; ca-rules 31). */
#ifndef SIGNET_CA_CRL_H
#define SIGNET_CA_CRL_H

#include "ca/issuer.h"

#define CRL_MAX_DAYS 10     /* nextUpdate - thisUpdate of an issuing CA; S/MIME BR 4.9.7 */
#define CRL_MAX_CA_DAYS 365 /* of a root, or for CA certificates only */

typedef struct {
  GBytes *serial;    /* big-endian */
  gint64 revoked_at; /* milliseconds */
  int reason; /* RFC 5280 CRLReason; 0 is left out; 6 (certificateHold), 7 and 8 are refused */
} CrlEntry;

typedef struct {
  gint64 number;      /* cRLNumber */
  gint64 this_update; /* milliseconds */
  gint64 next_update;
  const char *
      url; /* of this shard, put into the critical issuingDistributionPoint; NULL: a complete CRL */
  gboolean ca_only; /* issuingDistributionPoint onlyContainsCACerts instead of onlyContainsUserCerts
                       (url given) */
  GPtrArray *entries; /* of CrlEntry, no serial twice; NULL: none */
} CrlFields;

void crl_entry_free(CrlEntry *entry);

/* The to-be-signed octets of a v2 CRL with AKI. CA_ERROR_PROFILE when the fields break the profile.
 */
GBytes *crl_build(const Issuer *issuer, const CrlFields *fields, GError **error);

/* Builds, lints, signs and verifies a CRL; DER. CA_ERROR_PROFILE with the findings when there are
   any. */
GBytes *crl_sign(const Issuer *issuer, const CrlFields *fields, GError **error);

/* Checks a CRL's signature, that issuer and number are those given, and that nextUpdate is after
   thisUpdate; what is published is verified first. CA_ERROR_SIGN. */
gboolean crl_verify(GBytes *crl, const Issuer *issuer, gint64 number, GError **error);

#endif
