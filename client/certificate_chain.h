/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate chain as the server gives it, leaf first (RFC 8555 section 9.1). */
#ifndef SIGNET_CLIENT_CERTIFICATE_CHAIN_H
#define SIGNET_CLIENT_CERTIFICATE_CHAIN_H

#include "client/openssl_types.h"

#define CERTIFICATE_CHAIN_MAX 10 /* certificates */

/* Reads PEM certificates and checks that nothing else is among them and that each is signed by the
   next. CLIENT_LOCAL with what is wrong. */
CertificateStack *certificate_chain_read(const void *pem, gsize length, GError **error);

/* Whether the leaf is for key. */
gboolean certificate_chain_is_for(const CertificateStack *chain, EVP_PKEY *key);

/* The chain as PEM. */
GBytes *certificate_chain_pem(const CertificateStack *chain);

/* The leaf in DER. */
GBytes *certificate_chain_leaf(const CertificateStack *chain);

/* The mail addresses that the leaf names, NULL-terminated, each once; the caller frees it with
   g_strfreev. CLIENT_LOCAL when there are none. */
char **certificate_chain_addresses(const CertificateStack *chain, GError **error);

/* The leaf's serial number in hexadecimal digits, and its identifier for renewal (RFC 9773
   section 4.1; NULL when it does not name its issuer's key). The caller frees them. */
char *certificate_chain_serial(const CertificateStack *chain);
char *certificate_chain_renewal_id(const CertificateStack *chain);

/* The leaf's validity in seconds since 1970. */
void certificate_chain_validity(const CertificateStack *chain, gint64 *from, gint64 *to);

/* The leaf's last day as text, e.g. "2027-02-18"; the caller frees it. */
char *certificate_chain_expiry(const CertificateStack *chain);

#endif
