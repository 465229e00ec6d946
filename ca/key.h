/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriber and account keys: what is accepted (S/MIME BR 6.1.1.3, 6.1.5, 6.1.6, 7.1.3.1). */
#ifndef SIGNET_CA_KEY_H
#define SIGNET_CA_KEY_H

#include "ca/algorithm.h"

/* Checks a SubjectPublicKeyInfo: RSA of 2048 to 4096 bit in a multiple of 8, e = 65537, no factor
   below 752, no ROCA modulus (CVE-2017-15361), no close primes (Fermat, 110 rounds); an
   uncompressed point on the curve; exactly the AlgorithmIdentifier octets of BR 7.1.3.1 (RFC 5480,
   RFC 8410). Which kinds are taken for which purpose is in the table of ca/algorithm.c. algorithm
   may be NULL. CA_ERROR_BAD_KEY with words for the client. */
gboolean key_check(GBytes *spki, KeyPurpose purpose, const Algorithm **algorithm, GError **error);

/* A key's kind by its AlgorithmIdentifier; NULL for one that is not known. */
const Algorithm *key_algorithm(GBytes *spki);

/* SHA-256 of the SubjectPublicKeyInfo: what a key is known by in the store. */
GBytes *key_digest(GBytes *spki);

/* The subjectKeyIdentifier that Signet gives a key: the leftmost 160 bits of the SHA-256 of the
   subjectPublicKey (RFC 7093 section 2, method 1; no SHA-1 anywhere). NULL when spki is no
   SubjectPublicKeyInfo. */
GBytes *key_identifier(GBytes *spki);

#endif
