/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of keys that Signet knows, one row each: their octets, what they may be used for, and
   which of them nobody may use yet (S/MIME BR 6.1.5, 7.1.3; ca-rules 14, 16, 24, 28). */
#ifndef SIGNET_CA_ALGORITHM_H
#define SIGNET_CA_ALGORITHM_H

#include "ca/issuer.h"

/* What a key is for: a certificate, the signatures of an account (RFC 8555 section 6.2), those of a
   CA. */
typedef enum { KEY_SUBSCRIBER = 1 << 0, KEY_ACCOUNT = 1 << 1, KEY_CA = 1 << 2 } KeyPurpose;

/* Bits of KeyUsage (RFC 5280 section 4.2.1.3). */
enum {
  KEY_USAGE_SIGN = 1 << 0,
  KEY_USAGE_NON_REPUDIATION = 1 << 1,
  KEY_USAGE_ENCIPHER = 1 << 2,
  KEY_USAGE_AGREE = 1 << 4,
  KEY_USAGE_CERT_SIGN = 1 << 5,
  KEY_USAGE_CRL_SIGN = 1 << 6
};

#define ALGORITHM_OCTETS 24

/* An AlgorithmIdentifier is shorter than 128 octets, so that its second one is its length. */
typedef struct Algorithm Algorithm;
struct Algorithm {
  const char *name;                   /* in the configuration and in records: "p256" */
  const char *title;                  /* for people: "P-256" */
  const char *type;                   /* as EVP_PKEY_is_a names it; NULL: OpenSSL lacks it */
  const char *group;                  /* curve; NULL: none */
  guint8 key[ALGORITHM_OCTETS];       /* AlgorithmIdentifier of the key (S/MIME BR 7.1.3.1) */
  guint8 signature[ALGORITHM_OCTETS]; /* of a CA's signatures with it (7.1.3.2); empty: none */
  const char *digest;                 /* of these */
  const char *new_ca_key;             /* what the ceremony calls one to be made; NULL: none is */
  guint purposes;                     /* of KeyPurpose */
  guint sign, encrypt;                /* of KeyUsage; 0: it cannot */
  const char *refused;                /* why there is no certificate for one; NULL: see purposes */
  /* Of the content of a subjectPublicKey. */
  gboolean (*check)(const Algorithm *algorithm, GBytes *key, GError **error);
  gsize length; /* of that, where it is always the same */
};

/* RSA keys of CAs: those that are made have 4096 bits, since SMC017v2 demands it of keys from
   2026-09-15 on; from 2027-09-15 on no certificate comes from one below 3072. */
#define ALGORITHM_RSA_NEW_CA_BITS 4096
#define ALGORITHM_RSA_CA_MIN_BITS 2048
#define ALGORITHM_RSA_CA_LATER_BITS 3072
#define ALGORITHM_RSA_CA_LATER G_GINT64_CONSTANT(1820966400) /* seconds: 2027-09-15 */

/* The n-th row from 0; NULL when there are no more. */
const Algorithm *algorithm_at(gsize n);
/* By the octets of a key's AlgorithmIdentifier; NULL: not known. */
const Algorithm *algorithm_of_key(GBytes *identifier);
/* Of a CA's key; NULL when none may sign with it. */
const Algorithm *algorithm_of_ca(EVP_PKEY *key);
/* By new_ca_key; NULL: no such key is made. */
const Algorithm *algorithm_new_ca_key(const char *name);
/* A key for a CA; CA_ERROR_SIGN. */
EVP_PKEY *algorithm_make_ca_key(const Algorithm *algorithm, GError **error);

/* The AlgorithmIdentifiers as octets. */
GBytes *algorithm_key_octets(const Algorithm *algorithm);
GBytes *algorithm_signature_octets(const Algorithm *algorithm);

/* Whether a CA's key is too short for a certificate that begins at seconds since 1970 (SMC017v2).
 */
gboolean algorithm_ca_key_is_over(EVP_PKEY *key, gint64 seconds);

/* Titles of what may be used for a purpose, for people: "A, B and C"; the caller frees it. */
char *algorithm_list(KeyPurpose purpose);

#endif
