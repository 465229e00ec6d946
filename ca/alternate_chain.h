/* SPDX-License-Identifier: Apache-2.0 */
/* Other ways from the issuing CA up to a root, for the clients that ask (RFC 8555 section 7.4.2,
   Link rel="alternate"). */
#ifndef SIGNET_CA_ALTERNATE_CHAIN_H
#define SIGNET_CA_ALTERNATE_CHAIN_H

#include "ca/issuer.h"

#define ALTERNATE_CHAIN_MAX 8 /* certificates */

/* Reads a PEM file of certificates that can stand in place of issuer's own: the first one has
   issuer's subject, public key and subjectKeyIdentifier (a cross certificate), each next one issued
   the one before; all are CA certificates that have not ended at now (milliseconds). Returns them
   as PEM with nothing between them (RFC 8555 section 9.1), to be appended to a certificate; the
   caller frees it. CA_ERROR_FILE or CA_ERROR_MISMATCH says what is wrong with which one. */
char *alternate_chain_read(GBytes *pem, const Issuer *issuer, gint64 now, GError **error);

#endif
