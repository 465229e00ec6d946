/* SPDX-License-Identifier: Apache-2.0 */
/* The key that signs checkpoints of the audit log: Ed25519 or P-256, and nothing else with it. */
#ifndef SIGNET_CA_AUDIT_KEY_H
#define SIGNET_CA_AUDIT_KEY_H

#include "base/audit_record.h"
#include "ca/issuer.h"

/* A new Ed25519 key: the private half as PEM (PKCS#8, encrypted with a passphrase unless it is
   NULL), which the caller clears and frees, and the public half as PEM. */
char *audit_key_make(const char *passphrase, char **public_pem);

/* Reads a private key; CA_ERROR_FILE when it cannot be read or is of another type. The caller frees
   it. */
EVP_PKEY *audit_key_read(GBytes *pem, const char *passphrase, GError **error);
/* Reads a public key in PEM. */
EVP_PKEY *audit_key_read_public(GBytes *pem, GError **error);

/* The public half as PEM; the caller frees it. */
char *audit_key_text(EVP_PKEY *key);
/* SubjectPublicKeyInfo, DER, of a key; and a key of one, NULL when it is not of such a type. */
GBytes *audit_key_spki(EVP_PKEY *key);
EVP_PKEY *audit_key_from_spki(GBytes *spki);

/* Signs a checkpoint. CA_ERROR_SIGN. */
GBytes *audit_key_sign(EVP_PKEY *key, const AuditCheckpoint *checkpoint, GError **error);
/* octets: as audit_checkpoint_octets makes them. */
gboolean audit_key_verify(EVP_PKEY *key, GBytes *octets, GBytes *signature);

#endif
