/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriber and account keys: what is accepted (S/MIME BR 6.1.1.3, 6.1.5, 6.1.6, 7.1.3.1). */
#ifndef SIGNET_CA_KEY_H
#define SIGNET_CA_KEY_H

#include "ca/issuer.h"

typedef enum { KEY_RSA, KEY_P256, KEY_P384, KEY_P521, KEY_ED25519 } KeyType;

/* What a key is for: certificates, or the signatures of an account (RFC 8555 section 6.2). */
typedef enum { KEY_SUBSCRIBER = 1 << 0, KEY_ACCOUNT = 1 << 1 } KeyPurpose;

/* Checks a SubjectPublicKeyInfo: RSA of 2048 to 4096 bit in a multiple of 8, e = 65537, no factor
   below 752, no ROCA modulus (CVE-2017-15361), no close primes (Fermat, 110 rounds); P-256 or
   P-384, uncompressed point on the curve; for accounts also P-521 and Ed25519; exactly the
   AlgorithmIdentifier octets of BR 7.1.3.1 (RFC 5480, RFC 8410 for the last two). type may be NULL.
   CA_ERROR_BAD_KEY with words for the client. */
gboolean key_check(GBytes *spki, KeyPurpose purpose, KeyType *type, GError **error);

/* The name of a key's type by its AlgorithmIdentifier, as profiles name it: "rsa", "p256", "p384",
   "p521" or "ed25519"; NULL for another. */
const char *key_kind(GBytes *spki);

/* SHA-256 of the SubjectPublicKeyInfo: what a key is known by in the store. */
GBytes *key_digest(GBytes *spki);

/* The subjectKeyIdentifier that Signet gives a key: the leftmost 160 bits of the SHA-256 of the
   subjectPublicKey (RFC 7093 section 2, method 1; no SHA-1 anywhere). NULL when spki is no
   SubjectPublicKeyInfo. */
GBytes *key_identifier(GBytes *spki);

#endif
