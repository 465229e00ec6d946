/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from certificates and keys that are already there. */
#ifndef SIGNET_CA_CERTIFICATE_READ_H
#define SIGNET_CA_CERTIFICATE_READ_H

#include "ca/issuer.h"

/* The serial number of a DER certificate, big-endian without leading zeros; NULL when it is none.
 */
GBytes *certificate_serial_of(GBytes *der);

/* Whether a finished certificate is made of exactly these to-be-signed octets. */
gboolean certificate_is_made_of(GBytes *der, GBytes *tbs);

/* Whether the SubjectPublicKeyInfo is the issuer's own. */
gboolean issuer_has_key(const Issuer *issuer, GBytes *spki);

#endif
