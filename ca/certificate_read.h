/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from certificates and keys that are already there. */
#ifndef SIGNET_CA_CERTIFICATE_READ_H
#define SIGNET_CA_CERTIFICATE_READ_H

#include "ca/issuer.h"

/* The serial number of a DER certificate, big-endian without leading zeros; NULL when it is none.
 */
GBytes *certificate_serial_of(GBytes *der);

/* The mailboxes that a DER certificate names in its subjectAltName, each once, of Mailbox; other
   kinds of names are passed over. NULL with CA_ERROR_PROFILE when there is none, or one that is no
   address. */
GPtrArray *certificate_mailboxes(GBytes *der, GError **error);

/* Whether a finished certificate is made of exactly these to-be-signed octets. */
gboolean certificate_is_made_of(GBytes *der, GBytes *tbs);

/* Of DER octets, the keyIdentifier of the authorityKeyIdentifier, which is the subjectKeyIdentifier
   of who signed; NULL when there is none. */
GBytes *certificate_authority(GBytes *der);
GBytes *crl_authority(GBytes *der);

/* The issuer's own subjectKeyIdentifier, and its certificate in DER. */
GBytes *issuer_identifier(const Issuer *issuer);
GBytes *issuer_der(const Issuer *issuer);
/* The same as PEM; the caller frees it. */
char *issuer_pem(const Issuer *issuer);

/* The file below the URL base in which the issuer's certificate says that its root's list
   (distribution point), or its root's certificate (caIssuers), is; NULL when it is elsewhere. The
   caller frees it. */
char *issuer_crl_file(const Issuer *issuer, const char *base);
char *issuer_root_file(const Issuer *issuer, const char *base);

/* The issuer's own SubjectPublicKeyInfo; and whether one is it. */
GBytes *issuer_spki(const Issuer *issuer);
gboolean issuer_has_key(const Issuer *issuer, GBytes *spki);

#endif
