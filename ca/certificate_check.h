/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and revocation lists that are there already, held against what is said of them. */
#ifndef SIGNET_CA_CERTIFICATE_CHECK_H
#define SIGNET_CA_CERTIFICATE_CHECK_H

#include "ca/crl.h"

/* What the store says of a certificate. */
typedef struct {
  GBytes *der, *tbs, *serial, *key_digest;
  gint64 not_before, not_after;
  const char *const *names; /* the mailboxes that were validated for it */
} CertificateClaim;

/* What is wrong, a sentence each (of char*), empty when nothing is: the certificate is DER, made of
   the stored octets, signed by one of issuers (of Issuer), its serial, times, key and mailboxes are
   those, and the lint as it is now finds nothing. */
GPtrArray *certificate_check(const CertificateClaim *claim, GPtrArray *issuers);
/* All of it but the lint. */
GPtrArray *certificate_check_unlinted(const CertificateClaim *claim, GPtrArray *issuers);
/* That one of issuers which signed it; NULL: none did. */
const Issuer *certificate_issuer_of(GBytes *der, GPtrArray *issuers);

/* notAfter in milliseconds; 0 when der is no certificate. */
gint64 certificate_end_of(GBytes *der);

/* The entries of a CRL in DER, of CrlEntry; NULL when it is none. */
GPtrArray *crl_entries(GBytes *der);
/* thisUpdate and nextUpdate; FALSE when it is none. */
gboolean crl_times(GBytes *der, gint64 *this_update, gint64 *next_update);

#endif
