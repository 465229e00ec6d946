/* SPDX-License-Identifier: Apache-2.0 */
/* The CA's signatures: one algorithm for each type of key (S/MIME BR 7.1.3.2; ca-rules 28). For ca/
 * only. */
#ifndef SIGNET_CA_SIGNATURE_H
#define SIGNET_CA_SIGNATURE_H

#include "ca/algorithm.h"

/* SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING }; tbs and identifier must each be one DER
   SEQUENCE, else NULL. */
GBytes *signature_wrap(GBytes *tbs, GBytes *identifier, GBytes *signature);

/* Keeps what OpenSSL looks up for a key. CA_ERROR_SIGN. */
Signatory *signatory_new(EVP_PKEY *key, EVP_PKEY *public_key, GError **error);
void signatory_free(Signatory *signatory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Signatory, signatory_free)

/* Signs exactly tbs with the key, verifies the signature with the public key, and returns the
   signed object. The AlgorithmIdentifier inside the to-be-signed certificate must be the key's.
   CA_ERROR_SIGN. */
GBytes *signature_certificate(const Signatory *signatory, GBytes *tbs, GError **error);

/* The same for a to-be-signed revocation list. */
GBytes *signature_crl(const Signatory *signatory, GBytes *tbs, GError **error);

#endif
