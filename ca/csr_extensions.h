/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken from the extensions that a request asks for. For ca/ only. */
#ifndef SIGNET_CA_CSR_EXTENSIONS_H
#define SIGNET_CA_CSR_EXTENSIONS_H

#include "ca/csr.h"

/* Sets csr's mailboxes and wishes. Refused with CA_ERROR_BAD_CSR: an extension twice; no
   subjectAltName, or one with anything but different mailboxes; basicConstraints CA:TRUE; keyUsage
   without bits or with others than RFC 8823 section 3.3 names; extendedKeyUsage without
   emailProtection; what asks for attestation, escrow, OCSP or another validation than of mailboxes.
   All else is ignored; in keyUsage zero bits
   at the end are no reason to refuse, since widely used libraries write them. */
gboolean csr_read_extensions(Csr *csr, const X509_EXTENSIONS *list, CsrNames names, GError **error);

#endif
