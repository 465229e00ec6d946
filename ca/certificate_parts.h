/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate that is there already, taken apart into what the store has columns for. */
#ifndef SIGNET_CA_CERTIFICATE_PARTS_H
#define SIGNET_CA_CERTIFICATE_PARTS_H

#include "ca/issuer.h"

typedef struct {
  GBytes *serial;               /* big-endian without leading zeros */
  GBytes *tbs;                  /* the octets that were signed */
  GBytes *spki;                 /* SubjectPublicKeyInfo */
  gint64 not_before, not_after; /* milliseconds */
  GPtrArray *mailboxes;         /* of Mailbox, each once */
  gint64 shard;                 /* of its revocation list, by the URL base/crl-N.crl; 0: none */
} CertificateParts;

void certificate_parts_clear(CertificateParts *parts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CertificateParts, certificate_parts_clear)

/* base: the URL below which lists are. CA_ERROR_PROFILE when der is no certificate, or none with
   mailboxes. */
gboolean certificate_parts_read(GBytes *der, const char *base, CertificateParts *parts,
                                GError **error);

/* The number of the shard in "crl-N.crl"; 0: it is no such name. */
gint64 crl_file_shard(const char *name);
/* cRLNumber; 0: none. */
gint64 crl_number_of(GBytes *der);

#endif
