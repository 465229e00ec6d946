/* SPDX-License-Identifier: Apache-2.0 */
/* The CA's signatures: one algorithm for each type of key (S/MIME BR 7.1.3.2; ca-rules 28). For ca/
 * only. */
#ifndef SIGNET_CA_SIGNATURE_H
#define SIGNET_CA_SIGNATURE_H

#include "ca/issuer.h"

typedef struct {
  const char *key;   /* as EVP_PKEY_is_a names it */
  const char *group; /* curve; NULL for RSA */
  const char *digest;
  const guint8 *octets; /* AlgorithmIdentifier */
  gsize length;
} SignatureAlgorithm;

/* The algorithm of a CA key; NULL when the key is not P-256, P-384 or RSA of 2048 bit or more. */
const SignatureAlgorithm *signature_algorithm(EVP_PKEY *key);

/* SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING }; tbs must be one DER SEQUENCE, else NULL. */
GBytes *signature_wrap(GBytes *tbs, const SignatureAlgorithm *algorithm, GBytes *signature);

/* Signs exactly tbs with key, verifies the signature with public_key, and returns the signed
   object. The AlgorithmIdentifier inside the to-be-signed certificate must be the key's.
   CA_ERROR_SIGN. */
GBytes *signature_certificate(EVP_PKEY *key, EVP_PKEY *public_key, GBytes *tbs, GError **error);

/* The same for a to-be-signed revocation list. */
GBytes *signature_crl(EVP_PKEY *key, EVP_PKEY *public_key, GBytes *tbs, GError **error);

#endif
