/* SPDX-License-Identifier: Apache-2.0 */
/* RSA moduli: what is refused (S/MIME BR 6.1.1.3, 6.1.5, 6.1.6). */
#ifndef SIGNET_CA_KEY_RSA_H
#define SIGNET_CA_KEY_RSA_H

#include "ca/issuer.h"

#define KEY_RSA_MIN_BITS 2048
#define KEY_RSA_MAX_BITS 4096
#define KEY_RSA_FERMAT_ROUNDS 110

/* Checks an RSAPublicKey, DER. CA_ERROR_BAD_KEY with words for the client. */
gboolean key_rsa_check(GBytes *key, GError **error);

#endif
