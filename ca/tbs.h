/* SPDX-License-Identifier: Apache-2.0 */
/* TBSCertificate (RFC 5280 section 4.1.2): parts -> octets. For ca/ only. */
#ifndef SIGNET_CA_TBS_H
#define SIGNET_CA_TBS_H

#include "ca/signature.h"

/* Names and key are octets, so that what was compared or checked before is what is signed. */
typedef struct {
  GBytes *serial; /* big-endian */
  const Algorithm *algorithm;
  GBytes *issuer;    /* Name, DER */
  gint64 not_before; /* milliseconds; written as UTCTime until 2049 */
  gint64 not_after;
  GBytes *subject; /* Name, DER */
  GBytes *spki;
  X509_EXTENSIONS *extensions;
} TbsParts;

/* v3; NULL when a part given as octets is not a DER SEQUENCE. */
GBytes *tbs_encode(const TbsParts *parts);

/* The parts of a TBSCertList (RFC 5280 section 5.1.2). */
typedef struct {
  const Algorithm *algorithm;
  GBytes *issuer;                  /* Name, DER */
  gint64 this_update, next_update; /* milliseconds */
  const STACK_OF(X509_REVOKED) * entries;
  const X509_EXTENSIONS *extensions;
} TbsCrlParts;

/* v2, without revokedCertificates when there are no entries; NULL as above. */
GBytes *tbs_crl_encode(const TbsCrlParts *parts);

/* The same as the next for a TBSCertList. */
GBytes *tbs_crl_signature_algorithm(GBytes *der);

/* What stands for the AlgorithmIdentifier inside tbs, whose other parts are not looked at; NULL
   when tbs is no SEQUENCE that has one. */
GBytes *tbs_signature_algorithm(GBytes *tbs);

/* An INTEGER from big-endian octets; milliseconds as UTCTime until 2049, then GeneralizedTime. */
ASN1_INTEGER *tbs_integer(GBytes *big_endian);
ASN1_TIME *tbs_time(gint64 milliseconds);

#endif
